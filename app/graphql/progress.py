"""bulkJobProgress and datasetProgress: the subscriptions to how far one piece of background work is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar
from uuid import UUID

import strawberry

from app.db.changes import Watch
from app.domain import Actor, DatasetStatus, parse_id
from app.errors import AppError, ErrorCode, not_found
from app.graphql.arguments import Id
from app.graphql.context import Context, Info
from app.graphql.processing import PAUSE_SECONDS, RECHECK_SECONDS
from app.graphql.types.bulk import BulkJob
from app.graphql.types.datasets import Dataset
from app.graphql.types.nodes import Node
from app.services.bulk_edits import bulk
from app.services.exports import datasets

T = TypeVar("T", bound=Node)


@dataclass(frozen=True, slots=True)
class Moment(Generic[T]):
    """How far it is. Where its `facts` are those of the moment before, nothing has happened that anybody could tell."""

    node: T
    team_id: UUID
    facts: Hashable
    is_over: bool


Look: TypeAlias = Callable[[Context, UUID], Awaitable[Moment[T] | None]]
"""How far it is for the context's viewer; None where there is nothing for them."""


@strawberry.type
class ProgressSubscription:
    @strawberry.subscription(
        description="How far a bulk job is: its present state first, then each step, and the end when it is DONE, FAILED or"
        " CANCELLED, or deleted. Of steps that follow each other faster than they are read, the last is told."
    )
    async def bulk_job_progress(self, info: Info, id: Id) -> AsyncIterator[BulkJob]:
        return await _begin(info.context, parse_id(id), _bulk_job, "Bulk job")

    @strawberry.subscription(
        description="How far an export is: its present state first, then each step, and the end when it is READY or FAILED,"
        " or deleted. Of steps that follow each other faster than they are read, the last is told."
    )
    async def dataset_progress(self, info: Info, id: Id) -> AsyncIterator[Dataset]:
        return await _begin(info.context, parse_id(id), _dataset, "Dataset")


async def _bulk_job(context: Context, id: UUID) -> Moment[BulkJob] | None:
    async with context.db.transaction() as session:
        (row,) = await bulk.by_id(session, context.viewer, [id])
    if row is None:
        return None
    facts = (row.status, row.done, row.changed, row.gone, row.crowded)
    return Moment(BulkJob.of(row), row.team_id, facts, row.status in bulk.ENDED)


async def _dataset(context: Context, id: UUID) -> Moment[Dataset] | None:
    async with context.db.transaction() as session:
        (progress,) = await datasets.progress_by_id(session, context.viewer, [id])
        (row,) = await datasets.by_id(session, context.viewer, [id])
    if row is None:
        return None
    status = progress.status if row.files is None else DatasetStatus.READY
    is_over = status in (DatasetStatus.READY, DatasetStatus.FAILED)
    return Moment(Dataset.of(row), row.team_id, (status, progress.error, row.done), is_over)


async def _begin(context: Context, id: UUID, look: Look[T], what: str) -> "Steps[T]":
    """NOT_FOUND of `what` where there is none. It is followed from before it is looked at."""
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(context.resources.changes.watch())
        watch.follow([id])
        now = await look(context, id)
        if now is None:
            raise not_found(what, field="id", ids=[id])
        steps = Steps(context, watch, look, id, now, what)
        steps.closing = stack.pop_all()
    return steps


class Steps(Generic[T]):
    """One piece of work, each time that it got on, as the viewer may see it then. Whoever has it closes it.

    `present`: what is shown first, until it is.
    """

    def __init__(
        self, context: Context, watch: Watch, look: Look[T], id: UUID, now: Moment[T], what: str
    ) -> None:
        self.closing = AsyncExitStack()
        self.present = [now.node]
        self._context = context
        self._watch = watch
        self._look = look
        self._id = id
        self._actor = context.viewer
        self._now = now
        self._what = what
        self._told: Hashable = None
        self._is_due = False

    def __aiter__(self) -> "Steps[T]":
        return self

    async def __anext__(self) -> T:
        while True:
            try:
                is_there = await self._read(await self._context.renew())
            except AppError as error:
                if error.code is not ErrorCode.UNAVAILABLE:
                    raise
                # It stays due, and is read when the database is back.
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if not is_there:
                raise StopAsyncIteration
            if self._now.facts != self._told:
                self._told = self._now.facts
                return self._now.node
            if self._now.is_over:
                raise StopAsyncIteration
            await self._watch.wait(RECHECK_SECONDS)

    async def aclose(self) -> None:
        await self.closing.aclose()

    async def _read(self, actor: Actor) -> bool:
        """Looks again where that may show something new, or to another actor. Whether it is there; NOT_FOUND where they
        lost sight of it."""
        self.present = []
        since = self._watch.missed_since
        self._is_due |= bool(self._watch.take(1)) or since is not None or actor is not self._actor
        if not self._is_due:
            return True
        now = await self._look(self._context, self._id)
        self._is_due, self._actor = False, actor
        if since is not None:
            self._watch.caught_up(since)
        if now is None:
            if self._now.team_id not in actor.roles:
                raise not_found(self._what, field="id", ids=[self._id])
            return False
        self._now = now
        return True
