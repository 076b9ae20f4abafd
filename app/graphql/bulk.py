"""Bulk jobs: one change of everything that a filter or a search finds: inputs and root fields."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain import BulkAction, parse_id
from app.errors import bad_input
from app.graphql.arguments import After, Fifty, Id, OfTeam
from app.graphql.context import Context, Info
from app.graphql.inputs import ImageFilter, filter_value, optional_id
from app.graphql.pagination import Connection, window
from app.graphql.types.bulk import BulkJob
from app.graphql.types.lists import listed
from app.services.bulk_edits import bulk
from app.services.bulk_edits.bulk import Change
from app.services.bulk_edits.bulk_selections import Selection, Wish
from app.services.searching import search


@strawberry.input(
    description="What a search finds: `text` or `imageId`, and from which relevance or score on an image counts as found:"
    " one of them, or both. At most 10,000 images."
)
class BulkSearch:
    text: str | None = strawberry.field(
        description="A sentence or a few words that describe the pictures: 1 to 1,000 characters.",
        default=None,
    )
    image_id: strawberry.ID | None = strawberry.field(
        description="An image of yours: what looks like it, itself included.", default=None
    )
    min_score: float | None = strawberry.field(
        description="Only hits with at least this score, -1 to 1, as searchImages gives it: it makes a set of a ranking.",
        default=None,
    )
    min_relevance: float | None = strawberry.field(
        description="Only hits with at least this relevance, 0 to 1, as searchImages gives it. 0.95 leaves little that"
        " does not belong.",
        default=None,
    )


@strawberry.input(description="What is done to every image: exactly one.", one_of=True)
class BulkChange:
    add_tags: list[str] | None = strawberry.field(
        description="Tags are put on: 1 to 50. New ones are created, unless the team's policy is CLOSED.",
        default=UNSET,
    )
    remove_tags: list[str] | None = strawberry.field(
        description="Tags are taken off: 1 to 50. An unknown name is no error.", default=UNSET
    )
    set_weight: float | None = strawberry.field(
        description="Its share in weighted random draws: 0 to 1,000,000.", default=UNSET
    )
    add_to_collection: strawberry.ID | None = strawberry.field(
        description="Images are put into this collection of the team.", default=UNSET
    )
    remove_from_collection: strawberry.ID | None = strawberry.field(
        description="Images are taken out of this collection of the team.", default=UNSET
    )
    trash: bool | None = strawberry.field(description="true: to the trash.", default=UNSET)
    restore: bool | None = strawberry.field(
        description="true: out of the trash. The filter has to let in what lies there.",
        default=UNSET,
    )


@strawberry.input(description="A change of many images, to be looked at before it is made.")
class PrepareBulkJobInput:
    team_id: strawberry.ID = strawberry.field(description="Whose images.")
    filter: ImageFilter | None = strawberry.field(
        description="Only images for which all of this holds; absent: all of the team's live images.",
        default=None,
    )
    search: BulkSearch | None = strawberry.field(
        description="Of those, only what a search finds.", default=None
    )
    change: BulkChange = strawberry.field(description="What is done to each.")


@strawberry.type
class BulkQuery:
    @strawberry.field(description="A bulk job by its id: ask again to see how far it is.")
    async def bulk_job(self, info: Info, id: Id) -> BulkJob | None:
        async with info.context.db.transaction() as session:
            (row,) = await bulk.by_id(session, info.context.viewer, [parse_id(id)])
        return BulkJob.of(row) if row else None

    @strawberry.field(description="Bulk jobs, newest first; they are kept for 30 days.")
    async def bulk_jobs(
        self, info: Info, team_id: OfTeam = None, first: Fifty = 50, after: After = None
    ) -> Connection[BulkJob]:
        rows = bulk.listed(info.context.viewer, optional_id(team_id))
        return await listed(info.context, rows, bulk.BY_AGE, window(first, after), BulkJob.of)


@strawberry.type
class BulkMutation:
    @strawberry.mutation(
        description="The dry run (EDITOR): finds the images, keeps the list, and changes none of them. The job that it"
        " answers shows how many and which; startBulkJob changes exactly these. Good for an hour."
    )
    async def prepare_bulk_job(
        self,
        info: Info,
        input: Annotated[
            PrepareBulkJobInput, strawberry.argument(description="Which images, and what change.")
        ],
    ) -> BulkJob:
        context, team_id = info.context, parse_id(input.team_id)
        actor, change = context.viewer, _change(input.change)
        selection = Selection(filter_value(input.filter), await _wish(context, input.search))
        row = await context.change(
            lambda session: bulk.prepare(session, actor, team_id, selection, change)
        )
        return BulkJob.of(row)

    @strawberry.mutation(
        description="Begins a prepared job (EDITOR): it goes on in the background, as you, with your rights of each"
        " moment. One that was started, or has ended, stays as it is: a second click does nothing."
    )
    async def start_bulk_job(self, info: Info, id: Id) -> BulkJob:
        context, actor = info.context, info.context.viewer
        row = await context.change(
            lambda session: bulk.start(session, actor, parse_id(id), context.request_id)
        )
        return BulkJob.of(row)

    @strawberry.mutation(
        description="Ends a job (EDITOR). What is done of it stays done; one that has ended stays as it is."
    )
    async def cancel_bulk_job(self, info: Info, id: Id) -> BulkJob:
        actor = info.context.viewer
        row = await info.context.change(lambda session: bulk.cancel(session, actor, parse_id(id)))
        return BulkJob.of(row)


def _change(given: BulkChange) -> Change:
    if isinstance(given.add_tags, list):
        return Change(BulkAction.ADD_TAGS, tags=tuple(given.add_tags))
    if isinstance(given.remove_tags, list):
        return Change(BulkAction.REMOVE_TAGS, tags=tuple(given.remove_tags))
    if isinstance(given.set_weight, float | int):
        return Change(BulkAction.SET_WEIGHT, weight=given.set_weight)
    if isinstance(given.add_to_collection, str):
        its = parse_id(given.add_to_collection)
        return Change(BulkAction.ADD_TO_COLLECTION, collection_id=its)
    if isinstance(given.remove_from_collection, str):
        its = parse_id(given.remove_from_collection)
        return Change(BulkAction.REMOVE_FROM_COLLECTION, collection_id=its)
    if given.trash is True:
        return Change(BulkAction.TRASH)
    if given.restore is True:
        return Change(BulkAction.RESTORE)
    field = "trash" if given.trash is False else "restore"
    raise bad_input(f"input.change.{field}", "Say true, or name another change.")


async def _wish(context: Context, given: BulkSearch | None) -> Wish | None:
    """What is searched for, as a vector. No transaction is open while the model works."""
    if given is None:
        return None
    if (given.text is None) == (given.image_id is None):
        raise bad_input("input.search.text", "Search by a text, or by an image.")
    if given.image_id is not None:
        async with context.db.transaction() as session:
            direction = await search.by_image(
                session, context.viewer, parse_id(given.image_id), field="input.search.imageId"
            )
    else:
        embedder = context.resources.models.reading(None)
        direction = await search.by_text(embedder, given.text or "", field="input.search.text")
    return Wish(direction, given.min_score, given.min_relevance)
