"""Scenes, patterns and shapes: they run at any size, repeat by seed, and say what they show."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from app.demo.colors import dominant_colors
from app.demo.objects import COLORS, SHAPES, paint_shape
from app.demo.patterns import PATTERNS, paint_pattern
from app.demo.scenes import SCENES, paint_scene

Paint = Callable[[random.Random, str, int, int], tuple[Image.Image, frozenset[str]]]
PAINTERS: list[tuple[Paint, str]] = [
    *((paint_scene, name) for name in SCENES),
    *((paint_pattern, name) for name in PATTERNS),
]


@pytest.mark.parametrize(("paint", "name"), PAINTERS, ids=[name for _, name in PAINTERS])
def test_same_seed_same_picture(paint: Paint, name: str) -> None:
    first, first_concepts = paint(random.Random(7), name, 61, 47)
    again, again_concepts = paint(random.Random(7), name, 61, 47)
    other, _ = paint(random.Random(8), name, 61, 47)

    assert (first.mode, first.size) == ("RGB", (61, 47))
    assert first.tobytes() == again.tobytes()
    assert first_concepts == again_concepts != frozenset()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (20, 77), (97, 33)])
def test_every_painter_runs_at_odd_sizes(size: tuple[int, int]) -> None:
    for paint, name in PAINTERS:
        image, _ = paint(random.Random(1), name, *size)
        assert image.size == size, name


def test_concepts_are_plain_words() -> None:
    for paint, name in PAINTERS:
        _, concepts = paint(random.Random(3), name, 40, 30)
        assert all(word == word.lower().strip() and word for word in concepts), name
    for seed in range(5):
        assert {"sunset", "sea", "sky", "sun"} <= paint_scene(
            random.Random(seed), "sunset sea", 60, 40
        )[1]


@pytest.mark.parametrize("color", COLORS)
def test_a_color_is_what_it_is_called(color: str) -> None:
    square = Image.new("RGB", (20, 20))
    shape = paint_shape(random.Random(5), "square", color, 40).crop((8, 8, 32, 32))
    square.paste(shape.resize((20, 20)))

    assert dominant_colors(square, 0.6) == {color}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_opaque_and_its_corners_clear(shape: str) -> None:
    image = paint_shape(random.Random(2), shape, "blue", 50)

    assert (image.mode, image.size) == ("RGBA", (50, 50))
    alpha = np.asarray(image.getchannel("A"))
    assert alpha.max() == 255
    assert {alpha[0, 0], alpha[0, -1], alpha[-1, 0], alpha[-1, -1]} == {0}
