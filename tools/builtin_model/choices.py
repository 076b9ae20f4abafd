"""Which thing a training picture shows next: everyday things far more often than rare ones."""

import random
from collections import defaultdict

from tools.builtin_model.bank import Entry
from tools.builtin_model.vocabulary import COMMONEST, is_everyday, things


class Choices:
    """Draws indexes of the bank's things at random."""

    def __init__(self, entries: list[Entry]) -> None:
        self._shapes = [i for i, entry in enumerate(entries) if entry.sort == "shape"]
        by_glyph: dict[str, list[int]] = defaultdict(list)
        for i, entry in enumerate(entries):
            if entry.sort == "glyph":
                by_glyph[entry.kind].append(i)
        self._by_glyph = by_glyph
        self._rare = [name for name in by_glyph if not is_everyday(name)]
        drawn = {thing.word: [g for g in thing.glyphs if g in by_glyph] for thing in things()}
        self._everyday = [glyphs for glyphs in drawn.values() if glyphs]
        self._commonest = [drawn[word] for word in COMMONEST if drawn.get(word)]

    def shape(self, rng: random.Random) -> int:
        """The index of a plain shape."""
        return rng.choice(self._shapes)

    def glyph(self, rng: random.Random) -> int:
        """The index of a glyph: 40 % of the commonest hundred, 35 % everyday, 25 % rare."""
        roll = rng.random()
        if roll < 0.25 and self._rare:
            return self._by_glyph[rng.choice(self._rare)][0]
        group = rng.choice(self._commonest if roll < 0.65 else self._everyday)
        variants = self._by_glyph[rng.choice(group)]
        # The first is the glyph as it is, the others are repainted.
        return variants[0] if len(variants) == 1 or rng.random() < 0.6 else rng.choice(variants[1:])
