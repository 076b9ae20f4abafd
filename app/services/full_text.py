"""Full text: which images have the words of a text. Whatever else a filter asks for is in filters."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import composed

MOST_BY_INDEX = 5_000
"""Words that more images have are soon found by looking at one after the other."""
UUIDS = ARRAY(Uuid())
NOTS: Final = re.compile(r"""(?<![^\s"!&|()])-(?:[\s!&|()]*-)+""")
"""Minus signs with nothing between them that counts: each of them is a "not"."""
LEFT_OUT: Final = re.compile(r"(?<!\S)-$")
A_MARK: Final = "\u0301"


def spelled_out(text: str) -> str:
    """The text composed (NFC), as images keep theirs, or what it says where joined words stand alone: `cat.jpg` or the phrase "cat jpg".

    PostgreSQL keeps `cat.jpg` as one word, a host's name, where images keep their files' names word by word. Of several "not"
    in a row one is left, or none.
    """
    text = composed(text, len(text))
    # PostgreSQL keeps a place for each "not" until its word comes, and fails where a line of dashes is longer than its places.
    text = NOTS.sub(lambda found: "-" if found[0].count("-") % 2 else "", text)
    words = _words("".join(sorted({A_MARK, *filter(_is_mark, text)})))
    if words.joined.search(text) is None or text.count('"') % 2:
        return text
    return (
        f"{''.join(_told(text, words, apart=False))} or {''.join(_told(text, words, apart=True))}"
    )


def _is_mark(letter: str) -> bool:
    """Hindi, Thai and Hebrew write vowels by them: what stands between two letters parts no words."""
    return unicodedata.category(letter).startswith("M")


@dataclass(frozen=True, slots=True)
class _Words:
    """`joined`: words with no space between them, as file names have them; `without` says that they are not to be there.
    From the beginning of a word and without a way back: a thousand letters would else be tried from each of them to the end.
    `between`: what parts two of them."""

    joined: re.Pattern[str]
    between: re.Pattern[str]


@lru_cache(maxsize=256)
def _words(marks: str) -> _Words:
    """With these marks, which are all that a text has, as parts of words."""
    word = rf"(?:[^\W_]|[{marks}])++"
    between = rf"(?![{marks}])(?:[^\w\s\"]|_)"
    joined = rf"(?P<without>(?<!\S)-)?(?<![^\W_])(?<![{marks}])(?P<joined>{word}(?:(?:{between})++{word})+)"
    return _Words(re.compile(joined), re.compile(rf"(?:(?![{marks}])[\W_])+"))


def _told(text: str, words: _Words, *, apart: bool) -> Iterator[str]:
    """What is not to be there is told both ways in either."""

    def phrase(found: re.Match[str]) -> str:
        told = f'"{words.between.sub(" ", found["joined"])}"'
        if found["without"]:
            return f"{found[0]} -{told}"
        return told if apart else found[0]

    parts = text.split('"')
    for n, part in enumerate(parts):
        told = words.between.sub(" ", part)
        if not n % 2:
            yield words.joined.sub(phrase, part)
        elif LEFT_OUT.search(parts[n - 1]):
            yield f'"{part}" -"{told}"'
        else:
            yield f'"{told if apart else part}"'


@dataclass(frozen=True, slots=True)
class Worded:
    """`are_few`: an index has told which images they are, and there are MOST_BY_INDEX at most."""

    condition: ColumnElement[bool]
    are_few: bool


async def has_words(session: AsyncSession, team_ids: Sequence[UUID], text: str) -> Worded:
    """The words as they stand, or as English has them: `words` holds both readings.

    Where few images have them, those by their ids. Behind the second wall no query finds them by the index itself.
    """
    text = spelled_out(text)
    few = func.worded_images(text, literal(list(team_ids), UUIDS), MOST_BY_INDEX, type_=UUIDS)
    ids = await session.scalar(select(few))
    if ids is not None:
        return Worded(Image.id == any_(literal(ids, UUIDS)), are_few=True)
    readings = (
        Image.words.op("@@")(func.websearch_to_tsquery(config, text))
        for config in ("simple", "english")
    )
    return Worded(or_(*readings), are_few=False)
