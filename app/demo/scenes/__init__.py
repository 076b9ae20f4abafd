"""The scenes by name, and the one door to them: `paint_scene`."""

import random
from collections.abc import Callable

from PIL import Image

from app.demo.canvas import Canvas
from app.demo.colors import dominant_colors
from app.demo.scenes import (
    charts,
    coast,
    desert,
    evening,
    fields,
    inland_water,
    mountains,
    night,
    paper,
    roads,
    room,
    sea,
    space,
    town,
    underwater,
    weather,
    woods,
)

ScenePainter = Callable[[Canvas], None]

SCENES: dict[str, ScenePainter] = {
    "sunset sea": sea.sunset_sea,
    "sea": sea.sea,
    "sailing": sea.sailing,
    "stormy sea": sea.stormy_sea,
    "beach": coast.beach,
    "island": coast.island,
    "lighthouse": coast.lighthouse,
    "underwater": underwater.underwater,
    "lake": inland_water.lake,
    "river": inland_water.river,
    "waterfall": inland_water.waterfall,
    "mountains": mountains.mountains,
    "snowy mountains": mountains.snowy_mountains,
    "forest": woods.forest,
    "autumn forest": woods.autumn_forest,
    "misty forest": woods.misty_forest,
    "meadow": fields.meadow,
    "green hills": fields.green_hills,
    "wheat field": fields.wheat_field,
    "lavender field": fields.lavender_field,
    "cherry blossom": woods.cherry_blossom,
    "desert": desert.desert,
    "canyon": mountains.canyon,
    "volcano": mountains.volcano,
    "campfire": woods.campfire,
    "sunset mountains": evening.sunset_mountains,
    "clouds": weather.clouds,
    "snow": weather.snow,
    "rain": weather.rain,
    "thunderstorm": weather.thunderstorm,
    "rainbow": weather.rainbow,
    "fog": weather.fog,
    "starry night": night.starry_night,
    "moonlit night": night.moonlit_night,
    "aurora": night.aurora,
    "space": space.space,
    "fireworks": night.fireworks,
    "hot air balloons": evening.hot_air_balloons,
    "night city": town.night_city,
    "city": town.city,
    "village": town.village,
    "winter village": town.winter_village,
    "road": roads.road,
    "night road": roads.night_road,
    "bridge": roads.bridge,
    "living room": room.living_room,
    "bar chart": charts.bar_chart,
    "line chart": charts.line_chart,
    "pie chart": charts.pie_chart,
    "document": paper.document,
    "table": charts.table,
    "map": charts.city_map,
    "qr code": paper.qr_code,
    "barcode": paper.barcode,
    "handwriting": paper.handwriting,
    "sheet music": paper.sheet_music,
    "screenshot": paper.screenshot,
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
