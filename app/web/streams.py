"""Stored bytes as responses: one way out for originals, thumbnails and draws."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.db.models import Image
from app.domain import Damage, ThumbnailSize
from app.errors import AppError, ErrorCode, not_found, unavailable
from app.resources import Resources
from app.storage import ByteStream, ObjectDamaged, ObjectMissing, Storage, lies_so, verified
from app.web import damaged, ranges
from app.web.damaged import DamagedError, Tell
from app.web.headers import combined
from app.web.problems import Refusal
from app.web.ranges import Span

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
}
"""Uploaded bytes never run as a page; pages of other sites may show them, since the address is the permission."""
THUMBNAIL_RETRY_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that can be sent: where they lie and what they are."""

    key: str
    size: int
    media_type: str
    etag: str
    filename: str
    sha256: bytes | None = None
    """None where nobody knows it."""
    inline: bool = True
    """Whether a browser shows it; otherwise it is saved."""


def original(image: Image) -> Content:
    return Content(
        key=image.object_key,
        size=image.size_bytes,
        media_type=image.format.media_type,
        etag=f'"{image.sha256.hex()}"',
        filename=_saved_as(image),
        sha256=image.sha256,
    )


def _saved_as(image: Image) -> str:
    """As it was called when it came, with an ending of its format: a picture that is a page too, and is called `cat.html`,
    would be opened as one by whoever saved it."""
    name = image.filename or str(image.id)
    fits = name.lower().endswith(image.format.endings)
    return name if fits else f"{name}.{image.format.suffix}"


def thumbnail(image: Image, size: ThumbnailSize) -> Content | None:
    """The WebP derivative; None while it is not made. One that is made anew lies under the same key."""
    made = image.thumbnails.get(size.value)
    if made is None:
        return None
    key, sha256 = str(made["key"]), made.get("sha256")
    version = sha256[:16] if sha256 else key.rpartition("/")[2]
    stem = image.filename.rpartition(".")[0] or str(image.id)
    return Content(
        key=key,
        size=int(made["bytes"]),
        media_type="image/webp",
        etag=f'"{image.sha256.hex()[:32]}-{size.value.lower()}-{version}"',
        filename=f"{stem}-{size.value.lower()}.webp",
        sha256=bytes.fromhex(sha256) if sha256 else None,
    )


def not_made() -> Refusal:
    """NOT_FOUND with Retry-After for a derivative that the worker has yet to make."""
    retry = {"retry-after": str(THUMBNAIL_RETRY_SECONDS)}
    return Refusal(not_found("Thumbnail"), headers=retry)


def unchanged(request: Request, content: Content, headers: Mapping[str, str]) -> Response | None:
    """The answer to whoever has these very bytes; None for anybody else."""
    if ranges.is_unchanged(combined(request, b"if-none-match"), content.etag):
        return Response(status_code=304, headers=HEADERS | {"etag": content.etag} | dict(headers))
    return None


def part(request: Request, content: Content) -> Span | None:
    """What of it is asked for; None is all. 416 where it begins behind the end."""
    if request.method == "HEAD":
        return None
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
    is_head: bool,
    part: Span | None = None,
) -> Response:
    """The bytes of an image that the caller may see, or a part of them, as they come from storage.

    NOT_FOUND where they are damaged, UNAVAILABLE: before the first byte. A whole whose bytes are found to be wrong just now, and
    which is more than a first piece, breaks off before its end. Damage is written down, and a derivative's made good.
    """
    sending = partial(of_storage, resources.storage, content, headers, is_head=is_head, part=part)

    async def flag(found: Damage) -> None:
        if found is not image.damage:
            await damaged.flag(resources, image.team_id, image.object_key, found)

    async def renew(_: Damage) -> None:
        # Of a damaged original none can be made: that would fail, and say that processing did.
        if image.damage is None:
            await damaged.renew(resources, image.team_id, image.id)

    if content.key == image.object_key:
        if image.damage is Damage.WRONG_BYTES:
            await damaged.look_again(resources, image)
        return await sending(tell=flag)
    try:
        return await sending(tell=renew)
    except DamagedError as error:
        raise not_made() from error


async def of_storage(
    storage: Storage,
    content: Content,
    headers: Mapping[str, str],
    *,
    tell: Tell,
    is_head: bool,
    part: Span | None = None,
) -> Response:
    """The bytes, a part of them, or for HEAD none: NOT_FOUND, UNAVAILABLE, and how it ends as in `response`."""
    length = content.size if part is None else part.length
    own = facts(content) | {"content-length": str(length)} | dict(headers)
    try:
        if is_head:
            await _must_be_there(storage, content)
            return Response(headers=own, media_type=content.media_type)
        stream = await _opened(storage, content, part, length)
        # A part that is all of it is what players and resumed downloads ask for first.
        is_known = content.sha256 is not None and length == content.size
        body = await _begun(storage, stream, content, tell) if is_known else _closing(stream)
    except DamagedError as error:
        await tell(error.damage)
        raise
    if part is not None:
        own["content-range"] = part.content_range
    status = 200 if part is None else 206
    return StreamingResponse(body, status, own, media_type=content.media_type)


async def _must_be_there(storage: Storage, content: Content) -> None:
    size = await storage.size(content.key)
    if size is None:
        raise DamagedError(Damage.MISSING)
    if size != content.size:
        raise DamagedError(Damage.WRONG_SIZE)


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


async def _begun(
    storage: Storage, stream: ByteStream, content: Content, tell: Tell
) -> AsyncIterator[bytes]:
    """All of the stream, as far as it is right, its first piece read already: what has no more is judged before it is sent."""
    parts = verified(stream, content.key, content.sha256 or b"")
    try:
        first = await anext(parts, b"")
    except ObjectDamaged as error:
        if await lies_so(storage, error):
            raise DamagedError(Damage.WRONG_BYTES) from error
        raise unavailable("Storage is unavailable (other bytes came).") from error
    return _going_on(storage, first, parts, tell)


async def _going_on(
    storage: Storage, first: bytes, parts: AsyncGenerator[bytes, None], tell: Tell
) -> AsyncIterator[bytes]:
    async with aclosing(parts):
        yield first
        try:
            async for one in parts:
                yield one
        except ObjectDamaged as error:
            if await lies_so(storage, error):
                await tell(Damage.WRONG_BYTES)
            raise


async def _closing(stream: ByteStream) -> AsyncIterator[bytes]:
    async with stream:
        async for chunk in stream:
            yield chunk


def facts(content: Content) -> dict[str, str]:
    """Headers that hold for the whole, a part, and HEAD."""
    return HEADERS | {
        "etag": content.etag,
        "accept-ranges": "bytes",
        "content-disposition": disposition(content.filename, inline=content.inline),
    }


def disposition(filename: str, *, inline: bool = True) -> str:
    """`inline` or `attachment` with the name in both forms of RFC 6266; nothing in it can end the header or its quotes."""
    plain = "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\%' else "_"
        for one in filename
    )
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
