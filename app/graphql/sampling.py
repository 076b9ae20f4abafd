"""Weighted random draws: their input and root fields."""

from typing import Annotated, TypeAlias

import strawberry

from app.domain import Window
from app.errors import nothing_to_draw
from app.graphql import ahead
from app.graphql.arguments import After, Fifty, Filter
from app.graphql.context import Info
from app.graphql.inputs import filter_value
from app.graphql.pagination import Connection, counter, window
from app.graphql.types.images import Image
from app.services.draws import sampling, shuffles
from app.services.draws.shuffles import Shuffle


@strawberry.input(description="Lets newer images be drawn more often.")
class Recency:
    half_life_days: float = strawberry.field(
        description="An image that was uploaded so many days before another one counts half as much beside it,"
        " on top of their weights: 0.01 to 1,000,000."
    )


AnySeed: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Any text of 1 to 200 characters: the same seed draws the same images in the same order, as long"
        " as nothing changed. Without one, every draw is new."
    ),
]
Newer: TypeAlias = Annotated[
    Recency | None,
    strawberry.argument(description="How much more newer images count; absent: not at all."),
]


@strawberry.type
class SamplingQuery:
    @strawberry.field(
        description="One weighted random draw; NOT_FOUND where nothing with a weight above 0 matches."
    )
    async def random_image(
        self, info: Info, filter: Filter = None, seed: AnySeed = None, recency: Newer = None
    ) -> Image:
        drawn = await _draw(info, filter, 1, seed, recency)
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
        seed: AnySeed = None,
        recency: Newer = None,
    ) -> list[Image]:
        return await _draw(info, filter, count, seed, recency)

    @strawberry.field(
        description="All images that match and have a weight above 0, each once, in the order in which this seed draws"
        " them; it begins as randomImages with the seed does. A change moves an image that was changed and no"
        " other. Anybody can make the order again from ids and weights: docs/draws.md tells how."
    )
    async def shuffled_images(
        self,
        info: Info,
        seed: Annotated[str, strawberry.argument(description="Any text of 1 to 200 characters.")],
        filter: Filter = None,
        recency: Newer = None,
        first: Fifty = 50,
        after: After = None,
    ) -> Connection[Image]:
        asked = Shuffle(seed, filter_value(filter), _half_life(recency))
        return await _shuffled(info, asked, window(first, after))


async def _draw(
    info: Info, filter: Filter, count: int, seed: str | None, recency: Recency | None
) -> list[Image]:
    actor = info.context.viewer
    async with info.context.db.transaction() as session:
        rows = await sampling.draw(
            session,
            actor,
            filter_value(filter),
            count=count,
            seed=seed,
            half_life_days=_half_life(recency),
        )
    return [Image.of(row) for row in rows]


async def _shuffled(info: Info, asked: Shuffle, part: Window) -> Connection[Image]:
    context = info.context
    actor, db = context.viewer, context.db
    async with db.transaction() as session:
        page = await shuffles.page(session, actor, asked, part)
        await context.loaders.bring(session, page.rows, ahead.of_rows(info._raw_info))
    count = counter(db, lambda session: shuffles.count(session, actor, asked))
    return Connection.of(page, [Image.of(row) for row in page.rows], count)


def _half_life(recency: Recency | None) -> float | None:
    return recency.half_life_days if recency else None
