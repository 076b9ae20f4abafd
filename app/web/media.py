"""GET /images/{id}/{variant}: an image's bytes under a signed address."""

from collections.abc import Mapping
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.db.models import Image
from app.domain import is_readable, parse_id
from app.errors import not_found
from app.resources import Resources
from app.services import images
from app.services.people import addresses
from app.services.people.addresses import Claim, Variant
from app.web import audit, claims, streams
from app.web.budget import IMAGE, Budget
from app.web.streams import Content


class Media:
    """The signature says for whom an address was made; their access is checked again at each use."""

    def __init__(self, resources: Resources, budget: Budget | None = None) -> None:
        self._resources = resources
        self._budget = budget or Budget(resources.settings)
        self._key = resources.settings.signing_key

    async def get(self, request: Request) -> Response:
        """200, 206, 304, 416, 429. 404 for a wrong signature as for an image that is gone; 403 once it has expired.

        Each use is recorded before a byte is sent, as a read of the actor for whom the address was made.
        """
        image_id = parse_id(request.path_params["id"])
        try:
            variant = Variant(request.path_params["variant"])
        except ValueError:
            raise not_found("Image") from None
        token = request.query_params.get("token", "")
        claim = addresses.verify(self._key, image_id=image_id, variant=variant, token=token)
        self._budget.spend(request, claims.claimant(claim), IMAGE)
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
        claim, headers = claims.good(claim, "Image")
        image = await self._image(claim, image_id)
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
        event = audit.sent(
            request,
            "image.download",
            claims.claimant(claim),
            team_id=team_id,
            subject_id=image_id if is_readable(image_id) else None,
            error=error,
            variant=variant.value,
        )
        await self._resources.audit.record([event])

    async def _team(self, image_id: UUID) -> UUID | None:
        async with self._resources.db.audit.transaction() as session:
            return await images.team_of(session, image_id)

    async def _image(self, claim: Claim, image_id: UUID) -> Image:
        image = None
        if actor := await claims.holder(self._resources, claim):
            async with self._resources.db.acting(actor).transaction() as session:
                image = await images.for_download(session, actor, image_id)
        if image is None:
            raise not_found("Image")
        return image

    async def _send(
        self, request: Request, image: Image, content: Content, headers: Mapping[str, str]
    ) -> Response:
        if (unsent := streams.unchanged(request, content, headers)) is not None:
            return unsent
        return await streams.response(
            self._resources,
            image,
            content,
            headers,
            is_head=request.method == "HEAD",
            part=streams.part(request, content),
        )


def _content(image: Image, variant: Variant) -> Content:
    """NOT_FOUND with Retry-After for a derivative that the worker has yet to make."""
    if variant.thumbnail is None:
        return streams.original(image)
    content = streams.thumbnail(image, variant.thumbnail)
    if content is None:
        raise streams.not_made()
    return content
