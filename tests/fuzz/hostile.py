"""Texts, JSON values and bytes of the kinds that break servers."""

import json
from typing import Any, Final

from hypothesis import strategies as st

WORDS: Final = (
    "", " ", "\t\n", "a", "null", "-0", "0x10", "1e999", "NaN", "true", "undefined", "../../etc/passwd",
    "'; drop table image; --", "%00", "%s%n", "{{7*7}}", "${jndi:ldap://x}", "<script>", "\\", '"', "`", "|", "&", "!", "(", "):*",
    "a\u0301\u0323" * 9, "\u202eab\u202c", "\u200b", "\u200d\u2060", "\ufeff", "\ufffe", "\uffff", "\U0001f469\u200d\U0001f680",
    "\U0001f1fa\U0001f1f8" * 3, "مرحبا", "שלום", "ﷺ", "İstanbul", "straße", "ǅ", "K", "\x85\u2028\u2029", "\x01\x1f\x7f", "Z" * 101,
    "\U000e0041", "़", "́" * 300, "x" * 10_001, "AND OR NOT -", '"a b" or -c', "a:* & !b", "9" * 400,
)  # fmt: skip
EVIL_WORDS: Final = ("\0", "a\0b", "\ud800", "\udfff\ud800")
"""What neither PostgreSQL nor UTF-8 can hold."""
NUMBERS: Final = (
    0, -1, 1, 100, 101, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400,
    0.1, -0.0, 1e-320, 1.7976931348623157e308, 1e22, 2147483647.5,
)  # fmt: skip
DATES: Final = (
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
    "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "-0044-03-15T00:00:00Z", "+12026-01-01T00:00:00Z", "24:00",
    "2026-06-30T23:59:60Z", "2026-01-01T24:00:00Z", "20260101T000000Z", "2026-W01-1T00:00:00Z", "infinity", "now", "0",
    "2026-01-01T00:00:00.1234567890Z", "1970-01-01T00:00:00z", "294277-01-01T00:00:00Z", "4714-11-24T00:00:00Z",
)  # fmt: skip

letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.one_of(
    st.sampled_from(WORDS),
    st.text(letters, max_size=40),
    st.text("aé\u0301\u202e😀 \n%_\\", max_size=120),
)
evil_words = st.one_of(words, st.sampled_from(EVIL_WORDS))
numbers = st.one_of(
    st.sampled_from(NUMBERS), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
dates = st.one_of(st.sampled_from(DATES), st.datetimes().map(lambda at: at.isoformat() + "Z"))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, evil_words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(evil_words, inner, max_size=5)
    ),
    max_leaves=12,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with a few of them cut, doubled, changed, or others put between."""
    found = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(found)))
        until = draw(st.integers(at, min(at + 20, len(found))))
        match draw(st.sampled_from(("cut", "end", "insert", "double", "flip"))):
            case "cut":
                del found[at:until]
            case "end":
                del found[at:]
            case "insert":
                found[at:at] = draw(st.binary(max_size=8) | st.sampled_from(PIECES))
            case "double":
                found[at:at] = found[at:until]
            case _ if at < len(found):
                found[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(found)


PIECES: Final = (
    b"\0", b"\xff", b"\r\n", b"\n", b"\r\n\r\n", b'"', b"{", b"[" * 200, b"\xef\xbb\xbf", b"NaN", b"-Infinity", b"1e999", b"9" * 500,
    b"\\ud800", b"\\u0000", b"--", b";", b'"query":"{__typename}",', b"\xed\xa0\x80", b"\x1f\x8b\x08",
)  # fmt: skip


def encoded(value: Any) -> bytes:
    """JSON as Python spells it: lone surrogates as escapes, NaN and numbers of any length as they are."""
    return json.dumps(value).encode()
