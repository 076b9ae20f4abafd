"""What a visitor may ask of the demo gallery, and by which words of its texts an answer is known."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.demo.gallery import gallery

_NOW = datetime(2026, 11, 1, tzinfo=UTC)

# query: patterns that must all occur in the title, the description or the tags of an answer
_QUERIES = """
a cat on the beach: \\bcat\\b & \\bbeach\\b
cat: \\bcat\\b
kitten: \\bcat\\b
a dog: \\b(dog|poodle)\\b
puppy in the snow: \\b(dog|poodle)\\b & \\bsnow
a gray cat: gray cat
a black cat in the meadow: black cat & meadow
cat in the living room: \\bcat\\b & living room|\\bhome\\b
a horse: \\bhorse\\b
elephant: elephant
penguin: penguin
owl: \\bowl\\b
fish: \\bfish
octopus: octopus
turtle: turtle
camel in the desert: camel & desert
deer in the forest: deer
birds: \\bbirds\\b
red car: red car
automobile: \\b(car|taxi)\\b
bus: \\bbus\\b
bicycle: bicycle
tractor: tractor
airplane: airplane
rocket in space: rocket
sailing boats: boat|canoe
sunset over the sea: sunset & \\bsea\\b
sunset: sunset
beach: \\bbeach\\b
ocean: \\bsea\\b|\\bbeach\\b
snowy mountains at night: mountain & night|stars
snowy mountains: snow & mountain
mountain lake: \\blake\\b
autumn forest: autumn
foggy forest: (fog|mist)
waterfall: waterfall
lavender: lavender
cherry blossom: cherry
wheat field: wheat
desert: desert
volcano: volcano
campfire: campfire
lightning: storm|lightning
rainbow: rainbow
northern lights: aurora|northern
starry night: stars & night
full moon: moon
planets: planet|space
fireworks: fireworks
town at night: (city|town) & night
city skyline: \\bcity\\b
village: village
a bridge: bridge
living room with a couch: couch
hot air balloons: balloon
bar chart: bar chart
diagram: chart
street map: \\bmap\\b
qr code: qr
sheet music: music
red circle: red circle
hearts: heart
stars on plain ground: \\bstars?\\b & \\bshape\\b
blue and yellow stripes: stripes
checkered pattern: check
pizza: pizza
strawberries: strawberr
grapes: grapes
fruit: fruit
food: food
flowers: flowers
"""


class Demo(NamedTuple):
    """The gallery's pictures, the queries, and bool[pictures, queries]: which answers which."""

    images: list[Image.Image]
    queries: list[str]
    fits: NDArray[np.bool_]


def demo(count: int = 300) -> Demo:
    """The gallery as the demo shows it; queries without any answer in it are left out."""
    pictures = list(gallery(count, now=_NOW))
    texts = [f"{p.title}. {p.description} {', '.join(p.tags)}".lower() for p in pictures]
    lines = [line.partition(": ") for line in _QUERIES.strip().splitlines()]
    rows = {query: [_answers(text, needs) for text in texts] for query, _, needs in lines}
    asked = [query for query, row in rows.items() if any(row)]
    images = [Image.open(io.BytesIO(p.data)).convert("RGB") for p in pictures]
    return Demo(images, asked, np.array([rows[query] for query in asked]).T)


def precision(scores: NDArray[np.float32], fits: NDArray[np.bool_], first: int) -> float:
    """Mean share of answers among the first, or among as many as there are, if fewer."""
    shares = []
    for column in range(fits.shape[1]):
        length = min(first, int(fits[:, column].sum()))
        best = np.argsort(-scores[:, column], kind="stable")[:length]
        shares.append(float(fits[best, column].mean()))
    return float(np.mean(shares))


def _answers(text: str, needs: str) -> bool:
    return all(re.search(need, text) for need in needs.split(" & "))


def misses(scores: NDArray[np.float32], asked: Demo) -> Sequence[str]:
    """The queries whose best picture is no answer."""
    best = scores.argmax(axis=0)
    return [query for i, query in enumerate(asked.queries) if not asked.fits[best[i], i]]
