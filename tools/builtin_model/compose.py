"""Composes training pictures from the bank, many at a time, and notes what is true of each."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from app.demo import colors
from app.demo.colors import COLOR_NAMES
from tools.builtin_model.bank import Bank
from tools.builtin_model.choices import Choices
from tools.builtin_model.paste import Cutouts, Placed
from tools.builtin_model.raster import blurred, develop, gradient
from tools.builtin_model.truth import (
    BACKGROUND,
    HELD_OUT_BACKGROUNDS,
    Subject,
    Truth,
    without_colors,
    words_among,
)


class Composer:
    """Makes batches of pictures of `side` pixels from a bank."""

    def __init__(self, bank: Bank, side: int) -> None:
        self.side = side
        self.picture_entries, self.thing_entries = bank.picture_entries, bank.thing_entries
        self._pictures = torch.from_numpy(np.array(bank.pictures)).permute(0, 3, 1, 2).contiguous()
        self._cutouts = Cutouts(bank.things)
        self._scenes = self._indexes("scene", held_out=True)
        self._patterns = self._indexes("pattern", held_out=True)
        self._scenery = self._indexes("scene", held_out=False)
        self._wallpaper = self._indexes("pattern", held_out=False)
        self._choices = Choices(bank.thing_entries)
        self._commonness = Counter(c for entry in bank.picture_entries for c in entry.concepts)
        kinds = [(e.sort, e.kind) for e in (*self.picture_entries, *self.thing_entries)]
        self.prototypes = {kind: i for i, kind in enumerate(dict.fromkeys(kinds))}
        self.vocabulary = sorted(
            {
                word
                for entry in (*self.picture_entries, *self.thing_entries)
                for word in words_among(without_colors(entry.concepts))
            }
        )

    def batch(self, rng: random.Random, size: int) -> tuple[NDArray[np.uint8], list[Truth]]:
        """Pictures uint8[size, 3, side, side] and what is true of each."""
        generator = torch.Generator().manual_seed(rng.getrandbits(48))
        truths = [Truth() for _ in range(size)]
        ground = torch.zeros(size, 3, self.side, self.side)
        placed: list[Placed] = []
        borrowed: dict[int, tuple[int, bool]] = {}
        for i, truth in enumerate(truths):
            self._imagine(rng, i, truth, ground, placed, borrowed)
        self._lay_pictures(rng, generator, ground, borrowed)
        self._cutouts.paste(rng, ground, placed)
        develop(rng, generator, ground)
        return (ground.clamp_(0, 1) * 255).round().to(torch.uint8).numpy(), truths

    def kinds(self) -> list[str]:
        """The names of the prototypes, in their order."""
        return [f"{sort}/{kind}" for sort, kind in self.prototypes]

    def word_prototypes(self) -> NDArray[np.int8]:
        """int8[word, prototype]: 1 where the word is true of that kind, 0 where not, -1 sometimes."""
        column = {word: i for i, word in enumerate(self.vocabulary)}
        counts = np.zeros((len(self.vocabulary), len(self.prototypes)), np.float32)
        totals = np.zeros(len(self.prototypes), np.float32)
        for entry in (*self.picture_entries, *self.thing_entries):
            kind = self.prototypes[entry.sort, entry.kind]
            totals[kind] += 1
            for word in words_among(without_colors(entry.concepts)):
                counts[column[word], kind] += 1
        share = counts / totals
        return np.where(share > 0.9, 1, np.where(share > 0.02, -1, 0)).astype(np.int8)

    def _indexes(self, sort: str, *, held_out: bool) -> list[int]:
        return [
            i
            for i, entry in enumerate(self.picture_entries)
            if entry.sort == sort and (held_out or entry.kind not in HELD_OUT_BACKGROUNDS)
        ]

    def _imagine(
        self,
        rng: random.Random,
        i: int,
        truth: Truth,
        ground: Tensor,
        placed: list[Placed],
        borrowed: dict[int, tuple[int, bool]],
    ) -> None:
        """Decide what picture `i` shows; plain grounds are painted, the rest is only noted."""
        roll = rng.random()
        if roll < 0.11:
            self._show_picture(truth, borrowed, i, rng.choice(self._scenes))
        elif roll < 0.155:
            self._show_picture(truth, borrowed, i, rng.choice(self._patterns))
        elif roll < 0.57:
            self._show_picture(truth, borrowed, i, rng.choice(self._scenery))
            count = 2 if rng.random() < 0.22 else 1
            placed += self._things(rng, i, truth, count, (0.19, 0.7), shapes=0.05)
        elif roll < 0.60:
            self._hint_picture(truth, borrowed, i, rng.choice(self._wallpaper), blurred=False)
            placed += self._things(rng, i, truth, 1, (0.42, 0.95), shapes=0.1)
        elif roll < 0.63:
            self._hint_picture(truth, borrowed, i, rng.choice(self._scenery), blurred=True)
            placed += self._things(rng, i, truth, 1, (0.42, 1.0), shapes=0.1)
        elif roll < 0.66:
            ends = [tuple(rng.randint(0, 255) for _ in range(3)) for _ in range(2)]
            ground[i] = gradient(rng, self.side, ends[0], ends[1])
            truth.hint(("gradient",))
            placed += self._things(rng, i, truth, 1, (0.42, 1.0), shapes=0.1)
        else:
            count = 2 if rng.random() < 0.2 else 1
            some = self._things(rng, i, truth, count, (0.32, 1.0), shapes=0.48)
            placed += some if count > 1 else [_multiplied(rng, some[0])]
            ground[i] = self._plain(rng, truth)

    def _show_picture(
        self, truth: Truth, borrowed: dict[int, tuple[int, bool]], i: int, index: int
    ) -> None:
        entry = self.picture_entries[index]
        borrowed[i] = (index, False)
        telling = sorted(entry.concepts, key=lambda concept: self._commonness[concept])
        shown = without_colors(tuple(telling))
        words = words_among(shown)
        prototype = self.prototypes[entry.sort, entry.kind]
        tints = [concept for concept in entry.concepts if concept in COLOR_NAMES]
        color = tints[i % len(tints)] if tints and entry.sort == "pattern" else None
        truth.show(Subject(shown, color, is_thing=False), prototype=prototype)
        truth.met.update(tints)
        if entry.sort == "pattern":
            truth.met.update(f"{tint}|{word}" for tint in tints for word in words)
        if entry.kind == "plain" and tints:
            truth.stand_on(tints[0])
        truth.leave_colors_open((BACKGROUND,))

    def _hint_picture(
        self,
        truth: Truth,
        borrowed: dict[int, tuple[int, bool]],
        i: int,
        index: int,
        *,
        blurred: bool,
    ) -> None:
        borrowed[i] = (index, blurred)
        truth.hint(without_colors(self.picture_entries[index].concepts))

    def _things(
        self,
        rng: random.Random,
        i: int,
        truth: Truth,
        count: int,
        scales: tuple[float, float],
        *,
        shapes: float,
    ) -> list[Placed]:
        """Choose things for picture `i`, at places that do not cover each other much."""
        found = []
        for k in range(count):
            index = self._choices.shape(rng) if rng.random() < shapes else self._choices.glyph(rng)
            scale = _between(rng, *scales) if count == 1 else _between(rng, 0.24, 0.5)
            room = max(0.0, 1 - scale) * 0.95 + 0.04
            center = rng.uniform(-room, room), rng.uniform(-room, room)
            if count == 2:
                center = (-0.5 if k == 0 else 0.5) + rng.uniform(-0.1, 0.1), center[1]
            item = _recolored(rng, Placed(i, index, scale, center))
            entry = self.thing_entries[index]
            shown = without_colors(entry.concepts) if item.color else entry.concepts
            subject = Subject(shown or entry.concepts, item.color or entry.color, is_thing=True)
            truth.show(subject, prototype=self.prototypes[entry.sort, entry.kind])
            found.append(item)
        return found

    def _plain(self, rng: random.Random, truth: Truth) -> Tensor:
        """A ground of one colour, other than that of any thing on it."""
        taken = {subject.color for subject in truth.subjects}
        free = [name for name in (*COLOR_NAMES, "white", "white", "white") if name not in taken]
        name = rng.choice(free)
        truth.stand_on(name)
        shade = colors.pick(rng, name)
        if rng.random() < 0.6 or name in ("white", "black"):
            return gradient(rng, self.side, shade, shade)
        return gradient(rng, self.side, colors.lighter(shade, 0.15), colors.darker(shade, 0.1))

    def _lay_pictures(
        self,
        rng: random.Random,
        generator: torch.Generator,
        ground: Tensor,
        borrowed: dict[int, tuple[int, bool]],
    ) -> None:
        """Lay the scenes and patterns: turned a little, zoomed, mirrored, some blurred."""
        if not borrowed:
            return
        slots = list(borrowed)
        source = self._pictures[[borrowed[i][0] for i in slots]].float() / 255
        n = len(slots)
        uniform = torch.rand(5, n, generator=generator)
        zoom_x = 0.76 + 0.24 * uniform[0]
        zoom_y = (zoom_x * (0.88 + 0.24 * uniform[1])).clamp(max=1.0)
        mirror = torch.tensor([rng.choice((-1.0, 1.0)) for _ in slots])
        turn = (uniform[2] - 0.5) * 0.12
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1] = zoom_x * mirror * turn.cos(), -zoom_x * turn.sin()
        theta[:, 1, 0], theta[:, 1, 1] = zoom_y * mirror * turn.sin(), zoom_y * turn.cos()
        theta[:, 0, 2] = (2 * uniform[3] - 1) * (1 - zoom_x)
        theta[:, 1, 2] = (2 * uniform[4] - 1) * (1 - zoom_y)
        grid = F.affine_grid(theta, [n, 3, self.side, self.side], align_corners=False)
        laid = F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)
        for k, i in enumerate(slots):
            if borrowed[i][1]:
                laid[k] = blurred(laid[k : k + 1], 7)[0]
        ground[slots] = laid


def _between(rng: random.Random, low: float, high: float) -> float:
    """Small sizes as often as large ones: even on a logarithmic scale."""
    return low * math.exp(math.log(high / low) * rng.random())


def _recolored(rng: random.Random, item: Placed) -> Placed:
    """Now and then a silhouette in any colour, or a print in gray or black."""
    roll = rng.random()
    if roll < 0.03:
        return replace(item, color=rng.choice(COLOR_NAMES))
    if roll < 0.11:
        return replace(item, color=rng.choice(("gray", "black")), toned=True)
    return item


def _multiplied(rng: random.Random, item: Placed) -> Placed:
    """Now and then several of the same, in columns and rows."""
    if rng.random() < 0.8:
        return item
    tiles = rng.choice(((2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (4, 3), (3, 4), (4, 4)))
    middle = rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08)
    return replace(item, tiles=tiles, center=middle, scale=rng.uniform(0.85, 1.05))
