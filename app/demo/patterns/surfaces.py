"""Patterns of materials, light and plain colour."""

from collections.abc import Callable

import numpy as np

from app.demo import colors
from app.demo.canvas import Canvas, SoftMask, as_mask, noise_field
from app.demo.colors import COLOR_NAMES, darker, jitter, lighter, mix
from app.demo.patterns.palette import two_colors


def wood(canvas: Canvas) -> None:
    """Planks with their grain."""
    rng = canvas.rng
    tone = jitter(
        rng, rng.choice([(176, 124, 78), (150, 100, 62), (206, 164, 116), (110, 74, 50)]), 8
    )
    planks = rng.randint(3, 6)
    level = canvas.chance(0.6)
    rows, columns = 200, max(2, round(200 * canvas.w / canvas.h))
    field = np.zeros((rows, columns), dtype=np.float32)
    tint = np.zeros((rows, columns), dtype=np.float32)
    length = columns if level else rows
    breadth = rows if level else columns
    for i in range(planks):
        low, high = breadth * i // planks, breadth * (i + 1) // planks
        grain = noise_field(rng, (high - low, length), (3, 1.6), 3)
        lines = 0.5 + 0.5 * np.sin(grain * rng.uniform(26, 40))
        fine = noise_field(rng, (high - low, length), (24, 2), 2)
        block = (0.55 * lines + 0.45 * fine).astype(np.float32)
        shade = np.full_like(block, rng.uniform(-0.12, 0.12))
        shade[:2] = 0.9
        if level:
            field[low:high], tint[low:high] = block, shade
        else:
            field[:, low:high], tint[:, low:high] = block.T, shade.T
    canvas.fill(tone)
    canvas.lay(darker(tone, 0.45), as_mask(field * 0.6 + tint))
    canvas.shows("wood", "planks", "wooden", "brown")


def marble(canvas: Canvas) -> None:
    """Polished marble with veins."""
    rng = canvas.rng
    stone, vein = rng.choice(
        [
            ((244, 242, 238), (120, 122, 130)),
            ((40, 42, 48), (200, 196, 186)),
            ((150, 186, 166), (60, 96, 84)),
            ((238, 222, 206), (166, 120, 90)),
        ]
    )
    canvas.fill(stone)
    field = canvas.noise(2.4, octaves=6, pixels=220)
    veins = np.clip(1 - np.abs(field - 0.5) * 22, 0, 1) + 0.6 * np.clip(
        1 - np.abs(field - 0.66) * 40, 0, 1
    )
    canvas.lay(vein, as_mask((0.25 * np.abs(field - 0.5) * 2 + 0.6 * veins).astype(np.float32)))
    canvas.shows("marble", "stone")


def gradient(canvas: Canvas) -> None:
    """One colour flows into another."""
    first, second = two_colors(canvas)
    if canvas.chance(0.5):
        canvas.gradient(0, canvas.h, [first, second])
    else:
        canvas.fill(first)
        ramp = np.linspace(0, 1, 128, dtype=np.float32)
        canvas.lay(
            second,
            as_mask(np.tile(ramp, (4, 1)) if canvas.chance(0.5) else np.add.outer(ramp, ramp) / 2),
        )
    canvas.shows("gradient")


def plain(canvas: Canvas) -> None:
    """One colour and nothing else."""
    name = canvas.rng.choice(COLOR_NAMES)
    canvas.fill(colors.pick(canvas.rng, name))
    canvas.shows("plain", name)


def bokeh(canvas: Canvas) -> None:
    """Blurred lights in the dark."""
    rng = canvas.rng
    name = rng.choice(["blue", "purple", "orange", "green", "pink", "red"])
    tone = colors.pick(rng, name)
    canvas.gradient(0, canvas.h, [darker(tone, 0.8), darker(tone, 0.6)])
    for _ in range(round(26 * canvas.w * canvas.h)):
        x, y, radius = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), rng.uniform(0.03, 0.1)
        tint = mix(tone, rng.choice([(255, 220, 150), (255, 255, 255), tone]), 0.5)
        canvas.soft(
            tint,
            _disc(x, y, radius),
            blur=0.005,
            opacity=rng.uniform(0.2, 0.6),
        )
    canvas.shows("bokeh", "lights", "blurred")


def _disc(x: float, y: float, radius: float) -> Callable[[SoftMask], None]:
    return lambda mask: mask.ellipse(x, y, radius, radius)


def static(canvas: Canvas) -> None:
    """The snow of a television without a signal."""
    side = canvas.rng.choice([90, 130, 180])
    dice = np.random.default_rng(canvas.rng.getrandbits(64))
    field = dice.random((round(side * canvas.h), round(side * canvas.w)), dtype=np.float32)
    canvas.fill((12, 12, 12))
    canvas.lay((244, 244, 244), as_mask(field))
    canvas.shows("static", "noise")


def camouflage(canvas: Canvas) -> None:
    """Camouflage-like patches in tones of one colour."""
    rng = canvas.rng
    name = rng.choice(["green", "blue", "brown", "pink", "orange", "purple", "gray"])
    tone = colors.pick(rng, name)
    canvas.fill(lighter(tone, 0.35))
    for shade in (tone, darker(tone, 0.3), lighter(tone, 0.1)):
        field = canvas.noise(4, octaves=2, pixels=200)
        canvas.lay(shade, as_mask(((field - 0.55) * 60).astype(np.float32)))
    canvas.shows("camouflage", "abstract", name)
