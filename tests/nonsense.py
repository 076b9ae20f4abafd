"""Sentences that no picture answers, made otherwise than those which relevance is measured with."""

import random
from typing import Final

_KINDS: Final = (
    "quarterly", "annual", "regulatory", "monetary", "procedural", "constitutional", "epistemic", "fiscal",
    "contractual", "ontological", "actuarial", "linguistic", "municipal", "doctrinal", "axiomatic", "prorated",
    "provisional", "tacit", "normative", "retroactive", "semantic", "implicit", "bilateral", "cumulative",
)  # fmt: skip
_MATTERS: Final = (
    "legislation", "statement", "framework", "lawsuit", "theory", "curriculum", "tariff", "ordinance", "liability",
    "bookkeeping", "onboarding", "significance", "equilibrium", "outlook", "jurisprudence", "arbitrage", "etymology",
    "syllogism", "covenant", "indemnity", "subsidy", "accrual", "caveat", "precedent", "obligation", "premise",
)  # fmt: skip
_DEEDS: Final = (
    "underwrites", "refutes", "reconciles", "implies", "supersedes", "waives", "discounts", "delegates", "annotates",
    "subsumes", "defers", "invalidates", "mitigates", "rephrases",
)  # fmt: skip
_FORMS: Final = (
    "why {a} {n} {v} the {b} {m}", "{n} and {m} of the {a} {o}", "the {a} {n} never {v} any {m}",
    "according to the {b} {n}, {m} {v} {o}", "{a} {n}", "how to file {a} {n} before {m}",
)  # fmt: skip
_ONSETS: Final = (*"bcdfghjklmnprstvwz", "br", "st", "tr", "pl", "gr", "fl")
_VOWELS: Final = (*"aeiou", "oo", "ai", "ea")
_CODAS: Final = ("", "", "n", "s", "ck", "m", "l")
_LITTLE: Final = ("the", "a", "of", "to", "and", "with", "is", "for", "not")


def sentences(count: int, seed: int = 7) -> list[str]:
    """Two in five are of offices and lecture rooms, a third of words that are none, the rest of mere letters."""
    dice = random.Random(seed)
    makers = (_dry, _dry, _dry, _dry, _dry, _dry, _spoken, _spoken, _spoken, _spoken, _spoken, _typed, _typed, _typed, _typed)  # fmt: skip
    return [makers[i % len(makers)](dice) for i in range(count)]


def _dry(dice: random.Random) -> str:
    n, m, o = (dice.choice(_MATTERS) for _ in range(3))
    a, b, v = dice.choice(_KINDS), dice.choice(_KINDS), dice.choice(_DEEDS)
    return dice.choice(_FORMS).format(a=a, b=b, n=n, m=m, o=o, v=v)


def _spoken(dice: random.Random) -> str:
    def word() -> str:
        if dice.random() < 0.3:
            return dice.choice(_LITTLE)
        parts = [dice.choice(_ONSETS) + dice.choice(_VOWELS) for _ in range(dice.randint(1, 3))]
        return "".join(parts) + dice.choice(_CODAS)

    return " ".join(word() for _ in range(dice.randint(3, 8)))


def _typed(dice: random.Random) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    lengths = [dice.randint(3, 9) for _ in range(dice.randint(1, 6))]
    return " ".join("".join(dice.choices(letters, k=length)) for length in lengths)
