"""Scenes of roads and bridges."""

from app.demo.brushes import land, plants, sky
from app.demo.canvas import Canvas, Point
from app.demo.colors import RGB, darker, jitter, lighter, mix


def road(canvas: Canvas) -> None:
    """A straight road to the horizon by day."""
    _drive(canvas, canvas.rng.choice(["day", "day", "sunset", "gray"]))


def night_road(canvas: Canvas) -> None:
    """A road at night, under street lamps."""
    _drive(canvas, "night")


def _drive(canvas: Canvas, kind: str) -> None:
    rng = canvas.rng
    night = kind == "night"
    horizon = canvas.h * rng.uniform(0.44, 0.56)
    glow = sky.sky(canvas, kind, horizon)
    vanish = canvas.w * rng.uniform(0.35, 0.65)
    if night:
        sky.stars(canvas, horizon * 0.9, 70)
    elif kind == "sunset":
        sky.sun(canvas, vanish, horizon - 0.03, 0.08, low=True)
    elif kind == "day":
        sky.clouds(canvas, 0, horizon * 0.7)
    side: RGB = {
        "day": (124, 166, 84),
        "gray": (120, 140, 100),
        "sunset": (110, 76, 70),
        "night": (20, 28, 36),
    }[kind]
    land.ridge(
        canvas, horizon + 0.01, 0.17, mix(mix(side, (90, 100, 130), 0.5), glow, 0.25), fade=glow
    )
    land.grass(canvas, horizon + 0.01, jitter(rng, side, 5))
    asphalt: RGB = (44, 46, 58) if night else (104, 104, 110)
    half = rng.uniform(0.5, 0.75)
    canvas.polygon(
        [
            (vanish - 0.012, horizon),
            (vanish + 0.012, horizon),
            (vanish + half * 1.08, canvas.h),
            (vanish - half * 1.08, canvas.h),
        ],
        lighter(side, 0.25),
    )
    canvas.gradient(
        horizon,
        canvas.h,
        [lighter(asphalt, 0.14), asphalt],
        [
            (vanish - 0.01, horizon),
            (vanish + 0.01, horizon),
            (vanish + half, canvas.h),
            (vanish - half, canvas.h),
        ],
    )
    paint: RGB = (250, 214, 90) if canvas.chance(0.4) else (244, 244, 238)
    _road_marks(canvas, (vanish, horizon), half, paint)
    if night:
        _lamps(canvas, (vanish, horizon), half)
    else:
        for i in range(rng.randint(3, 6)):
            t = (i + 1) / 6
            where = vanish + rng.choice([-1, 1]) * (half * t + 0.12 + 0.2 * t)
            plants.leafy(
                canvas,
                where,
                horizon + (canvas.h - horizon) * t * 0.8,
                0.08 + 0.36 * t,
                mix(jitter(rng, (74, 130, 64), 10), side, 0.3),
            )
    canvas.shows("road", "street")


def _road_marks(canvas: Canvas, vanish: Point, half: float, paint: RGB) -> None:
    x, horizon = vanish
    depth = canvas.h - horizon
    for side in (-0.93, 0.93):
        canvas.polygon(
            [
                (x, horizon),
                (x + half * (side - 0.02), canvas.h),
                (x + half * (side + 0.02), canvas.h),
            ],
            (238, 238, 232),
        )
    for i in range(9):
        near, far = ((i + 1) / 9) ** 2, ((i + 0.5) / 9) ** 2
        wide_near, wide_far = half * 0.03 * near, half * 0.03 * far
        y_near, y_far = horizon + depth * near, horizon + depth * far
        canvas.polygon(
            [
                (x - wide_far, y_far),
                (x + wide_far, y_far),
                (x + wide_near, y_near),
                (x - wide_near, y_near),
            ],
            paint,
        )


def _lamps(canvas: Canvas, vanish: Point, half: float) -> None:
    x, horizon = vanish
    for t in (0.05, 0.12, 0.24, 0.45, 0.8):
        y = horizon + (canvas.h - horizon) * t
        for side in (-1, 1):
            foot = x + side * half * t * 1.2
            head = (foot - side * 0.12 * t, y - 0.62 * t - 0.02)
            canvas.line([(foot, y), (foot, head[1]), head], (70, 74, 88), 0.003 + 0.012 * t)
            canvas.glow(*head, 0.05 + 0.3 * t, (255, 214, 130), 0.85)
            canvas.ellipse(*head, 0.004 + 0.03 * t, 0.003 + 0.012 * t, (255, 240, 204))
    canvas.shows("lamp", "night")


def bridge(canvas: Canvas) -> None:
    """A suspension bridge over the water."""
    rng = canvas.rng
    kind = rng.choice(["day", "sunset", "gray", "dusk"])
    horizon = canvas.h * rng.uniform(0.62, 0.7)
    glow = sky.sky(canvas, kind, horizon)
    if kind == "day":
        sky.clouds(canvas, 0, horizon * 0.5)
    if kind == "sunset":
        sky.sun(canvas, canvas.w * rng.uniform(0.3, 0.7), horizon - 0.06, 0.08, low=True)
    dark = kind in ("sunset", "dusk")
    land.ridge(canvas, horizon, 0.14, mix((90, 110, 120), glow, 0.5), fade=glow)
    deep: RGB = (60, 46, 90) if dark else (60, 110, 146)
    land.water(canvas, horizon, canvas.h, (mix(glow, deep, 0.4), deep))
    steel: RGB = mix(
        rng.choice([(196, 74, 54), (110, 120, 132), (226, 226, 220)]),
        (40, 24, 50),
        0.5 if dark else 0,
    )
    deck, top, thick = horizon - 0.03, horizon - canvas.h * rng.uniform(0.36, 0.44), 0.02
    towers = (canvas.w * 0.25, canvas.w * 0.75)
    _cables(canvas, towers, (top, deck), steel)
    canvas.box(0, deck, canvas.w, deck + 0.03, darker(steel, 0.15))
    for x in towers:
        canvas.box(x - thick, top - 0.01, x - thick * 0.2, horizon + 0.09, steel)
        canvas.box(x + thick * 0.2, top - 0.01, x + thick, horizon + 0.09, darker(steel, 0.2))
        for level in (0.08, 0.3, 0.55):
            y = top + (deck - top) * level
            canvas.box(x - thick, y, x + thick, y + 0.014, steel)
        canvas.ellipse(x, horizon + 0.1, 0.06, 0.014, mix(deep, (0, 0, 0), 0.2))
    canvas.shows("bridge", "water")


def _cables(
    canvas: Canvas, towers: tuple[float, float], span: tuple[float, float], steel: RGB
) -> None:
    top, deck = span

    def cable(start: float, end: float) -> None:
        points: list[Point] = []
        for i in range(31):
            t = i / 30
            points.append(
                (start + (end - start) * t, top + (deck - top - 0.015) * (1 - (2 * t - 1) ** 2))
            )
        canvas.line(points, darker(steel, 0.1), 0.008)
        for x, y in points[1:-1]:
            canvas.line([(x, y), (x, deck)], darker(steel, 0.1), 0.0025)

    gap = towers[1] - towers[0]
    for start in (towers[0] - gap, towers[0], towers[1]):
        cable(start, start + gap)
