"""GET /random?label=…: the bytes of one weighted draw."""

from starlette.requests import Request
from starlette.responses import Response

from app.db.models import Image
from app.domain import MAX_TAGS_PER_CALL, Actor, ImageFilter, TagFilter
from app.errors import bad_input, not_found
from app.resources import Resources
from app.services import sampling, tags
from app.web import bodies, problems, streams
from app.web.auth import Authenticator


class Draws:
    def __init__(self, resources: Resources, authenticator: Authenticator) -> None:
        self._resources = resources
        self._authenticator = authenticator

    async def get(self, request: Request) -> Response:
        """An image that carries every `label`; of all the actor sees without one.

        401 without a key, 400 for a label that none of the actor's teams knows, 404 where nothing can be drawn.
        """
        actor = (await self._authenticator.identify(request)).required()
        labels = request.query_params.getlist("label")
        if len(labels) > MAX_TAGS_PER_CALL:
            raise bad_input("label", f"At most {MAX_TAGS_PER_CALL} labels.")
        for label in labels:
            bodies.check_text(label, "label")
        image = await self._drawn(actor, labels)
        headers = {"x-image-id": str(image.id), "cache-control": problems.NO_STORE}
        return await streams.response(self._resources.storage, streams.original(image), headers)

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
