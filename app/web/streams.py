"""Stored bytes as responses: one way out for originals, thumbnails and draws."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.db.models import Image
from app.domain import NO_ID, Actor, Damage, Role, ThumbnailSize
from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services import damage
from app.storage import ByteStream, ObjectMissing, Storage, verified
from app.web import ranges
from app.web.problems import Refusal
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
    inline: bool = True
    """Whether a browser shows it; otherwise it is saved."""


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


class DamagedError(AppError):
    """NOT_FOUND: the stored bytes are missing, or are not as many as they were."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(
            ErrorCode.NOT_FOUND,
            "The stored bytes are missing or damaged. Uploading the same file again repairs the image.",
        )
        self.damage = damage


def without_bytes(
    request: Request, content: Content, headers: Mapping[str, str]
) -> Response | None:
    """The answer to HEAD, or to whoever has these very bytes; None for anybody else."""
    if ranges.is_unchanged(request.headers.get("if-none-match"), content.etag):
        return Response(status_code=304, headers=HEADERS | {"etag": content.etag} | dict(headers))
    if request.method == "HEAD":
        own = facts(content) | {"content-length": str(content.size)} | dict(headers)
        return Response(headers=own, media_type=content.media_type)
    return None


def part(request: Request, content: Content) -> Span | None:
    """What of it is asked for; None is all. 416 where it begins behind the end."""
    if not ranges.range_counts(request.headers.get("if-range"), content.etag):
        return None
    try:
        return ranges.span(request.headers.get("range"), content.size)
    except ranges.Unsatisfiable:
        raise Refusal(
            AppError(ErrorCode.BAD_USER_INPUT, "The range begins behind the end."),
            status=416,
            headers={"content-range": f"bytes */{content.size}"},
        ) from None


async def response(
    resources: Resources,
    image: Image,
    content: Content,
    headers: Mapping[str, str],
    *,
    part: Span | None = None,
) -> Response:
    """The bytes of an image that the caller may see, or a part of them, as they come from storage.

    NOT_FOUND where they are damaged, which is written down, UNAVAILABLE: before the first byte. A whole original of which only
    the bytes are wrong breaks off before its end.
    """
    is_original = content.key == image.object_key
    sha256 = image.sha256 if is_original else None
    try:
        return await of_storage(resources.storage, content, headers, part=part, sha256=sha256)
    except DamagedError as error:
        if is_original:
            await _flag(resources, image, error.damage)
        raise


async def of_storage(
    storage: Storage,
    content: Content,
    headers: Mapping[str, str],
    *,
    part: Span | None = None,
    sha256: bytes | None = None,
) -> Response:
    """The bytes, or a part of them, as they come from storage: NOT_FOUND, UNAVAILABLE as in `response`.

    A whole of which only the bytes are wrong breaks off before its end, where its `sha256` is known.
    """
    length = content.size if part is None else part.length
    stream = await _opened(storage, content, part, length)
    own = facts(content) | {"content-length": str(length)} | dict(headers)
    if part is not None:
        own["content-range"] = part.content_range
    status = 200 if part is None else 206
    body = verified(stream, sha256) if sha256 and part is None else _closing(stream)
    return StreamingResponse(body, status, own, media_type=content.media_type)


async def _opened(storage: Storage, content: Content, part: Span | None, length: int) -> ByteStream:
    """The stream, if it has that length. What an answer's headers promise cannot be taken back."""
    try:
        if part is None:
            stream = await storage.open(content.key)
        else:
            stream = await storage.open(content.key, part.start, part.length)
    except ObjectMissing as error:
        raise DamagedError(Damage.MISSING) from error
    if stream.length not in (None, length):
        await stream.aclose()
        raise DamagedError(Damage.WRONG_SIZE)
    return stream


async def _flag(resources: Resources, image: Image, found: Damage) -> None:
    """Best effort: whoever asks next, or the next pass of `pictor reconcile`, finds it too."""
    reader = Actor(NO_ID, {image.team_id: Role.VIEWER})
    with suppress(AppError):
        await resources.db.acting(reader).run(
            lambda session: damage.report(session, reader, image.object_key, found)
        )


def facts(content: Content) -> dict[str, str]:
    """Headers that hold for the whole, a part, and HEAD."""
    return HEADERS | {
        "etag": content.etag,
        "accept-ranges": "bytes",
        "content-disposition": disposition(content.filename, inline=content.inline),
    }


async def _closing(stream: ByteStream) -> AsyncIterator[bytes]:
    async with stream:
        async for chunk in stream:
            yield chunk


def disposition(filename: str, *, inline: bool = True) -> str:
    """`inline` or `attachment` with the name in both forms of RFC 6266; nothing in it can end the header or its quotes."""
    plain = "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\%' else "_"
        for one in filename
    )
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
