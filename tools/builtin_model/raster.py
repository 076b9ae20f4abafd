"""The arithmetic of pictures: gradients, blur, affine places, light and grain, all on tensors."""

import math
import random

import torch
import torch.nn.functional as F
from torch import Tensor


def placing(rng: random.Random, scale: float, center: tuple[float, float]) -> Tensor:
    """float32[2, 3], from places in the picture to places in the cut-out."""
    turn = math.radians(rng.gauss(0, 9) if rng.random() < 0.75 else rng.uniform(-40, 40))
    stretch = math.exp(rng.uniform(-0.3, 0.3))
    width, height = scale * math.sqrt(stretch), scale / math.sqrt(stretch)
    mirror = rng.choice((-1.0, 1.0))
    x, y = center
    a, b = math.cos(turn) / width * mirror, math.sin(turn) / width * mirror
    c, d = -math.sin(turn) / height, math.cos(turn) / height
    return torch.tensor([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def gradient(
    rng: random.Random, side: int, first: tuple[int, ...], second: tuple[int, ...]
) -> Tensor:
    """float32[3, side, side] from one colour to the other, in any direction."""
    angle = rng.uniform(0, 2 * math.pi)
    line = torch.linspace(-1, 1, side)
    along = line[None] * math.cos(angle) + line[:, None] * math.sin(angle)
    share = (0.5 + 0.5 * along).clamp(0, 1)
    start, end = (
        torch.tensor(c, dtype=torch.float32)[:, None, None] / 255 for c in (first, second)
    )
    return start * (1 - share) + end * share


def blurred(images: Tensor, pixels: int) -> Tensor:
    """The pictures seen through so few pixels a side, at their own size."""
    side = images.shape[-1]
    small = F.interpolate(images, (pixels, pixels), mode="area")
    return F.interpolate(small, (side, side), mode="bicubic", align_corners=False)


def develop(rng: random.Random, generator: torch.Generator, images: Tensor) -> None:
    """In place: light and contrast a little off, some pictures soft, some grainy."""
    n, side = images.shape[0], images.shape[-1]
    gain = 0.85 + 0.3 * torch.rand(n, 1, 1, 1, generator=generator)
    lift = 0.1 * (torch.rand(n, 1, 1, 1, generator=generator) - 0.5)
    images.sub_(0.5).mul_(gain).add_(0.5 + lift)
    soft = [i for i in range(n) if rng.random() < 0.12]
    if soft:
        images[soft] = blurred(images[soft], round(side * rng.uniform(0.45, 0.75)))
    grainy = [i for i in range(n) if rng.random() < 0.15]
    if grainy:
        shape = (len(grainy), 3, side, side)
        images[grainy] += torch.randn(shape, generator=generator) * 0.04 * rng.random()
