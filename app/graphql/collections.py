"""Collections: inputs and root fields."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import parse_id
from app.graphql.arguments import After, Fifty, Id, ImageIds, Offset, OfTeam
from app.graphql.context import Info
from app.graphql.inputs import changes, ids, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.collections import Collection
from app.graphql.types.lists import listed
from app.services import collections


@strawberry.input(description="A new collection.")
class CreateCollectionInput:
    team_id: strawberry.ID = strawberry.field(description="Which team.")
    name: str = strawberry.field(description="What people call it: 1 to 200 characters.")
    description: str | None = strawberry.field(
        description="What people say of it: at most 10,000 characters.", default=None
    )


@strawberry.input(
    description="Changes of a collection; an absent field stays, and null is refused."
)
class UpdateCollectionInput:
    id: strawberry.ID = strawberry.field(description="Which collection.")
    name: str | None = strawberry.field(
        description="Its new name: 1 to 200 characters.", default=UNSET
    )
    description: str | None = strawberry.field(
        description="Its new description: at most 10,000 characters.", default=UNSET
    )


Which = Annotated[strawberry.ID, strawberry.argument(description="Which collection.")]


@strawberry.type
class CollectionQuery:
    @strawberry.field(description="A collection by its id.")
    async def collection(self, info: Info, id: Id) -> Collection | None:
        async with info.context.db.transaction() as session:
            (row,) = await collections.by_id(session, info.context.viewer, [parse_id(id)])
        return Collection.of(row) if row else None

    @strawberry.field(description="Collections by name, in the order of the database's collation.")
    async def collections(
        self,
        info: Info,
        team_id: OfTeam = None,
        first: Fifty = 50,
        after: After = None,
        offset: Offset = None,
    ) -> Connection[Collection]:
        rows = collections.listed(info.context.viewer, optional_id(team_id))
        part = window(first, after, offset=offset)
        return await listed(info.context, rows, collections.BY_NAME, part, Collection.of)


@strawberry.type
class CollectionMutation:
    @strawberry.mutation(description="Makes a collection (EDITOR).")
    async def create_collection(
        self,
        info: Info,
        input: Annotated[CreateCollectionInput, strawberry.argument(description="The new one.")],
    ) -> Collection:
        actor, team_id = info.context.viewer, parse_id(input.team_id)
        row = await info.context.change(
            lambda session: collections.create(
                session, actor, team_id=team_id, name=input.name, description=input.description
            )
        )
        return Collection.of(row)

    @strawberry.mutation(description="Changes a collection (EDITOR).")
    async def update_collection(
        self,
        info: Info,
        input: Annotated[UpdateCollectionInput, strawberry.argument(description="What changes.")],
    ) -> Collection:
        actor, given = info.context.viewer, changes(input, "name", "description")
        row = await info.context.change(
            lambda session: collections.update(session, actor, parse_id(input.id), given)
        )
        return Collection.of(row)

    @strawberry.mutation(
        description="Deletes a collection; its images stay (EDITOR). Answers its id."
    )
    async def delete_collection(self, info: Info, id: Id) -> strawberry.ID:
        actor = info.context.viewer
        gone = await info.context.change(
            lambda session: collections.delete_forever(session, actor, parse_id(id))
        )
        return strawberry.ID(str(gone))

    @strawberry.mutation(
        description="Puts images of the team into a collection (EDITOR); those that are in it stay."
    )
    async def add_to_collection(
        self, info: Info, collection_id: Which, image_ids: ImageIds
    ) -> Collection:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: collections.add(
                session, actor, parse_id(collection_id), ids(image_ids, "imageIds")
            )
        )
        return Collection.of(row)

    @strawberry.mutation(
        description="Takes images out of a collection (EDITOR); one that is not in it is no error."
    )
    async def remove_from_collection(
        self, info: Info, collection_id: Which, image_ids: ImageIds
    ) -> Collection:
        actor = info.context.viewer
        row = await info.context.change(
            lambda session: collections.remove(
                session, actor, parse_id(collection_id), ids(image_ids, "imageIds")
            )
        )
        return Collection.of(row)
