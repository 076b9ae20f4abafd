"""Weighted random draws: root fields."""

from typing import Annotated

import strawberry

from app.errors import nothing_to_draw
from app.graphql.arguments import Filter
from app.graphql.inputs import filter_value
from app.graphql.types import Image, Info
from app.services import sampling


@strawberry.type
class SamplingQuery:
    @strawberry.field(
        description="One weighted random draw; NOT_FOUND where nothing with a weight above 0 matches."
    )
    async def random_image(self, info: Info, filter: Filter = None) -> Image:
        drawn = await _draw(info, filter, 1)
        if not drawn:
            raise nothing_to_draw()
        return drawn[0]

    @strawberry.field(
        description="Weighted random draws without replacement; fewer where fewer match."
    )
    async def random_images(
        self,
        info: Info,
        filter: Filter = None,
        count: Annotated[int, strawberry.argument(description="How many: 1 to 100.")] = 1,
    ) -> list[Image]:
        return await _draw(info, filter, count)


async def _draw(info: Info, filter: Filter, count: int) -> list[Image]:
    actor = info.context.viewer
    async with info.context.db.transaction() as session:
        rows = await sampling.draw(session, actor, filter_value(filter), count=count)
    return [Image.of(row) for row in rows]
