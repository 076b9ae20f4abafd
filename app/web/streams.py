"""Stored bytes as responses: one way out for originals, thumbnails and draws."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from app.db.models import Image
from app.domain import ThumbnailSize
from app.errors import not_found
from app.storage import ByteStream, ObjectMissing, Storage
from app.web.ranges import Span

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
}
"""Uploaded bytes never run as a page; pages of other sites may show them, since the address is the permission."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that can be sent: where they lie and what they are."""

    key: str
    size: int
    media_type: str
    etag: str
    filename: str


def original(image: Image) -> Content:
    return Content(
        key=image.object_key,
        size=image.size_bytes,
        media_type=image.format.media_type,
        etag=f'"{image.sha256.hex()}"',
        filename=image.filename or f"{image.id}.{image.format.suffix}",
    )


def thumbnail(image: Image, size: ThumbnailSize) -> Content | None:
    """The WebP derivative; None while it is not made. Its key is used once, so the key names its version."""
    made = image.thumbnails.get(size.value)
    if made is None:
        return None
    key = str(made["key"])
    stem = image.filename.rpartition(".")[0] or str(image.id)
    return Content(
        key=key,
        size=int(made["bytes"]),
        media_type="image/webp",
        etag=f'"{image.sha256.hex()[:32]}-{size.value.lower()}-{key.rpartition("/")[2]}"',
        filename=f"{stem}-{size.value.lower()}.webp",
    )


async def response(
    storage: Storage, content: Content, headers: Mapping[str, str], *, part: Span | None = None
) -> Response:
    """The bytes, or a part of them, as they come from storage. NOT_FOUND, UNAVAILABLE: before the first byte."""
    try:
        if part is None:
            stream = await storage.open(content.key)
        else:
            stream = await storage.open(content.key, part.start, part.length)
    except ObjectMissing as error:
        raise not_found("Image") from error
    length = content.size if part is None else part.length
    own = facts(content) | {"content-length": str(length)} | dict(headers)
    if part is not None:
        own["content-range"] = part.content_range
    status = 200 if part is None else 206
    return StreamingResponse(_closing(stream), status, own, media_type=content.media_type)


def facts(content: Content) -> dict[str, str]:
    """Headers that hold for the whole, a part, and HEAD."""
    return HEADERS | {
        "etag": content.etag,
        "accept-ranges": "bytes",
        "content-disposition": disposition(content.filename),
    }


async def _closing(stream: ByteStream) -> AsyncIterator[bytes]:
    async with stream:
        async for chunk in stream:
            yield chunk


def disposition(filename: str) -> str:
    """`inline` with the name in both forms of RFC 6266; nothing in it can end the header or its quotes."""
    plain = "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\%' else "_"
        for one in filename
    )
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
