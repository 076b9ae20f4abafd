"""Questions that no picture answers: with them a model is asked how near chance alone brings a text to a picture."""

from collections.abc import Iterator, Sequence
from typing import Final

_SUBJECTS: Final = (
    "the committee", "an earlier amendment", "this hypothesis", "our auditor", "the second clause",
    "a pending appeal", "the grammar of the treaty", "inflation", "her pension", "the reviewer",
    "each stakeholder", "the theorem", "a legal fiction", "their mandate", "the interest rate",
    "the spelling reform", "nobody's opinion", "a rounding error", "the syllabus",
    "the previous quarter", "a promise", "every exception", "the average", "yesterday's decision",
)  # fmt: skip
_VERBS: Final = (
    "postpones", "contradicts", "reimburses", "presupposes", "was amended by", "depends on",
    "outlives", "ratifies", "cannot be derived from", "is billed with", "shortens", "exempts",
    "clarifies", "inherits", "footnotes", "abolishes", "is rarely", "explains",
)  # fmt: skip
_OBJECTS: Final = (
    "the subjunctive", "a deductible expense", "every later paragraph", "the burden of proof",
    "double taxation", "a confidence interval", "the minutes of March", "an unpaid invoice",
    "moral relativism", "the collective agreement", "a default judgment", "the exchange rate",
    "statutory notice", "the null hypothesis", "a password policy", "free will", "next year's budget",
    "the passive voice", "an open question", "seniority", "the benefit of the doubt",
)  # fmt: skip
_RARE: Final = (
    "a dentist drilling a tooth", "a surgeon sewing a wound", "a jury in a courtroom",
    "two men shaking hands in a law office", "a welder under a truck", "a server rack with cables",
    "a blood sample in a centrifuge", "an x-ray of a broken wrist", "a ballot box in a school gym",
    "a conveyor belt with bottles", "bacteria under a microscope", "a hairdresser cutting a beard",
    "a sumo wrestler", "a fencing match", "a queue at a passport counter", "a loom with half a carpet",
    "an excavator in a quarry", "a ski jumper in the air", "a cash register", "a stock exchange floor",
    "a plumber under a sink", "an escalator in a subway",
)  # fmt: skip
"""What some library shows, and hardly any shows much of: the hardest of what is not there."""
_STARTS: Final = ("b", "st", "k", "fr", "m", "gl", "d", "pl", "s", "v", "tr", "n", "w", "l", "sh")
_MIDDLES: Final = ("a", "oo", "e", "ai", "o", "i", "ea", "u", "ou", "y")
_ENDS: Final = ("n", "", "ck", "l", "rd", "s", "mp", "th", "", "x", "ng")
_LITTLE: Final = ("the", "of", "and", "with", "a", "in", "for", "to")
_LETTERS: Final = "qetuoadgjlxvnwryipsfhkzcbm"


def _sentences(count: int) -> list[str]:
    """Most have no picture; the last ones are _RARE."""
    ways = len(_VERBS) * len(_OBJECTS)
    dry = [
        f"{_SUBJECTS[i % len(_SUBJECTS)]} {_VERBS[at // len(_OBJECTS)]} {_OBJECTS[at % len(_OBJECTS)]}"
        for i, at in enumerate(_hop(count - len(_RARE), ways))
    ]
    return [*dry, *_RARE]


def _words(count: int) -> list[str]:
    """Three in four can be spoken; the others are letters as a cat types them."""
    hops = _hop(12 * count, 1_000_003)
    spoken = [_spoken(hops, 2 + i % 5) for i in range(count * 3 // 4)]
    typed = [_typed(hops, 1 + i % 5) for i in range(count - len(spoken))]
    return [*spoken, *typed]


def _spoken(hops: Iterator[int], length: int) -> str:
    words = []
    for place in range(length):
        at = next(hops)
        if place and at % 4 == 0:
            words.append(_LITTLE[at // 4 % len(_LITTLE)])
            continue
        first = _STARTS[at % len(_STARTS)] + _MIDDLES[at // 15 % len(_MIDDLES)]
        second = _STARTS[at // 150 % len(_STARTS)] + _MIDDLES[at // 2_250 % len(_MIDDLES)]
        words.append(first + (second if at % 3 else "") + _ENDS[at // 22_500 % len(_ENDS)])
    return " ".join(words)


def _typed(hops: Iterator[int], length: int) -> str:
    words = []
    for _ in range(length):
        at = next(hops)
        step = 1 + at % 11
        words.append(
            "".join(_LETTERS[(at + step * i * i + i) % len(_LETTERS)] for i in range(3 + at % 7))
        )
    return " ".join(words)


def _hop(count: int, ways: int) -> Iterator[int]:
    """`count` numbers below `ways`, far apart, the same ones every time."""
    return ((i + 1) * 618_033_989 % ways for i in range(count))


COUNT: Final = 192
KINDS: Final[Sequence[Sequence[str]]] = (tuple(_sentences(COUNT)), tuple(_words(COUNT)))
"""Sentences, and what is no language: COUNT of each."""
