"""The canvas all painters share: drawing at twice the size, gradients, light and soft masks.

Lengths are in units of the shorter side, so that a circle is round on every format: x runs from
0 to `canvas.w`, y from 0 (top) to `canvas.h`, and the smaller of the two is 1.
"""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from app.demo.colors import RGB

Point = tuple[float, float]
_OVERSAMPLING = 2
_SOFT_PIXELS = 160  # the shorter side of masks that are blurred anyway


class Canvas:
    """A picture in the making, and the plain words that are true of it so far (`concepts`)."""

    def __init__(self, rng: random.Random, width: int, height: int) -> None:
        self.rng = rng
        self.concepts: set[str] = set()
        self.image = Image.new("RGB", (width * _OVERSAMPLING, height * _OVERSAMPLING))
        self.unit = min(self.image.size)
        self.w = self.image.width / self.unit
        self.h = self.image.height / self.unit
        self._draw = ImageDraw.Draw(self.image)

    def shows(self, *concepts: str) -> None:
        """Say that these words are true of the picture."""
        self.concepts.update(concepts)

    def finished(self) -> Image.Image:
        """The picture at its final size, smooth edges."""
        return self.image.reduce(_OVERSAMPLING)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    # Hard shapes

    def polygon(self, points: Sequence[Point], color: RGB) -> None:
        """A filled polygon."""
        self._draw.polygon(self._pixels(points), fill=color)

    def box(self, left: float, top: float, right: float, bottom: float, color: RGB) -> None:
        """A filled rectangle; nothing where it is empty."""
        if right > left and bottom > top:
            self._draw.rectangle(self._pixels([(left, top), (right, bottom)]), fill=color)

    def rounded(self, box: tuple[float, float, float, float], radius: float, color: RGB) -> None:
        """A filled rectangle (left, top, right, bottom) with round corners."""
        left, top, right, bottom = box
        corners = self._pixels([(left, top), (right, bottom)])
        self._draw.rounded_rectangle(corners, radius * self.unit, fill=color)

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: RGB) -> None:
        """A filled ellipse around (x, y)."""
        self._draw.ellipse(self._pixels([(x - rx, y - ry), (x + rx, y + ry)]), fill=color)

    def circle(self, x: float, y: float, radius: float, color: RGB) -> None:
        """A filled circle around (x, y)."""
        self.ellipse(x, y, radius, radius, color)

    def arc(
        self, center: Point, radius: float, degrees: Point, color: RGB, thickness: float
    ) -> None:
        """A circular arc, clockwise from the right."""
        (x, y), (start, end) = center, degrees
        box = self._pixels([(x - radius, y - radius), (x + radius, y + radius)])
        self._draw.arc(box, start, end, fill=color, width=self._thickness(thickness))

    def line(self, points: Sequence[Point], color: RGB, thickness: float) -> None:
        """A line through the points, with round joints."""
        pixels = self._pixels(points)
        self._draw.line(pixels, fill=color, width=self._thickness(thickness), joint="curve")

    def fill(self, color: RGB) -> None:
        """The whole picture in one colour."""
        self.image.paste(color, (0, 0, *self.image.size))

    # Gradients, light, softness

    def gradient(
        self, top: float, bottom: float, colors: Sequence[RGB], points: Sequence[Point] = ()
    ) -> None:
        """Colours from top to bottom, evenly spaced; inside the polygon where one is given."""
        if not points:
            points = [(0, top), (self.w, top), (self.w, bottom), (0, bottom)]
        left = max(0, math.floor(min(x for x, _ in points) * self.unit))
        right = min(self.image.width, math.ceil(max(x for x, _ in points) * self.unit))
        upper = max(0, math.floor(min(y for _, y in points) * self.unit))
        lower = min(self.image.height, math.ceil(max(y for _, y in points) * self.unit))
        if right <= left or lower <= upper:
            return
        span = (np.arange(upper, lower) / self.unit - top) / max(bottom - top, 1e-6)
        column = Image.fromarray(_ramp(span, colors)[:, None, :])
        strip = column.resize((right - left, lower - upper), Image.Resampling.NEAREST)
        if len(points) == 4 and points[0][1] == points[1][1] and points[1][0] == points[2][0]:
            self.image.paste(strip, (left, upper))
            return
        mask = Image.new("L", strip.size)
        shifted = [(x * self.unit - left, y * self.unit - upper) for x, y in points]
        ImageDraw.Draw(mask).polygon(shifted, fill=255)
        self.image.paste(strip, (left, upper), mask)

    def glow(self, x: float, y: float, radius: float, color: RGB, strength: float = 1) -> None:
        """Light that fades out from (x, y) to nothing at the radius."""
        side = 64
        axis = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
        distance = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
        light = np.clip(1 - distance, 0, 1) ** 2 * min(strength, 1.0) * 255
        pixels = max(2, round(2 * radius * self.unit))
        left, top = round(x * self.unit) - pixels // 2, round(y * self.unit) - pixels // 2
        crop = (
            max(0, -left),
            max(0, -top),
            min(pixels, self.image.width - left),
            min(pixels, self.image.height - top),
        )
        if crop[2] <= crop[0] or crop[3] <= crop[1]:
            return
        mask = Image.fromarray(light.astype(np.uint8))
        scale = side / pixels
        seen = (crop[0] * scale, crop[1] * scale, crop[2] * scale, crop[3] * scale)
        size = (crop[2] - crop[0], crop[3] - crop[1])
        mask = mask.resize(size, Image.Resampling.BILINEAR, box=seen)
        self.image.paste(color, (left + crop[0], top + crop[1]), mask)

    def soft(
        self,
        color: RGB,
        paint: "Callable[[SoftMask], None]",
        *,
        blur: float = 0.01,
        opacity: float = 1,
    ) -> None:
        """Lay a colour through a mask that `paint` draws, with edges blurred by `blur`."""
        mask = SoftMask(self.w, self.h)
        paint(mask)
        self.lay(color, mask.finished(blur, opacity))

    def sharp(self, color: RGB, paint: "Callable[[SoftMask], None]", *, opacity: float = 1) -> None:
        """Lay a see-through colour where `paint` draws, with sharp edges."""
        mask = SoftMask(self.w, self.h, self.unit)
        paint(mask)
        self.lay(color, mask.finished(0, opacity))

    def lay(self, color: RGB, mask: Image.Image) -> None:
        """Lay a colour over the whole picture through a mask ("L") of any size."""
        inked = mask.getbbox()
        if inked is None:
            return
        across, down = self.image.width / mask.width, self.image.height / mask.height
        left, top = math.floor((inked[0] - 1) * across), math.floor((inked[1] - 1) * down)
        right, bottom = math.ceil((inked[2] + 1) * across), math.ceil((inked[3] + 1) * down)
        left, top = max(0, left), max(0, top)
        right, bottom = min(self.image.width, right), min(self.image.height, bottom)
        seen = (left / across, top / down, right / across, bottom / down)
        size = (right - left, bottom - top)
        part = mask.resize(size, Image.Resampling.BILINEAR, box=seen)
        self.image.paste(color, (left, top), part)

    def stamp(self, pixels: NDArray[np.uint8], mask: Image.Image, x: float, y: float) -> None:
        """Paste pixels uint8[h, w, 3] through a mask of the same size, the middle at (x, y)."""
        stamp = Image.fromarray(pixels)
        left = round(x * self.unit - stamp.width / 2)
        top = round(y * self.unit - stamp.height / 2)
        self.image.paste(stamp, (left, top), mask)

    def mirror(self, y: float, *, tint: RGB, strength: float) -> None:
        """Reflect all above the height y in still water below it, tinted and a little blurred."""
        line = round(y * self.unit)
        depth = self.image.height - line
        if line <= 0 or depth <= 0:
            return
        above = self.image.crop((0, max(0, line - depth), self.image.width, line))
        flipped = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        small = flipped.resize((max(1, flipped.width // 6), max(1, flipped.height // 2)))
        below = small.resize((self.image.width, depth), Image.Resampling.BILINEAR)
        self.image.paste(
            Image.blend(below, Image.new("RGB", below.size, tint), strength), (0, line)
        )

    def noise(
        self, cells: float, *, stretch: float = 1, octaves: int = 4, pixels: int = 128
    ) -> NDArray[np.float32]:
        """Smooth noise float32[h, w] in 0..1 over the whole picture, `pixels` on the short side.

        `cells` blobs fit the short side; with stretch > 1 they are that much longer than high.
        """
        shape = (max(2, round(pixels * self.h)), max(2, round(pixels * self.w)))
        return noise_field(self.rng, shape, (cells * self.h, cells * self.w / stretch), octaves)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.unit, y * self.unit) for x, y in points]

    def _thickness(self, thickness: float) -> int:
        return max(1, round(thickness * self.unit))


class SoftMask:
    """A small grey picture to draw light and mist on, in the canvas's own units."""

    def __init__(self, width: float, height: float, pixels: int = _SOFT_PIXELS) -> None:
        self.unit = pixels
        size = (max(1, round(width * pixels)), max(1, round(height * pixels)))
        self.image = Image.new("L", size)
        self._draw = ImageDraw.Draw(self.image)

    def ellipse(self, x: float, y: float, rx: float, ry: float, strength: float = 1) -> None:
        """A filled ellipse around (x, y)."""
        u = self.unit
        box = ((x - rx) * u, (y - ry) * u, (x + rx) * u, (y + ry) * u)
        self._draw.ellipse(box, fill=round(255 * strength))

    def polygon(self, points: Sequence[Point], strength: float = 1) -> None:
        """A filled polygon."""
        self._draw.polygon(
            [(x * self.unit, y * self.unit) for x, y in points], round(255 * strength)
        )

    def line(self, points: Sequence[Point], thickness: float, strength: float = 1) -> None:
        """A line through the points."""
        pixels = [(x * self.unit, y * self.unit) for x, y in points]
        width = max(1, round(thickness * self.unit))
        self._draw.line(pixels, round(255 * strength), width, joint="curve")

    def finished(self, blur: float, opacity: float) -> Image.Image:
        """The mask, blurred (in units) and thinned."""
        image = self.image
        if blur > 0:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.unit))
        return image if opacity >= 1 else image.point([round(i * opacity) for i in range(256)])


def filled(points: Sequence[Point]) -> Callable[[SoftMask], None]:
    """What `Canvas.soft` and `Canvas.sharp` need to lay a colour on one polygon."""
    return lambda mask: mask.polygon(points)


def as_mask(values: NDArray[np.floating[Any]]) -> Image.Image:
    """A mask ("L") from float[h, w]; values are clipped to 0..1."""
    return Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8))


def noise_field(
    rng: random.Random, shape: tuple[int, int], cells: tuple[float, float], octaves: int = 4
) -> NDArray[np.float32]:
    """Smooth value noise float32[shape] stretched to 0..1, coarse to fine in octaves."""
    dice = np.random.default_rng(rng.getrandbits(64))
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        grid = tuple(max(2, round(count * 2**octave) + 1) for count in cells)
        if octave and (grid[0] > 2 * shape[0] or grid[1] > 2 * shape[1]):
            break
        coarse = Image.fromarray(dice.random(grid, dtype=np.float32))
        fine = coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        total += np.asarray(fine) / np.float32(2**octave)
    low, high = float(total.min()), float(total.max())
    return ((total - low) / max(high - low, 1e-6)).astype(np.float32)


def profile(rng: random.Random, count: int, roughness: float, octaves: int = 5) -> list[float]:
    """A skyline of `count` heights in 0..1: one row of noise, `roughness` hills wide."""
    return [float(v) for v in noise_field(rng, (2, count), (1, roughness), octaves)[0]]


def _ramp(span: NDArray[np.float64], colors: Sequence[RGB]) -> NDArray[np.uint8]:
    stops = np.linspace(0, 1, len(colors))
    channels = [np.interp(span, stops, [color[i] for color in colors]) for i in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
