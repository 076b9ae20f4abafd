"""Texts and bytes that are made to be slow to read: what they cost grows with their length, and not faster."""

import resource
import subprocess
import sys
import unicodedata

import pytest

from app import domain
from app.domain import texts
from app.errors import AppError
from app.imaging.formats import foreign_name
from app.services.intake import intents

MARKS = "\u0301\u0316"
CPU_SECONDS = 20
"""A process that starts in one of them, and reads what is below in another; it took minutes, or no end."""


def read_by_another(code: str) -> str:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))

    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:] or "killed for its processor time"
    return done.stdout


@pytest.mark.parametrize(
    "call",
    [
        "domain.email_address(text)",
        "domain.tag_name(text)",
        "domain.line(text, field='title')",
        "domain.paragraph(text, field='description')",
    ],
)
def test_a_million_marks_on_a_letter_are_refused(call: str) -> None:
    code = (
        f"from app import domain\nfrom app.errors import AppError\ntext = 'a' + {MARKS!r} * 500_000\n"
        f"try: {call}\nexcept AppError as error: print(error.code)\n"
    )
    assert read_by_another(code).strip() == "BAD_USER_INPUT"


def test_as_many_marks_as_a_text_may_have_are_read() -> None:
    code = (
        f"from app import domain\ntext = 'a' + {MARKS!r} * 4_999\n"
        "for _ in range(20): print(len(domain.paragraph(text, field='description')))\n"
        "for _ in range(2_000): domain.tag_key('a' + '\\u0316\\u0301' * 500)\n"
        "domain.tag_key(text * 100)\n"
    )
    assert set(read_by_another(code).split()) == {"9998"}


@pytest.mark.parametrize(
    "text", ["Cafe\u0301", "\u1112\u1161\u11ab", "a\u0316\u0301", "Å", "plain"]
)
def test_plain_words_are_composed_as_unicode_has_it(text: str) -> None:
    for spelled in (text, unicodedata.normalize("NFD", text)):
        assert texts.composed(spelled, 100) == unicodedata.normalize("NFC", text)
        assert domain.tag_key(spelled) == unicodedata.normalize("NFC", text.casefold())


def test_four_letters_that_become_one_fit_where_one_fits() -> None:
    one = "\u1f82"
    assert len(unicodedata.normalize("NFD", one)) == domain.MOST_COMPOSED
    spelled = unicodedata.normalize("NFD", one * domain.MAX_TAG_LENGTH)
    assert domain.tag_name(spelled) == unicodedata.normalize("NFC", one * domain.MAX_TAG_LENGTH)
    with pytest.raises(AppError):
        domain.tag_name(spelled + "x")


def test_room_around_a_name_does_not_make_it_too_long() -> None:
    assert domain.tag_name(" " * 10_000 + "red   car" + "\n" * 10_000) == "red car"
    assert domain.paragraph("\n" * 100_000 + "é", field="description") == "é"


def test_comments_that_lead_to_no_picture_are_passed_over_once() -> None:
    code = (
        "from app.imaging.formats import foreign_name\n"
        "for head in (b'<!---->' * 580, b'<!--' * 1000, b'<?xml ' * 600, b'<!DOCTYPE>' * 400, b' ' * 4096):\n"
        "    print(foreign_name(head + b'x'))\n"
    )
    assert set(read_by_another(code).split()) == {"None"}
    assert foreign_name(b"<!-- a -- b -->" * 100 + b"<svg/>") is None
    assert foreign_name(b"<!-- a -- b -->" * 100 + b"<svg >") == "SVG"


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f\u200d🔥",
        "क्\u200dष",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "🏳\ufe0f\u200d🌈",
        "葛\U000e0100",
        "ᠠ\u180b",
    ],
)
def test_joiners_stay_where_they_join(name: str) -> None:
    assert domain.tag_name(name) == name
    assert intents.clean_filename(f"{name}.jpg") == f"{name}.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "ca\u200dt",
        "\u200d",
        "می\u200c",
        "\u200cمی",
        "م\u200c\u200dی",
        "a\u200b",
        "a\u202eb",
        "\u3164",
        "ca\u034ft",
        "\ufe0f",
        "cat\ufe0f",
        "1\ufe0f",
        "❤\ufe0f\ufe0f",
        "\U000e0100",
        "b\U000e0100",
        "\u180b",
        "\u115f",
        "x\u1160",
    ],
)
def test_what_nobody_would_see_is_no_name(name: str) -> None:
    with pytest.raises(AppError, match="not seen: U"):
        domain.tag_name(name)
    kept = intents.clean_filename(name)
    assert kept.isprintable()
    assert kept != name


def test_a_name_that_is_refused_is_told_by_what_is_not_seen_in_it() -> None:
    for name, hidden in (
        ("\u200bcat", "U+200B"),
        ("cat\U000e0100", "U+E0100"),
        ("a\u202eb", "U+202E"),
    ):
        with pytest.raises(AppError, match=f"{hidden[0]}\\{hidden[1:]}"):
            domain.tag_name(name)


def test_a_tag_is_found_by_the_very_text_it_was_made_with() -> None:
    for made in ("\u03b1\u0345\u0301", "\u0130", "ŉ", "ẞ", "ǅ"):
        assert domain.tag_key(made) == domain.tag_key(domain.tag_name(made))


@pytest.mark.parametrize(
    "name", ["\u200b", "\u202e\u2066", "\u3164 \u3164", "\u200d", "\u0007", "\ufe0f", "\u1160"]
)
def test_a_name_of_which_nothing_is_seen_is_none(name: str) -> None:
    with pytest.raises(AppError, match="empty"):
        domain.line(name, field="input.name", required=True)
    assert domain.line(f"Ada{name}", field="input.name", required=True).startswith("Ada")


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\u202e", "\ufeff", "\u00ad", "\u0007", "\u3164"]
)
def test_no_address_has_what_nobody_types(hidden: str) -> None:
    """Else one that was pasted with it would be another account than the one that looks the same."""
    with pytest.raises(AppError, match="e-mail"):
        domain.email_address(f"ada{hidden}@example.org")


def test_an_address_is_one_however_it_is_spelled() -> None:
    """J with a caron has no letter of its own, and j with one has."""
    spelled = ("J\u030c@example.org", "j\u030c@example.org", "\u01f0@example.org")
    assert {domain.email_address(one) for one in spelled} == {"\u01f0@example.org"}
    assert {domain.email_key(one) for one in spelled} == {"\u01f0@example.org"}
