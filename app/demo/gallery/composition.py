"""What every composer hands over."""

from typing import NamedTuple

from PIL import Image


class Composition(NamedTuple):
    """A picture (RGB) and its words."""

    image: Image.Image
    title: str
    description: str
    tags: tuple[str, ...]
    concepts: frozenset[str] = frozenset()
