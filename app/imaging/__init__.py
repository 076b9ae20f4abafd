"""Untrusted pictures: told apart, described, made small. The only room of Pillow. No storage, no SQL.

Server code calls a `Decoder`, which decodes in bounded processes; the functions decode in the caller's own.
"""

from app.imaging.decoder import Decoder, Limits
from app.imaging.formats import HEAD, sniff
from app.imaging.pictures import (
    THUMBNAIL_BOXES,
    Derivative,
    Inspection,
    inspect,
    make_thumbnails,
    rgb_picture,
)

__all__ = [
    "HEAD",
    "THUMBNAIL_BOXES",
    "Decoder",
    "Derivative",
    "Inspection",
    "Limits",
    "inspect",
    "make_thumbnails",
    "rgb_picture",
    "sniff",
]
