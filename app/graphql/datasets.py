"""Datasets: inputs and root fields. The files are served by plain routes (web/datasets)."""

from typing import Annotated

import strawberry

from app.domain import parse_id
from app.graphql.arguments import After, Fifty, Id, OfTeam
from app.graphql.context import Info
from app.graphql.inputs import ImageFilter, filter_value, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.datasets import Dataset
from app.graphql.types.lists import listed
from app.services import access
from app.services.exports import datasets


@strawberry.input(description="What is to be exported.")
class ExportDatasetInput:
    team_id: strawberry.ID | None = strawberry.field(
        description="Which team's images; absent: the key's.", default=None
    )
    name: str = strawberry.field(description="What people call it: 1 to 200 characters.")
    filter: ImageFilter | None = strawberry.field(
        description="Only images for which all of this holds when a worker reads them; absent: all live ones.",
        default=None,
    )


@strawberry.type
class DatasetQuery:
    @strawberry.field(description="A dataset by its id.")
    async def dataset(self, info: Info, id: Id) -> Dataset | None:
        async with info.context.db.transaction() as session:
            (row,) = await datasets.by_id(session, info.context.viewer, [parse_id(id)])
        return Dataset.of(row) if row else None

    @strawberry.field(description="Datasets, newest first.")
    async def datasets(
        self, info: Info, team_id: OfTeam = None, first: Fifty = 50, after: After = None
    ) -> Connection[Dataset]:
        rows = datasets.listed(info.context.viewer, optional_id(team_id))
        return await listed(info.context, rows, datasets.BY_AGE, window(first, after), Dataset.of)


@strawberry.type
class DatasetMutation:
    @strawberry.mutation(
        description="Exports images with their tags as files that never change (EDITOR); a worker makes them."
        " Asked again with the same name and filter while that export waits or runs, it answers the same dataset."
    )
    async def export_dataset(
        self,
        info: Info,
        input: Annotated[ExportDatasetInput, strawberry.argument(description="Which images.")],
    ) -> Dataset:
        actor = info.context.viewer
        team_id = access.home_team(actor, optional_id(input.team_id))
        wanted = filter_value(input.filter)
        row = await info.context.change(
            lambda session: datasets.export(
                session, actor, team_id=team_id, name=input.name, wanted=wanted
            )
        )
        return Dataset.of(row)

    @strawberry.mutation(
        description="Deletes a dataset with its files, whether it is done or not (EDITOR). Answers its id."
    )
    async def delete_dataset(self, info: Info, id: Id) -> strawberry.ID:
        actor, kept = info.context.viewer, info.context.resources.settings.purge_retention
        gone = await info.context.change(
            lambda session: datasets.delete_forever(session, actor, parse_id(id), purge_after=kept)
        )
        return strawberry.ID(str(gone))
