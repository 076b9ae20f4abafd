"""Pastes cut-out things into pictures, many at a time: painted over, toned, tiled, in the light."""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from app.demo import colors
from tools.builtin_model.raster import placing

_LEVELS = 3
_NOWHERE = 9.0  # a coordinate outside every cut-out


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing of the bank in a picture of the batch.

    `scale` is its size in parts of the picture; `color` one it is painted (a silhouette) or, if
    `toned`, printed in: "gray" or "black". `tiles` puts it down in so many columns and rows.
    """

    picture: int
    thing: int
    scale: float
    center: tuple[float, float]
    color: str | None = None
    toned: bool = False
    tiles: tuple[int, int] = (1, 1)


class Cutouts:
    """The things of a bank at several sizes, premultiplied, so that their edges keep their colour."""

    def __init__(self, things: NDArray[np.uint8]) -> None:
        full = torch.from_numpy(np.array(things)).permute(0, 3, 1, 2).float() / 255
        full[:, :3] *= full[:, 3:]
        self._levels = [F.avg_pool2d(full, 2**i) if i else full for i in range(_LEVELS)]

    def paste(self, rng: random.Random, ground: Tensor, placed: Sequence[Placed]) -> None:
        """Paste into float32[pictures, 3, side, side], in place; later things cover earlier ones."""
        for layer in _layers(placed):
            ordered = sorted(layer, key=lambda item: self._level(item, ground.shape[-1]))
            for level, some in groupby(ordered, lambda item: self._level(item, ground.shape[-1])):
                self._paste(rng, ground, level, list(some))

    def _level(self, item: Placed, side: int) -> int:
        """The smallest cut-outs that still have all the pixels the picture will show."""
        pixels = item.scale * side / max(item.tiles)
        full = self._levels[0].shape[-1]
        return next((i for i in (2, 1) if full / 2**i >= pixels * 0.9), 0)

    def _paste(self, rng: random.Random, ground: Tensor, level: int, some: list[Placed]) -> None:
        source = self._levels[level][[item.thing for item in some]]
        slots = [item.picture for item in some]
        for k, item in enumerate(some):
            _color(rng, source[k], item)
            _light(rng, source[k], ground[item.picture])
        theta = torch.stack([placing(rng, item.scale, item.center) for item in some])
        shape = [len(some), 4, ground.shape[-1], ground.shape[-1]]
        grid = F.affine_grid(theta, shape, align_corners=False)
        for k, item in enumerate(some):
            if item.tiles != (1, 1):
                grid[k] = _tiled(grid[k], item.tiles)
        cut = F.grid_sample(source, grid, padding_mode="zeros", align_corners=False)
        ground[slots] = ground[slots] * (1 - cut[:, 3:]) + cut[:, :3]


def _layers(placed: Iterable[Placed]) -> list[list[Placed]]:
    """First all first things of their pictures, then all second ones, and so on."""
    seen: dict[int, int] = defaultdict(int)
    layers: dict[int, list[Placed]] = defaultdict(list)
    for item in placed:
        layers[seen[item.picture]].append(item)
        seen[item.picture] += 1
    return [layers[i] for i in sorted(layers)]


def _color(rng: random.Random, cutout: Tensor, item: Placed) -> None:
    """In place, float32[4, h, w]: a silhouette in its colour, or a print in grays."""
    if item.color is None:
        return
    if item.toned:
        gray = cutout[:3].mean(0)
        dark = item.color == "black"
        cutout[:3] = (cutout[3] * 0.08 + gray * 0.3) if dark else gray
        return
    shade = torch.tensor(colors.pick(rng, item.color), dtype=torch.float32) / 255
    cutout[:3] = shade[:, None, None] * cutout[3]


def _light(rng: random.Random, cutout: Tensor, picture: Tensor) -> None:
    """In place: often the thing takes on some of the mean colour of the picture around it."""
    if rng.random() < 0.4:
        share = rng.uniform(0, 0.35)
        ambient = picture.mean((1, 2))[:, None, None] * rng.uniform(0.6, 1)
        cutout[:3] = cutout[:3] * (1 - share) + ambient * cutout[3] * share


def _tiled(grid: Tensor, tiles: tuple[int, int]) -> Tensor:
    """Places in one cut-out become places in columns and rows of it, with gaps between."""
    inside = (grid.abs() < 1).all(-1)
    counts = torch.tensor(tiles, dtype=torch.float32)
    in_cell = ((grid + 1) / 2 * counts) % 1
    return torch.where(inside[..., None], (in_cell * 2 - 1) * 1.35, _NOWHERE)
