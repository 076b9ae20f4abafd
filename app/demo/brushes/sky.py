"""Brushes for all that is above the horizon: skies, sun and moon, stars, clouds, weather."""

import math

import numpy as np

from app.demo.canvas import Canvas, Point, SoftMask, as_mask
from app.demo.colors import RGB, jitter, lighter, mix

_DAY = (
    ((64, 140, 214), (126, 190, 238), (206, 232, 246)),
    ((38, 116, 200), (98, 170, 232), (190, 224, 246)),
    ((84, 166, 224), (150, 206, 240), (228, 240, 240)),
    ((58, 150, 206), (134, 204, 226), (236, 240, 220)),
)
_SUNSET = (
    ((58, 40, 110), (176, 72, 120), (246, 128, 84), (255, 206, 120)),
    ((38, 52, 120), (130, 84, 150), (240, 120, 110), (255, 196, 130)),
    ((120, 46, 80), (220, 86, 62), (250, 150, 60), (255, 214, 110)),
    ((74, 74, 140), (196, 110, 150), (252, 160, 130), (255, 218, 160)),
)
_NIGHT = (
    ((6, 10, 32), (14, 26, 64), (34, 52, 100)),
    ((8, 8, 28), (26, 22, 66), (62, 48, 104)),
    ((4, 14, 34), (10, 34, 66), (28, 66, 96)),
)
_GRAY = (
    ((136, 146, 158), (176, 184, 190), (210, 214, 214)),
    ((112, 124, 138), (154, 166, 176), (196, 202, 204)),
)
_STORM = (
    ((28, 32, 46), (52, 58, 76), (92, 98, 112)),
    ((34, 30, 50), (62, 58, 82), (104, 100, 116)),
)
_WINTER = (
    ((142, 176, 210), (186, 208, 228), (228, 236, 242)),
    ((164, 176, 204), (206, 208, 226), (244, 232, 232)),
)
_DUSK = (
    ((24, 30, 74), (66, 60, 122), (160, 100, 140), (232, 150, 140)),
    ((20, 40, 80), (50, 80, 124), (130, 130, 160), (222, 176, 160)),
)
SKIES: dict[str, tuple[tuple[RGB, ...], ...]] = {
    "day": _DAY,
    "sunset": _SUNSET,
    "dusk": _DUSK,
    "night": _NIGHT,
    "gray": _GRAY,
    "storm": _STORM,
    "winter": _WINTER,
}


def sky(canvas: Canvas, kind: str, horizon: float) -> RGB:
    """Paint a sky (kind of SKIES) down to the horizon; answers its colour at the horizon."""
    stops = [jitter(canvas.rng, color, 8) for color in canvas.rng.choice(SKIES[kind])]
    canvas.gradient(0, horizon, stops)
    canvas.gradient(horizon, canvas.h, [stops[-1], stops[-1]])
    canvas.shows("sky")
    if kind in ("sunset", "night"):
        canvas.shows(kind)
    return stops[-1]


def sun(canvas: Canvas, x: float, y: float, radius: float, *, low: bool = False) -> None:
    """The sun with its halo; `low` is the big warm sun near the horizon."""
    rng = canvas.rng
    if low:
        core = rng.choice([(255, 236, 170), (255, 214, 120), (255, 176, 90), (255, 130, 84)])
        canvas.glow(x, y, radius * 5.5, (255, 190, 110), 0.75)
    else:
        core = rng.choice([(255, 246, 196), (255, 236, 140), (255, 224, 96)])
        canvas.glow(x, y, radius * 4.5, (255, 250, 214), 0.8)
    canvas.glow(x, y, radius * 2.0, lighter(core, 0.4), 0.8)
    canvas.circle(x, y, radius, core)
    canvas.shows("sun")


def moon(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """A full or crescent moon with a pale halo."""
    face = jitter(canvas.rng, (244, 238, 214), 8)
    canvas.glow(x, y, radius * 4.5, (190, 205, 240), 0.5)
    if canvas.chance(0.4):
        canvas.polygon(_crescent(x, y, radius), face)
    else:
        canvas.circle(x, y, radius, face)
        shade = mix(face, (170, 170, 170), 0.3)
        for dx, dy, size in ((-0.3, -0.2, 0.22), (0.25, 0.3, 0.28), (0.3, -0.4, 0.14)):
            canvas.circle(x + dx * radius, y + dy * radius, size * radius, shade)
    canvas.shows("moon")


def _crescent(x: float, y: float, radius: float) -> list[Point]:
    angles = [math.pi * (0.35 + 1.3 * i / 40) for i in range(41)]
    outer = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    (x0, y0), (x1, y1) = outer[0], outer[-1]
    inner: list[Point] = []
    for i in range(1, 20):
        t = i / 20
        bulge = -0.72 * radius * math.sin(math.pi * t)
        inner.append((x1 + (x0 - x1) * t + bulge, y1 + (y0 - y1) * t))
    return [*outer, *inner]


def stars(canvas: Canvas, bottom: float, density: float = 90) -> None:
    """Stars down to `bottom`, most of them faint, some with a halo."""
    rng = canvas.rng
    for _ in range(round(density * canvas.w * bottom * rng.uniform(0.7, 1.4))):
        x, y, size = rng.uniform(0, canvas.w), rng.uniform(0, bottom), rng.uniform(0, 1) ** 3
        tint = rng.choice([(255, 255, 255), (214, 226, 255), (255, 240, 214)])
        canvas.circle(x, y, 0.0012 + 0.0035 * size, mix((120, 130, 170), tint, 0.35 + size))
    for _ in range(rng.randint(2, 5)):
        x, y = rng.uniform(0, canvas.w), rng.uniform(0, bottom * 0.8)
        canvas.glow(x, y, rng.uniform(0.015, 0.03), (230, 238, 255), 1)
        canvas.circle(x, y, 0.003, (255, 255, 255))
    canvas.shows("star")


def cloud(canvas: Canvas, x: float, y: float, width: float, color: RGB) -> None:
    """One puffy cloud, bright above and shaded below."""
    rng = canvas.rng
    puffs: list[tuple[float, float, float]] = []
    count = rng.randint(6, 9)
    for i in range(count):
        along = (i + 0.5) / count * 2 - 1
        size = width * (0.10 + 0.13 * (1 - along * along)) * rng.uniform(0.8, 1.2)
        puffs.append((x + along * width * 0.42, y - size * 0.7, size))

    def body(mask: SoftMask) -> None:
        for px, py, size in puffs:
            mask.ellipse(px, py, size, size * 0.9)
        mask.ellipse(x, y - width * 0.04, width * 0.5, width * 0.075)

    def light(mask: SoftMask) -> None:
        for px, py, size in puffs:
            mask.ellipse(px - size * 0.12, py - size * 0.22, size * 0.74, size * 0.6)

    canvas.soft(mix(color, (120, 140, 175), 0.28), body, blur=0.006, opacity=0.94)
    canvas.soft(color, light, blur=0.012, opacity=0.92)


def clouds(canvas: Canvas, top: float, bottom: float, color: RGB = (255, 255, 255)) -> None:
    """Two to four puffy clouds between two heights."""
    rng = canvas.rng
    for _ in range(rng.randint(2, 4)):
        width = rng.uniform(0.22, 0.5)
        cloud(
            canvas,
            rng.uniform(0, canvas.w),
            rng.uniform(top + 0.08, max(top + 0.1, bottom)),
            width,
            color,
        )
    canvas.shows("cloud")


def streaks(canvas: Canvas, top: float, bottom: float, color: RGB) -> None:
    """Long thin evening clouds."""
    rng = canvas.rng
    for _ in range(rng.randint(3, 6)):
        x, y = rng.uniform(0, canvas.w), rng.uniform(top, bottom)
        length = rng.uniform(0.2, 0.55)

        def paint(mask: SoftMask, x: float = x, y: float = y, length: float = length) -> None:
            for _ in range(4):
                shift = rng.uniform(-0.35, 0.35) * length
                mask.ellipse(
                    x + shift,
                    y + rng.uniform(-0.02, 0.02),
                    length * rng.uniform(0.3, 0.7),
                    rng.uniform(0.006, 0.016),
                )

        canvas.soft(jitter(rng, color, 14), paint, blur=0.007, opacity=rng.uniform(0.5, 0.85))
    canvas.shows("cloud")


def overcast(canvas: Canvas, bottom: float, color: RGB, opacity: float = 0.8) -> None:
    """A torn blanket of clouds, thick above and thinner towards `bottom`."""
    field = canvas.noise(3, stretch=2.4, octaves=5)
    height = np.linspace(0, canvas.h, field.shape[0], dtype=np.float32)[:, None]
    fade = np.clip(1 - height / bottom, 0, 1) ** 0.5
    canvas.lay(
        color, as_mask((np.clip((field - 0.3) * 2.4, 0, 1) * fade * opacity).astype(np.float32))
    )
    canvas.shows("cloud")


def mist(canvas: Canvas, top: float, bottom: float, color: RGB, opacity: float = 0.7) -> None:
    """A drifting band of mist between two heights."""
    field = canvas.noise(2, stretch=4, octaves=3, pixels=64)
    height = np.linspace(0, canvas.h, field.shape[0], dtype=np.float32)[:, None]
    middle, half = (top + bottom) / 2, max((bottom - top) / 2, 1e-3)
    band = np.clip(1 - np.abs(height - middle) / half, 0, 1)
    canvas.lay(color, as_mask((band * (0.45 + 0.9 * field) * opacity).astype(np.float32)))


def birds(canvas: Canvas, top: float, bottom: float, color: RGB = (44, 44, 56)) -> None:
    """A loose flock far away."""
    rng = canvas.rng
    cx, cy = rng.uniform(0.2, 0.8) * canvas.w, rng.uniform(top, bottom)
    for _ in range(rng.randint(3, 7)):
        x, y, span = cx + rng.gauss(0, 0.1), cy + rng.gauss(0, 0.04), rng.uniform(0.014, 0.03)
        lift = span * rng.uniform(0.3, 0.6)
        wings: list[Point] = []
        for i in range(-8, 9):
            t = abs(i) / 8
            wings.append((x + span * i / 8, y - lift * math.sin(math.pi * 0.8 * t**0.8) * 1.05))
        canvas.line(wings, color, 0.004)
    canvas.shows("bird")


def rain(canvas: Canvas) -> None:
    """Falling rain over the whole picture, all drops aslant alike."""
    rng = canvas.rng
    slant = rng.uniform(-0.25, 0.35)
    drops: list[tuple[Point, Point, float]] = []
    for _ in range(round(150 * canvas.w * canvas.h)):
        x, y = rng.uniform(-0.1, canvas.w + 0.1), rng.uniform(-0.05, canvas.h)
        length = rng.uniform(0.03, 0.085)
        drops.append(((x, y), (x + slant * length, y + length), rng.uniform(0.35, 0.9)))

    def paint(mask: SoftMask) -> None:
        for start, end, strength in drops:
            mask.line([start, end], 0.0034, strength)

    canvas.sharp((222, 232, 244), paint, opacity=0.75)
    canvas.shows("rain")


def snowfall(canvas: Canvas, density: float = 110) -> None:
    """Falling snow: small far flakes, big soft near ones."""
    rng = canvas.rng
    for _ in range(round(density * canvas.w * canvas.h)):
        size = rng.uniform(0.003, 0.0075)
        canvas.circle(rng.uniform(0, canvas.w), rng.uniform(0, canvas.h), size, (248, 251, 255))
    for _ in range(round(14 * canvas.w)):
        x, y = rng.uniform(0, canvas.w), rng.uniform(0, canvas.h)
        canvas.glow(x, y, rng.uniform(0.014, 0.026), (255, 255, 255), 0.95)
    canvas.shows("snow", "winter")


def lightning(canvas: Canvas, bottom: float) -> None:
    """A forked bolt from the clouds down to `bottom`."""
    rng = canvas.rng
    x, y = rng.uniform(0.25, 0.75) * canvas.w, bottom * rng.uniform(0.05, 0.15)
    bolt: list[Point] = [(x, y)]
    while y < bottom:
        x, y = x + rng.uniform(-0.07, 0.07), min(bottom, y + rng.uniform(0.03, 0.09))
        bolt.append((x, y))
    middle = bolt[len(bolt) // 2]
    canvas.glow(middle[0], middle[1], 0.6, (190, 200, 255), 0.7)

    def halo(mask: SoftMask) -> None:
        mask.line(bolt, 0.04)

    canvas.soft((214, 214, 255), halo, blur=0.02, opacity=0.7)
    for start in rng.sample(range(1, max(2, len(bolt) - 1)), k=min(2, max(1, len(bolt) - 2))):
        side, (bx, by) = rng.choice([-1, 1]), bolt[start]
        fork: list[Point] = [(bx, by)]
        for _ in range(3):
            bx, by = bx + side * rng.uniform(0.015, 0.06), by + rng.uniform(0.03, 0.07)
            fork.append((bx, by))
        canvas.line(fork, (236, 232, 255), 0.007)
    canvas.line(bolt, (255, 250, 226), 0.014)
    canvas.line(bolt, (255, 255, 252), 0.007)
    canvas.shows("lightning", "storm", "thunderstorm")


def rainbow(canvas: Canvas, x: float, base: float, radius: float) -> None:
    """A rainbow around (x, base): red outside, violet inside, see-through."""
    bands = (
        (232, 60, 56),
        (246, 150, 50),
        (250, 226, 80),
        (80, 190, 96),
        (66, 140, 226),
        (132, 86, 196),
    )
    thick = radius * canvas.rng.uniform(0.03, 0.042)
    for i, color in enumerate(bands):
        outer = radius - i * thick

        def paint(mask: SoftMask, outer: float = outer) -> None:
            angles = [math.pi + math.pi * k / 60 for k in range(61)]
            arch = [(x + outer * math.cos(a), base + outer * math.sin(a)) for a in angles]
            inner = [
                (x + (outer - thick) * math.cos(a), base + (outer - thick) * math.sin(a))
                for a in reversed(angles)
            ]
            mask.polygon(arch + inner)

        canvas.sharp(color, paint, opacity=0.72)
    canvas.shows("rainbow")
