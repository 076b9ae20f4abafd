"""What the gallery says about a scene: titles, a sentence and tags, true to what was drawn."""

import random
from collections.abc import Iterable, Sequence

from app.demo.gallery.scene_texts import SCENE_TEXTS

MAX_TAGS = 5


_EXTRAS = {
    "bird": "a flock of birds",
    "cactus": "tall cacti",
    "cloud": "white clouds",
    "fish": "colourful fish",
    "house": "a little house",
    "moon": "a bright moon",
    "palm tree": "palm trees",
    "rain": "falling rain",
    "reflection": "reflections in the water",
    "sailboat": "a sailing boat",
    "snow": "snow on the ground",
    "snowman": "a snowman",
    "sun": "a bright sun",
    "leaf": "fallen leaves",
    "tent": "a tent",
    "tree": "trees",
    "umbrella": "a striped parasol",
    "windmill": "an old windmill",
}
_TAGS_BY_CONCEPT = {
    "sunset": "sunset",
    "night": "night",
    "sea": "sea",
    "beach": "beach",
    "mountain": "mountains",
    "snow": "snow",
    "city": "city",
    "rain": "rain",
    "storm": "storm",
    "sailboat": "boat",
    "moon": "moon",
    "star": "stars",
    "forest": "forest",
    "fish": "fish",
    "flower": "flowers",
    "bird": "birds",
}


def title(rng: random.Random, scene: str, concepts: frozenset[str]) -> str:
    """One of the scene's titles, with the time of day where it is not said already."""
    return _timed(rng.choice(SCENE_TEXTS[scene].titles), scene, concepts)


def title_with(subject: str, scene: str, concepts: frozenset[str]) -> str:
    """`subject` in the scene: "Cat on the beach at sunset"."""
    return _timed(f"{capital(subject)} {SCENE_TEXTS[scene].place}", scene, concepts)


def description(scene: str, concepts: frozenset[str], subjects: Sequence[str] = ()) -> str:
    """One sentence about what is to be seen, the subjects ("a cat") included."""
    text = SCENE_TEXTS[scene]
    seen = [_EXTRAS[concept] for concept in text.extras if concept in concepts][:2]
    listed = [*subjects, *seen]
    return f"{text.sentence}, with {listing(listed)}." if listed else f"{text.sentence}."


def tags(scene: str, concepts: frozenset[str], first: Iterable[str] = ()) -> tuple[str, ...]:
    """At most MAX_TAGS tags: those of the subjects, of the scene, of what else is in it."""
    found = [tag for concept, tag in _TAGS_BY_CONCEPT.items() if concept in concepts]
    return tuple(dict.fromkeys([*first, *SCENE_TEXTS[scene].tags, *found]))[:MAX_TAGS]


def listing(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _timed(text: str, scene: str, concepts: frozenset[str]) -> str:
    said = text.lower()
    if "sunset" in concepts and not any(word in said for word in ("sunset", "evening", "light")):
        return f"{text} at sunset"
    quiet = not any(
        word in said for word in ("night", "moon", "star", "northern", "space", "milky")
    )
    if "night" in concepts and quiet and scene not in ("campfire", "fireworks", "aurora", "space"):
        return f"{text} at night"
    return text


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def article(text: str) -> str:
    """The text with "a" or "an" before it."""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def bare(words: str) -> str:
    """The words without their article."""
    return words.split(" ", 1)[1]
