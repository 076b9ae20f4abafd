"""imageProcessing: the subscription to how far the background work on images is."""

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Final
from uuid import UUID

import strawberry

from app.db import models
from app.db.changes import MAX_WAITING, Watch, seconds_since
from app.domain import MAX_IDS, Actor, ProcessingStatus, parse_id
from app.errors import AppError, ErrorCode, bad_input, not_found
from app.graphql.arguments import OfTeam
from app.graphql.context import Context, Info
from app.graphql.types.images import Image
from app.services import images

FIELD: Final = "imageProcessing"
BATCH: Final = 100
RECHECK_SECONDS: Final = 2.0
"""While nothing changes, the viewer's access is looked at so often; what is remembered of it is as old at most."""
PAUSE_SECONDS: Final = 1.0
"""Between two tries to read what changed, while the database is away."""
REMEMBERED: Final = 1_000
FINAL: Final = (ProcessingStatus.READY, ProcessingStatus.FAILED)


@strawberry.type
class ProcessingSubscription:
    @strawberry.subscription(
        description="Changes of processing status. For imageIds: each one's present state first, then its changes,"
        " and the end when all are READY, FAILED or gone (in the trash, or deleted). For a team, or with neither for"
        " all visible teams: every change, until the client leaves or loses access. Of changes that follow each"
        " other faster than they are read, the last is told."
    )
    async def image_processing(
        self,
        info: Info,
        team_id: OfTeam = None,
        image_ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(description="Which images: at most 100. Absent: all of the teams."),
        ] = None,
    ) -> AsyncIterator[Image]:
        context = info.context
        team = None if team_id is None else parse_id(team_id)
        if team is not None and team not in context.viewer.roles:
            raise not_found("Team", field="teamId", ids=[team])
        if image_ids is not None and len(image_ids) > MAX_IDS:
            raise bad_input("imageIds", f"At most {MAX_IDS} ids.", limit=MAX_IDS)
        async with AsyncExitStack() as stack:
            watch = await stack.enter_async_context(context.resources.changes.watch())
            source: Source
            if image_ids is None:
                source = TeamSource(context, watch, team)
            else:
                ids = list(dict.fromkeys(parse_id(one) for one in image_ids))
                source = ImageSource(context, watch, await _present(context, watch, team, ids))
            source.closing = stack.pop_all()
        return source


async def _present(
    context: Context, watch: Watch, team: UUID | None, ids: Sequence[UUID]
) -> list[models.Image]:
    """The images as they are now, followed from before they were looked at. NOT_FOUND with the missing ids."""
    watch.follow(ids)
    async with context.db.transaction() as session:
        rows = await images.by_id(session, context.viewer, ids)
    found = [row for row in rows if row is not None and team in (None, row.team_id)]
    if len(found) < len(ids):
        seen = {row.id for row in found}
        raise not_found("Image", field="imageIds", ids=[one for one in ids if one not in seen])
    return found


class Source(ABC):
    """Images whose state changed, each as the viewer may see it now. Whoever has it closes it.

    Rows count for as long as the actor does with whom they were read; then both are looked up again. `present`:
    what is shown first, until it is.
    """

    def __init__(self, context: Context, watch: Watch, rows: Sequence[models.Image] = ()) -> None:
        self.closing = AsyncExitStack()
        self.present = [Image.of(row) for row in rows]
        self._context = context
        self._watch = watch
        self._actor = context.viewer
        self._due = deque(row.id for row in rows)
        self._rows: dict[UUID, models.Image] | None = {row.id: row for row in rows}
        self._recorded = frozenset(self._rows)
        self._told: OrderedDict[UUID, ProcessingStatus] = OrderedDict()

    def __aiter__(self) -> "Source":
        return self

    async def __anext__(self) -> Image:
        while True:
            try:
                await self._load(await self._context.renew())
            except AppError as error:
                if error.code is not ErrorCode.UNAVAILABLE:
                    raise
                # What is due stays so, and is read when the database is back.
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            row = self._next()
            if row is not None:
                return Image.of(row)
            if self._over():
                raise StopAsyncIteration
            await self._watch.wait(RECHECK_SECONDS)

    async def aclose(self) -> None:
        await self.closing.aclose()

    async def _load(self, actor: Actor) -> None:
        """Reads what is due, and what may have been missed, as this actor; recorded before it is told."""
        self.present = []
        if actor is not self._actor:
            self._watch.follow(self._followed(actor))
            self._actor, self._rows = actor, None
        since = self._watch.missed_since
        if since is not None:
            self._watch.add(await self._missed(actor, seconds_since(since)))
            self._watch.caught_up(since)
        if not self._due:
            self._due.extend(self._watch.take(BATCH))
            self._rows = None
        if self._due and self._rows is None:
            async with self._context.db.transaction() as session:
                rows = await images.by_id(session, actor, self._due)
            found = [row for row in rows if row is not None]
            await self._record(found)
            self._rows = {row.id: row for row in found}

    async def _record(self, rows: Sequence[models.Image]) -> None:
        """Each image once, however often it changes: the first time that the viewer sees it here."""
        new = [
            Image.of(row)
            for row in rows
            if row.id not in self._recorded and row.id not in self._told
        ]
        if new:
            seen = self._context.again()
            seen.trail.answered(FIELD, {}, new)
            await seen.resources.audit.record(seen.trail.events())

    def _next(self) -> models.Image | None:
        while self._due and self._rows is not None:
            image_id = self._due.popleft()
            row = self._rows.get(image_id)
            if self._tells(image_id, row):
                return row
        return None

    def _tells(self, image_id: UUID, row: models.Image | None) -> bool:
        """Whether this is news: not what was told last of the image."""
        if row is None or self._told.get(image_id) is row.processing:
            return False
        self._told[image_id] = row.processing
        self._told.move_to_end(image_id)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    @abstractmethod
    def _followed(self, actor: Actor) -> Iterable[UUID]:
        """The teams or images to follow for this actor; NOT_FOUND where they lost sight of them."""

    @abstractmethod
    async def _missed(self, actor: Actor, seconds: float) -> Iterable[UUID]:
        """The images to look at where nothing was heard for so long."""

    @abstractmethod
    def _over(self) -> bool:
        """Whether nothing more can come."""


class TeamSource(Source):
    """Every change in one team, or in all of the viewer's."""

    def __init__(self, context: Context, watch: Watch, team: UUID | None) -> None:
        super().__init__(context, watch)
        self._team = team
        self._watch.follow(self._followed(context.viewer))

    def _followed(self, actor: Actor) -> Iterable[UUID]:
        if self._team is None:
            return actor.team_ids
        if self._team not in actor.roles:
            raise not_found("Team", field="teamId", ids=[self._team])
        return (self._team,)

    async def _missed(self, actor: Actor, seconds: float) -> Iterable[UUID]:
        teams = tuple(self._followed(actor))
        async with self._context.db.transaction() as session:
            return await images.processed_within(session, actor, teams, seconds, MAX_WAITING + 1)

    def _over(self) -> bool:
        return False


class ImageSource(Source):
    """Named images, until each has come to an end."""

    def __init__(self, context: Context, watch: Watch, rows: Sequence[models.Image]) -> None:
        super().__init__(context, watch, rows)
        self._team_of = {row.id: row.team_id for row in rows}
        self._open = set(self._team_of)

    def _followed(self, actor: Actor) -> Iterable[UUID]:
        lost = [one for one, team in self._team_of.items() if team not in actor.roles]
        if lost:
            raise not_found("Image", field="imageIds", ids=lost)
        return self._team_of

    async def _missed(self, actor: Actor, seconds: float) -> Iterable[UUID]:
        return self._team_of

    def _tells(self, image_id: UUID, row: models.Image | None) -> bool:
        gone = row is None or row.trashed_at is not None
        if row is None or gone or row.processing in FINAL:
            self._open.discard(image_id)
        else:
            self._open.add(image_id)
        if gone and image_id in self._told:
            return False
        return super()._tells(image_id, row)

    def _over(self) -> bool:
        return not self._open and not self._due
