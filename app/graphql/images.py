"""Images: look-up, lists, edits, trash and deletion: inputs and root fields. Uploads are in intake."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.graphql.arguments import (
    After,
    Before,
    Filter,
    First,
    Id,
    ImageIds,
    Last,
    Offset,
    Order,
)
from app.graphql.context import Info
from app.graphql.inputs import changes, filter_value, ids, order_value
from app.graphql.pagination import Connection, window
from app.graphql.types.images import Image
from app.graphql.types.lists import listed_images
from app.services import images


@strawberry.input(
    description="Changes of an image; an absent field stays, and null is refused but for takenAt."
)
class UpdateImageInput:
    id: strawberry.ID = strawberry.field(description="Which image.")
    title: str | None = strawberry.field(description="At most 200 characters.", default=UNSET)
    description: str | None = strawberry.field(
        description="At most 10,000 characters.", default=UNSET
    )
    weight: float | None = strawberry.field(
        description="Its share in weighted random draws: 0 to 1,000,000.", default=UNSET
    )
    taken_at: datetime | None = strawberry.field(
        description="When the picture was taken; null clears it.", default=UNSET
    )


@strawberry.type
class ImageQuery:
    @strawberry.field(description="An image by its id, also one in the trash.")
    async def image(self, info: Info, id: Id) -> Image | None:
        actor = info.context.viewer
        async with info.context.db.transaction() as session:
            (row,) = await images.by_id(session, actor, [parse_id(id)])
        return Image.of(row) if row else None

    @strawberry.field(description="Images that match a filter; newest first without orderBy.")
    async def images(
        self,
        info: Info,
        filter: Filter = None,
        order_by: Order = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        offset: Offset = None,
    ) -> Connection[Image]:
        part = window(first, after, last, before, offset)
        return await listed_images(info, filter_value(filter), order_value(order_by), part)


@strawberry.type
class ImageMutation:
    @strawberry.mutation(description="Changes what is said of an image (EDITOR).")
    async def update_image(
        self,
        info: Info,
        input: Annotated[UpdateImageInput, strawberry.argument(description="What changes.")],
    ) -> Image:
        actor = info.context.viewer
        given = changes(input, "title", "description", "weight", nullable=["taken_at"])
        row = await info.context.change(
            lambda session: images.update(session, actor, parse_id(input.id), given)
        )
        return Image.of(row)

    @strawberry.mutation(
        description="To the trash (EDITOR), from which restoreImages brings them back until they are purged."
    )
    async def trash_images(self, info: Info, ids: ImageIds) -> list[Image]:
        return await _set_trashed(info, ids, trashed=True)

    @strawberry.mutation(description="Out of the trash (EDITOR).")
    async def restore_images(self, info: Info, ids: ImageIds) -> list[Image]:
        return await _set_trashed(info, ids, trashed=False)

    @strawberry.mutation(
        description="For good (EDITOR): nobody sees them from now on; bytes and derivatives follow, after the time"
        " that the installation keeps them for its backups. Answers their ids."
    )
    async def delete_images(self, info: Info, ids: ImageIds) -> list[strawberry.ID]:
        return await _delete(info, ids)

    @strawberry.mutation(
        description="Tries anew what was given up of these images (EDITOR): FAILED ones become PENDING, with"
        " three attempts. Others stay as they are."
    )
    async def retry_processing(self, info: Info, ids: ImageIds) -> list[Image]:
        return await _retry(info, ids)


async def _set_trashed(info: Info, texts: list[strawberry.ID], *, trashed: bool) -> list[Image]:
    actor = info.context.viewer
    rows = await info.context.change(
        lambda session: images.set_trashed(session, actor, ids(texts), trashed=trashed)
    )
    return [Image.of(row) for row in rows]


async def _retry(info: Info, texts: list[strawberry.ID]) -> list[Image]:
    actor = info.context.viewer
    rows = await info.context.change(lambda session: images.retry(session, actor, ids(texts)))
    return [Image.of(row) for row in rows]


async def _delete(info: Info, texts: list[strawberry.ID]) -> list[strawberry.ID]:
    actor = info.context.viewer
    gone = await info.context.change(
        lambda session: images.delete_forever(
            session,
            actor,
            ids(texts),
            purge_after=info.context.resources.settings.purge_retention,
        )
    )
    return [strawberry.ID(str(one)) for one in gone]
