"""Texts as they are kept: composed, trimmed, checked. Names of tags, and what makes two of them the same."""

import re
import unicodedata
from itertools import zip_longest
from typing import Final

from app.domain.limits import (
    MAX_DESCRIPTION_LENGTH,
    MAX_EMAIL_LENGTH,
    MAX_NAME_LENGTH,
    MAX_TAG_LENGTH,
)
from app.errors import bad_input

MOST_COMPOSED: Final = 4
"""So many characters at most become one in NFC."""
JOINERS: Final = "\u200c\u200d"
"""ZWNJ and ZWJ."""
STRAY_JOINER: Final = re.compile(
    r"(?<![^\0-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\0-\x7f\u200c\u200d])"
)
SELECTORS: Final = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""They choose between two looks of the letter or sign before them: an emoji in black or in colours, an ideograph of a name."""
STRAY_SELECTOR: Final = re.compile(
    rf"(?<![^\0-\x7f\u200c\u200d{SELECTORS}])(?!(?<=[0-9#*])\ufe0f\u20e3)[{SELECTORS}]"
)
"""One that chooses nothing. Of ASCII, only keys have two looks: 1️⃣."""
BLANKS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
"""Unicode counts them among letters and marks, and nobody sees them: a joiner of marks, vowels of Khmer that are not
written, fillers of Hangul."""
MARKS_AT_ONCE: Final = 30
EMAIL: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+\.[^\s@.]{2,}")
"""What is surely no address is refused; whether mail arrives there, only mail can tell."""


def composed(text: str, limit: int) -> str:
    """NFC, for a text of `limit` characters; as it is where it is too long for that, however it is spelled.

    In a time that grows with its length alone: the marks on one letter are put in order, 30 at a time as Unicode's
    Stream-Safe Text Format has it (UAX #15), where a hundred thousand of them took seconds.
    """
    if text.isascii() or len(text) > MOST_COMPOSED * limit:
        return text
    pieces, start, marks = [], 0, 0
    for at, letter in enumerate(text):
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks == MARKS_AT_ONCE:
            pieces.append(text[start : at + 1])
            start, marks = at + 1, 0
    return "".join(unicodedata.normalize("NFC", one) for one in (*pieces, text[start:]))


def tag_name(name: str, *, field: str = "tags") -> str:
    """The name as it is kept: NFC, trimmed, inner white space single. BAD_USER_INPUT outside 1 to 100 characters."""
    clean = composed(" ".join(name.split()), MAX_TAG_LENGTH)
    if not 1 <= len(clean) <= MAX_TAG_LENGTH:
        raise bad_input(field, f"A tag name has 1 to {MAX_TAG_LENGTH} characters.")
    seen = shown(clean)
    if clean != seen:
        hidden = next(ord(one) for one, its in zip_longest(clean, seen) if one != its)
        raise bad_input(field, f"A tag name has no character that is not seen: U+{hidden:04X}.")
    return clean


def shown(text: str) -> str:
    """Without what nobody would see. Joiners stay where they join: Persian and Hindi are spelled with them, and families
    of emoji; between ASCII they would make two of what looks the same. So would selectors behind it."""
    seen = (one for one in text if one not in BLANKS and (one.isprintable() or one in JOINERS))
    return STRAY_JOINER.sub("", STRAY_SELECTOR.sub("", "".join(seen)))


def tag_key(name: str) -> str:
    """What makes two tag names the same in a team: case does not count. Folding may make three letters of one."""
    folded = composed(" ".join(name.split()), MAX_TAG_LENGTH).casefold()
    return composed(folded, 3 * MAX_TAG_LENGTH)


def line(text: str, *, field: str, required: bool = False, limit: int = MAX_NAME_LENGTH) -> str:
    """One line of text as it is kept: trimmed; BAD_USER_INPUT when too long or (if required) when nothing of it is seen."""
    clean = composed(" ".join(text.split()), limit)
    if len(clean) > limit:
        raise bad_input(field, f"This has at most {limit} characters.", limit=limit)
    if required and not shown(clean).strip():
        raise bad_input(field, "This must not be empty.")
    return clean


def paragraph(text: str, *, field: str, limit: int = MAX_DESCRIPTION_LENGTH) -> str:
    """Free text with its line breaks, trimmed; BAD_USER_INPUT when too long."""
    clean = composed(text.strip(), limit)
    if len(clean) > limit:
        raise bad_input(field, f"This has at most {limit} characters.", limit=limit)
    return clean


def email_address(text: str, *, field: str = "email") -> str:
    """The address as it is kept; BAD_USER_INPUT where it cannot be one, or has what nobody would see and type again."""
    clean = email_key(text)
    if not EMAIL.fullmatch(clean) or len(clean) > MAX_EMAIL_LENGTH or clean != shown(clean):
        raise bad_input(field, "This is not an e-mail address.")
    return clean


def email_key(text: str) -> str:
    """An address by which its account is found: trimmed, in lower case, of which some letters become one with their marks."""
    return composed(composed(text.strip(), MAX_EMAIL_LENGTH).lower(), MAX_EMAIL_LENGTH)
