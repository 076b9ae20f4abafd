"""Composes scenes, bare or with animals and things in them."""

import random
from collections.abc import Sequence

from PIL import Image, ImageOps

from app.demo import glyphs
from app.demo.colors import RGB
from app.demo.gallery import captions, paste
from app.demo.gallery.composition import Composition
from app.demo.gallery.paste import Size
from app.demo.gallery.subjects import SPOTS, Spot, Subject
from app.demo.scenes import paint_scene


def scene(rng: random.Random, name: str, size: Size) -> Composition:
    """A scene as it is."""
    image, concepts = paint_scene(rng, name, *size)
    return Composition(
        image,
        captions.title(rng, name, concepts),
        captions.description(name, concepts),
        captions.tags(name, concepts),
        concepts,
    )


def scene_with(rng: random.Random, cast: Sequence[Subject], size: Size) -> Composition:
    """A scene that suits them with one or two subjects in it; ValueError where none suits all."""
    name = _scene_for(rng, cast)
    image, concepts = paint_scene(rng, name, *size)
    places = [0.5] if len(cast) == 1 else [0.3, 0.7]
    for subject, place in zip(cast, places, strict=True):
        _put(rng, image, subject, SPOTS[name], place, concepts)
    words = [subject.words for subject in cast]
    first = [tag for subject in cast for tag in subject.tags]
    return Composition(
        image,
        captions.title_with(
            captions.listing([captions.bare(word) for word in words]), name, concepts
        ),
        captions.description(name, concepts, words),
        captions.tags(name, concepts, first),
        concepts,
    )


def _put(
    rng: random.Random,
    image: Image.Image,
    subject: Subject,
    spot: Spot,
    place: float,
    light: frozenset[str],
) -> None:
    """Put the subject at `place` (in parts of the width) into the scene, in the scene's light."""
    depth = rng.random()
    height = round(min(image.size) * subject.size * (0.85 + 0.3 * depth))
    picture = _in_light(_toned(glyphs.glyph(subject.glyph, height), subject.tone), light)
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    picture = picture.crop(picture.getbbox())
    x = image.width * (place + rng.uniform(-0.14, 0.14))
    foot = image.height * (spot.low + (spot.high - spot.low) * depth)
    if spot.kind != "hover":
        paste.shadow(image, (x, foot), picture.width * 0.95, 0.16)
        foot += picture.height * 0.02
    paste.paste(image, picture, (x, foot - picture.height / 2))


def _toned(picture: Image.Image, tone: str) -> Image.Image:
    if not tone:
        return picture
    gray = picture.convert("L")
    if tone == "black":
        gray = gray.point([round(20 + i * 0.3) for i in range(256)])
    toned = gray.convert("RGB")
    toned.putalpha(picture.getchannel("A"))
    return toned


def _in_light(picture: Image.Image, concepts: frozenset[str]) -> Image.Image:
    """The glyph in the light of its scene: bluish at night, warm and darker at sunset."""
    tint: RGB
    if "night" in concepts:
        tint, share = (16, 24, 60), 0.32
    elif "sunset" in concepts:
        tint, share = (110, 40, 60), 0.2
    elif "underwater" in concepts:
        tint, share = (30, 120, 170), 0.18
    else:
        return picture
    lit = Image.blend(picture.convert("RGB"), Image.new("RGB", picture.size, tint), share)
    lit.putalpha(picture.getchannel("A"))
    return lit


def _scene_for(rng: random.Random, cast: Sequence[Subject]) -> str:
    common = [name for name in cast[0].scenes if all(name in one.scenes for one in cast)]
    if not common:
        raise ValueError(f"no scene for {[one.glyph for one in cast]}")
    return rng.choice(common)
