"""Tags: root fields."""

from typing import Annotated

import strawberry

from app.domain import MAX_IMAGES_OF_CHANGED_TAG, parse_id
from app.errors import bad_input
from app.graphql.arguments import After, Fifty, Id, ImageIds, NameContains, Offset, OfTeam, TagNames
from app.graphql.context import Info
from app.graphql.inputs import ids, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.images import Image
from app.graphql.types.lists import listed
from app.graphql.types.tags import Tag
from app.services import taggings, tags


@strawberry.type
class TagQuery:
    @strawberry.field(description="A tag by its id, or by its name (in a team).")
    async def tag(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="By its id.")] = None,
        team_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The team of the name; absent: any of yours."),
        ] = None,
        name: Annotated[
            str | None, strawberry.argument(description="By its name, without regard to case.")
        ] = None,
    ) -> Tag | None:
        actor = info.context.viewer
        if (id is None) == (name is None):
            raise bad_input("id", "Name the tag by id or by name.")
        async with info.context.db.transaction() as session:
            if name is not None:
                row = await tags.by_name(session, actor, name, optional_id(team_id))
            else:
                (row,) = await tags.by_id(session, actor, [parse_id(id or "")])
        return Tag.of(row) if row else None

    @strawberry.field(description="Tags by name.")
    async def tags(
        self,
        info: Info,
        team_id: OfTeam = None,
        search: NameContains = None,
        first: Fifty = 50,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Tag]:
        rows = tags.listed(info.context.viewer, team_id=optional_id(team_id), search=search)
        part = window(first, after, offset=offset)
        return await listed(info.context, rows, tags.BY_NAME, part, Tag.of)


@strawberry.type
class TagMutation:
    @strawberry.mutation(
        description="Puts tags on images (EDITOR); what an image carries already stays as it is."
    )
    async def add_tags(self, info: Info, image_ids: ImageIds, tags: TagNames) -> list[Image]:
        return await _change(info, image_ids, tags, add=True)

    @strawberry.mutation(description="Takes tags off images (EDITOR); an unknown name is no error.")
    async def remove_tags(self, info: Info, image_ids: ImageIds, tags: TagNames) -> list[Image]:
        return await _change(info, image_ids, tags, add=False)

    @strawberry.mutation(description="Makes these the image's tags, and no others (EDITOR).")
    async def set_tags(
        self,
        info: Info,
        image_id: Annotated[strawberry.ID, strawberry.argument(description="Which image.")],
        tags: TagNames,
    ) -> Image:
        return await _set(info, image_id, tags)

    @strawberry.mutation(
        description="Makes a tag (EDITOR; ADMIN where the policy is CLOSED)."
        " CONFLICT where the team has the name."
    )
    async def create_tag(
        self,
        info: Info,
        team_id: Annotated[strawberry.ID, strawberry.argument(description="Which team.")],
        name: Annotated[str, strawberry.argument(description="1 to 100 characters.")],
    ) -> Tag:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: tags.create(session, actor, parse_id(team_id), name)
        )
        return Tag.of(row)

    @strawberry.mutation(
        description="Gives a tag another name (EDITOR). CONFLICT where another tag of the team has it. All of its images have"
        " the name at once; where they are more than 2,000, text search finds them by it within minutes."
    )
    async def rename_tag(
        self,
        info: Info,
        id: Id,
        name: Annotated[str, strawberry.argument(description="1 to 100 characters.")],
    ) -> Tag:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: tags.rename(session, actor, parse_id(id), name)
        )
        return Tag.of(row)

    @strawberry.mutation(
        description="Gives all images of the sources the target; the sources go (EDITOR). BAD_USER_INPUT where the sources"
        f" are on more than {MAX_IMAGES_OF_CHANGED_TAG:,} images together, those in the trash included: bulk jobs put the"
        " target on and take the sources off in parts."
    )
    async def merge_tags(
        self,
        info: Info,
        source_ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="The tags that go: at most 100.")
        ],
        target_id: Annotated[strawberry.ID, strawberry.argument(description="The tag that stays.")],
    ) -> Tag:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: tags.merge(
                session, actor, ids(source_ids, "sourceIds"), parse_id(target_id)
            )
        )
        return Tag.of(row)

    @strawberry.mutation(
        description="Takes a tag off all images and out of the team (EDITOR). Answers its id. BAD_USER_INPUT where it is"
        f" on more than {MAX_IMAGES_OF_CHANGED_TAG:,} images, those in the trash included: a bulk job takes it off in parts."
    )
    async def delete_tag(self, info: Info, id: Id) -> strawberry.ID:
        actor = info.context.viewer
        gone = await info.context.change(
            lambda session: tags.delete_forever(session, actor, parse_id(id))
        )
        return strawberry.ID(str(gone))


async def _change(
    info: Info, image_ids: list[strawberry.ID], names: list[str], *, add: bool
) -> list[Image]:
    actor, change = info.context.viewer, taggings.add if add else taggings.remove
    rows = await info.context.change(
        lambda session: change(session, actor, ids(image_ids, "imageIds"), names)
    )
    return [Image.of(row) for row in rows]


async def _set(info: Info, image_id: strawberry.ID, names: list[str]) -> Image:
    actor = info.context.viewer
    row = await info.context.change(
        lambda session: taggings.set_all(session, actor, parse_id(image_id), names)
    )
    return Image.of(row)
