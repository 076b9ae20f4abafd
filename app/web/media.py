"""GET /images/{id}/{variant}: an image's bytes under a signed address."""

import time
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.db.models import Image
from app.domain import NO_ID, Actor, parse_id
from app.errors import AppError, ErrorCode, forbidden, not_found
from app.resources import Resources
from app.services import addresses, api_keys, images, sessions
from app.services.addresses import Claim, Variant
from app.web import audit, ranges, streams
from app.web.problems import Refusal
from app.web.ranges import Span
from app.web.streams import Content

THUMBNAIL_RETRY_SECONDS: Final = 2


class Media:
    """The signature says for whom an address was made; their access is checked again at each use."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._key = resources.settings.signing_key

    async def get(self, request: Request) -> Response:
        """200, 206, 304, 416. 404 for a wrong signature as for an image that is gone; 403 once it has expired.

        Each use is recorded before a byte is sent, as a read of the actor for whom the address was made.
        """
        image_id = parse_id(request.path_params["id"])
        try:
            variant = Variant(request.path_params["variant"])
        except ValueError:
            raise not_found("Image") from None
        token = request.query_params.get("token", "")
        claim = addresses.verify(self._key, image_id=image_id, variant=variant, token=token)
        try:
            response, owner = await self._response(request, claim, image_id, variant)
        except Exception as error:
            team_id = await self._team(image_id) if claim else None
            await self._record(request, claim, image_id, team_id, variant, error)
            raise
        await self._record(request, claim, image_id, owner, variant)
        return response

    async def _response(
        self, request: Request, claim: Claim | None, image_id: UUID, variant: Variant
    ) -> tuple[Response, UUID]:
        """The answer, and the team whose image it shows."""
        now = time.time()
        if claim is None:
            raise not_found("Image")
        if claim.expired(now):
            raise forbidden("This address has expired: ask for a new one.")
        image = await self._image(claim, image_id)
        max_age = max(int(claim.expires_at - now), 0)
        headers = {"cache-control": f"private, max-age={max_age}"}
        return await self._send(request, image, _content(image, variant), headers), image.team_id

    async def _record(
        self,
        request: Request,
        claim: Claim | None,
        image_id: UUID,
        team_id: UUID | None,
        variant: Variant,
        error: Exception | None = None,
    ) -> None:
        actor = Actor(claim.user_id, {}, api_key_id=claim.api_key_id) if claim else None
        event = audit.sent(
            request,
            "image.download",
            actor,
            team_id=team_id,
            image_id=image_id if image_id != NO_ID else None,
            error=error,
            variant=variant.value,
        )
        await self._resources.audit.record([event])

    async def _team(self, image_id: UUID) -> UUID | None:
        async with self._resources.db.audit.transaction() as session:
            return await images.team_of(session, image_id)

    async def _image(self, claim: Claim, image_id: UUID) -> Image:
        image = None
        if actor := await self._actor(claim):
            async with self._resources.db.acting(actor).transaction() as session:
                image = await images.for_download(session, actor, image_id)
        if image is None:
            raise not_found("Image")
        return image

    async def _actor(self, claim: Claim) -> Actor | None:
        async with self._resources.db.login.transaction() as session:
            if claim.api_key_id is not None:
                return await api_keys.actor_of(session, claim.api_key_id)
            return await sessions.actor_of(session, claim.user_id)

    async def _send(
        self, request: Request, image: Image, content: Content, headers: Mapping[str, str]
    ) -> Response:
        if ranges.is_unchanged(request.headers.get("if-none-match"), content.etag):
            own = streams.HEADERS | {"etag": content.etag} | dict(headers)
            return Response(status_code=304, headers=own)
        if request.method == "HEAD":
            length = {"content-length": str(content.size)}
            own = streams.facts(content) | length | dict(headers)
            return Response(headers=own, media_type=content.media_type)
        part = _part(request, content)
        return await streams.response(self._resources, image, content, headers, part=part)


def _content(image: Image, variant: Variant) -> Content:
    """NOT_FOUND with Retry-After for a derivative that the worker has yet to make."""
    if variant.thumbnail is None:
        return streams.original(image)
    content = streams.thumbnail(image, variant.thumbnail)
    if content is None:
        retry = {"retry-after": str(THUMBNAIL_RETRY_SECONDS)}
        raise Refusal(not_found("Thumbnail"), headers=retry)
    return content


def _part(request: Request, content: Content) -> Span | None:
    if not ranges.range_counts(request.headers.get("if-range"), content.etag):
        return None
    try:
        return ranges.span(request.headers.get("range"), content.size)
    except ranges.Unsatisfiable:
        raise Refusal(
            AppError(ErrorCode.BAD_USER_INPUT, "The range begins behind the end of the image."),
            status=416,
            headers={"content-range": f"bytes */{content.size}"},
        ) from None
