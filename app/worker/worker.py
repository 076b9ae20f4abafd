"""The loop: claims work, keeps its lease while it lasts, hands back what it cannot do, and outlives every error."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from app.db.notifications import notified
from app.domain import JobKind
from app.errors import AppError
from app.resources import Resources
from app.services import jobs, tickets, uploads
from app.services.jobs import Job
from app.worker import files, upkeep
from app.worker.embed import Embedding
from app.worker.handlers import failed, purge, purge_teams, thumbnails

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""After a crash, work is taken up again within this time; a living worker renews it in time."""
POLL_SECONDS: Final = 2.0
HOUSE_SECONDS: Final = 30.0
"""Wake-up calls come at once; looking is for retries, for lost leases, and for calls that were missed."""
GRACE_SECONDS: Final = 8.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0

Claim = Callable[[], Awaitable[list[Job]]]
Handle = Callable[[list[Job]], Awaitable[None]]


@dataclass(frozen=True)
class _Lane:
    """One kind of work, one batch at a time. Lanes run beside each other."""

    claim: Claim
    handle: Handle
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Worker:
    """Does what is queued until it is stopped. Any number of workers may run, in any process."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._db = resources.db
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._lanes_running: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Returns when `stop` was called. Cancelling it hands everything back at once."""
        resources = self._resources
        await asyncio.to_thread(files.prepare, resources.settings.tmp_dir)
        embedding = Embedding(resources)
        lanes = [
            _Lane(lambda: embedding.claim(LEASE), embedding.handle),
            self._lane(JobKind.THUMBNAILS, 8, lambda claimed: thumbnails(resources, claimed)),
            self._lane(JobKind.PURGE, 16, lambda claimed: purge(resources, claimed)),
            self._lane(JobKind.PURGE_TEAM, 1, lambda claimed: purge_teams(resources, claimed)),
        ]
        async with notified(self._db, jobs.CHANNEL, [lane.woken for lane in lanes]):
            self._lanes_running = [asyncio.create_task(self._drive(lane)) for lane in lanes]
            house = asyncio.create_task(self._keep_house())
            keeping = asyncio.create_task(upkeep.keep(resources))
            try:
                await asyncio.wait(self._lanes_running)
            finally:
                for task in (house, keeping, *self._lanes_running):
                    task.cancel()
                await asyncio.gather(house, keeping, *self._lanes_running, return_exceptions=True)
                self._ended.set()

    async def _keep_house(self) -> None:
        """Now and then ends uploads that nobody will finish, and removes what is left of upload tickets."""
        while True:
            try:
                ended = await self._db.worker.run(uploads.expire)
                if ended:
                    log.warning("%d uploads were broken off and are removed", ended)
                await tickets.expire(self._db.worker, self._resources.storage)
            except Exception as error:
                log.warning("housekeeping is put off: %s", error)
            await asyncio.sleep(HOUSE_SECONDS)

    async def stop(self) -> None:
        """Lets the batches that run come to their end, and after GRACE_SECONDS hands them back. Idle lanes end at once."""
        self._stopping.set()
        if not self._lanes_running:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), GRACE_SECONDS)
        for task in self._lanes_running:
            task.cancel()
        await self._ended.wait()

    def _lane(self, kind: JobKind, limit: int, handle: Handle) -> _Lane:
        async def claim() -> list[Job]:
            return await self._db.worker.run(
                lambda session: jobs.claim(session, [kind], limit, LEASE)
            )

        return _Lane(claim, handle)

    async def _drive(self, lane: _Lane) -> None:
        """Turn after turn. An error costs a pause, which grows while errors follow each other."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            lane.woken.clear()
            try:
                claimed = await lane.claim()
                if claimed:
                    await self._work(lane, claimed)
                pause, wait = FIRST_PAUSE_SECONDS, 0.0 if claimed else POLL_SECONDS
            except AppError as error:
                log.warning("background work waits %.0f s: %s", pause, error.message)
                pause, wait = min(2 * pause, LONGEST_PAUSE_SECONDS), pause
            except Exception:
                log.exception("background work failed; it goes on in %.0f s", pause)
                pause, wait = min(2 * pause, LONGEST_PAUSE_SECONDS), pause
            await self._rest(lane, wait, wakeable=pause == FIRST_PAUSE_SECONDS)

    async def _rest(self, lane: _Lane, seconds: float, *, wakeable: bool) -> None:
        """Until there may be work, or the worker stops; after an error no call cuts the pause short."""
        if seconds == 0:
            return
        reasons = [self._stopping, lane.woken] if wakeable else [self._stopping]
        waits = [asyncio.create_task(event.wait()) for event in reasons]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _work(self, lane: _Lane, claimed: list[Job]) -> None:
        """One batch. Whatever ends it early, nothing of it is lost, and no error of our own can go round for ever."""
        try:
            async with self._lease_kept(claimed):
                await lane.handle(claimed)
        except (AppError, asyncio.CancelledError):
            with suppress(AppError):
                await self._db.worker.run(lambda session: jobs.release(session, claimed))
            raise
        except Exception as error:
            for job in claimed:
                await failed(self._resources, job, error)
            raise

    @asynccontextmanager
    async def _lease_kept(self, claimed: Sequence[Job]) -> AsyncIterator[None]:
        async def keep() -> None:
            while True:
                await asyncio.sleep(LEASE.total_seconds() / 3)
                try:
                    await self._db.worker.run(lambda session: jobs.renew(session, claimed, LEASE))
                except Exception as error:
                    # Where the database is away for long, the fence decides in the end.
                    log.warning("a lease could not be renewed: %r", error)

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
