"""The scenes by name, and the one door to them: `paint_scene`."""

import random
from collections.abc import Callable

from PIL import Image

from app.demo import scenes_land, scenes_paper, scenes_sky, scenes_town, scenes_water
from app.demo.canvas import Canvas
from app.demo.colors import dominant_colors

ScenePainter = Callable[[Canvas], None]

SCENES: dict[str, ScenePainter] = {
    "sunset sea": scenes_water.sunset_sea,
    "sea": scenes_water.sea,
    "sailing": scenes_water.sailing,
    "stormy sea": scenes_water.stormy_sea,
    "beach": scenes_water.beach,
    "island": scenes_water.island,
    "lighthouse": scenes_water.lighthouse,
    "underwater": scenes_water.underwater,
    "lake": scenes_water.lake,
    "river": scenes_water.river,
    "waterfall": scenes_water.waterfall,
    "mountains": scenes_land.mountains,
    "snowy mountains": scenes_land.snowy_mountains,
    "forest": scenes_land.forest,
    "autumn forest": scenes_land.autumn_forest,
    "misty forest": scenes_land.misty_forest,
    "meadow": scenes_land.meadow,
    "green hills": scenes_land.green_hills,
    "wheat field": scenes_land.wheat_field,
    "lavender field": scenes_land.lavender_field,
    "cherry blossom": scenes_land.cherry_blossom,
    "desert": scenes_land.desert,
    "canyon": scenes_land.canyon,
    "volcano": scenes_land.volcano,
    "campfire": scenes_land.campfire,
    "sunset mountains": scenes_sky.sunset_mountains,
    "clouds": scenes_sky.clouds,
    "snow": scenes_sky.snow,
    "rain": scenes_sky.rain,
    "thunderstorm": scenes_sky.thunderstorm,
    "rainbow": scenes_sky.rainbow,
    "fog": scenes_sky.fog,
    "starry night": scenes_sky.starry_night,
    "moonlit night": scenes_sky.moonlit_night,
    "aurora": scenes_sky.aurora,
    "space": scenes_sky.space,
    "fireworks": scenes_sky.fireworks,
    "hot air balloons": scenes_sky.hot_air_balloons,
    "night city": scenes_town.night_city,
    "city": scenes_town.city,
    "village": scenes_town.village,
    "winter village": scenes_town.winter_village,
    "road": scenes_town.road,
    "night road": scenes_town.night_road,
    "bridge": scenes_town.bridge,
    "living room": scenes_town.living_room,
    "bar chart": scenes_paper.bar_chart,
    "line chart": scenes_paper.line_chart,
    "pie chart": scenes_paper.pie_chart,
    "document": scenes_paper.document,
    "table": scenes_paper.table,
    "map": scenes_paper.city_map,
    "qr code": scenes_paper.qr_code,
    "barcode": scenes_paper.barcode,
    "handwriting": scenes_paper.handwriting,
    "sheet music": scenes_paper.sheet_music,
    "screenshot": scenes_paper.screenshot,
}


def paint_scene(
    rng: random.Random, name: str, width: int, height: int
) -> tuple[Image.Image, frozenset[str]]:
    """A picture (RGB, width x height) of a scene of SCENES, and the plain words true of it.

    Composition, palette and light come from `rng`: the same state gives the same pixels.
    A colour is among the words where it covers half of the picture. KeyError: unknown name.
    """
    canvas = Canvas(rng, width, height)
    SCENES[name](canvas)
    image = canvas.finished()
    return image, frozenset(canvas.concepts) | dominant_colors(image)
