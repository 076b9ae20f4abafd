"""GET /random?label=…: the bytes of one weighted draw."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.db.models import Image
from app.domain import MAX_TAGS_PER_CALL, Actor, ImageFilter, TagFilter
from app.errors import bad_input, blaming, not_found
from app.resources import Resources
from app.services import tags
from app.services.draws import sampling
from app.web import audit, bodies, parameters, problems, streams
from app.web.auth import Authenticator
from app.web.budget import DRAW, Budget

HEADERS: Final = {
    "cache-control": problems.NO_STORE,
    # The next request draws anew: its part would be of another image.
    "accept-ranges": "none",
}


class Draws:
    def __init__(
        self, resources: Resources, authenticator: Authenticator, budget: Budget | None = None
    ) -> None:
        self._resources = resources
        self._authenticator = authenticator
        self._budget = budget or Budget(resources.settings)

    async def get(self, request: Request) -> Response:
        """An image that carries every `label`; of all the actor sees without one.

        304 to whoever has the very bytes that were drawn, 401 without a key, 400 for a label that none of the actor's
        teams knows and for any other parameter, 404 where nothing can be drawn.
        """
        identity = await self._authenticator.identify(request)
        self._budget.spend(request, identity.actor, DRAW)
        if identity.is_denied or not (identity.actor or identity.refusal):
            await audit.refused(self._resources, request)
        actor = identity.required()
        try:
            image = await self._image(request, actor)
        except Exception as error:
            await self._record(request, actor, error=error)
            raise
        await self._record(request, actor, image)
        content = streams.original(image)
        headers = HEADERS | {"x-image-id": str(image.id)}
        if (unsent := streams.unchanged(request, content, headers)) is not None:
            return unsent
        is_head = request.method == "HEAD"
        return await streams.response(self._resources, image, content, headers, is_head=is_head)

    async def _image(self, request: Request, actor: Actor) -> Image:
        parameters.check(request, "label")
        labels = request.query_params.getlist("label")
        if len(labels) > MAX_TAGS_PER_CALL:
            raise bad_input("label", f"At most {MAX_TAGS_PER_CALL} labels.")
        with blaming("label"):
            for label in labels:
                bodies.check_text(label, "label")
        return await self._drawn(actor, labels)

    async def _record(
        self,
        request: Request,
        actor: Actor,
        image: Image | None = None,
        error: Exception | None = None,
    ) -> None:
        """An image's team is told; of a draw that came to nothing, the actor's only one."""
        (team_id,) = actor.team_ids if len(actor.team_ids) == 1 else (None,)
        event = audit.sent(
            request,
            "image.draw",
            actor,
            team_id=image.team_id if image else team_id,
            subject_id=image.id if image else None,
            error=error,
        )
        await self._resources.audit.record([event])

    async def _drawn(self, actor: Actor, labels: list[str]) -> Image:
        wanted = ImageFilter(tags=TagFilter(all=tuple(labels) or None))
        async with self._resources.db.acting(actor).transaction() as session:
            for label in labels:
                if await tags.by_name(session, actor, label) is None:
                    raise bad_input("label", f"No team of yours knows the tag {label}.")
            drawn = await sampling.draw(session, actor, wanted)
        if not drawn:
            raise not_found("Image")
        return drawn[0]
