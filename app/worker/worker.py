"""The loop: claims work, keeps its lease while it lasts, hands back what it cannot do, and outlives every error."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from app.db.notifications import notified
from app.domain import JobKind
from app.errors import AppError
from app.resources import Resources
from app.services import job_runs, jobs
from app.services.intake import intents, tickets
from app.services.job_runs import Job
from app.worker import aside, files, leases, upkeep
from app.worker.bulk import Bulk
from app.worker.embed import Embedding
from app.worker.export import exports
from app.worker.gate import Gate
from app.worker.handlers import failed, purge, purge_teams, thumbnails

log = logging.getLogger(__name__)

CALM_SECONDS: Final = 5.0
"""For so long the database has answered before another's work is taken back: after an outage that outlasted the
leases, workers that live renew theirs first."""
POLL_SECONDS: Final = 2.0
"""Wake-up calls come at once; looking is for retries, for lost leases, and for calls that were missed."""
HOUSE_SECONDS: Final = 30.0
TRIAL_SECONDS: Final = 10.0
"""For so long no other suspect is tried beside one that touches no picture. It may go on for hours."""
GRACE_SECONDS: Final = 8.0
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0

Handle = Callable[[list[Job]], Awaitable[None]]
Prepare = Callable[[], Awaitable[None]]
Turn = Callable[[], Awaitable[bool]]
"""Does what is due; whether there was anything."""


@dataclass(frozen=True)
class _Lane:
    """One kind of work, one batch at a time. Lanes run beside each other.

    While a suspect that touches pictures is tried, lanes that do so stand still. The others only delete, or read rows, and that
    may take long: nobody waits for them, and they try suspects of their own.
    """

    claim: Callable[[bool], Awaitable[list[Job]]]
    """A batch, or with True one suspect."""
    handle: Handle
    touches_pictures: bool = True
    prepare: Prepare | None = None
    """What takes long before the first batch, and is done while nobody waits at the gate."""
    is_ready: Callable[[], bool] = lambda: True
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    suspects: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where there is one for a lane that touches no pictures."""


class Worker:
    """Does what is queued until it is stopped. Any number of workers may run, in any process."""

    def __init__(self, resources: Resources, gate: Gate | None = None) -> None:
        """`gate`: shared with whoever else in this process reads pictures in the background."""
        self._resources = resources
        self._db = resources.db
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._gate = gate or Gate()
        self._calm_since: float | None = None
        self._loops: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Returns when `stop` was called. Cancelling it hands everything back at once."""
        await asyncio.to_thread(files.prepare, self._resources.settings.tmp_dir)
        lanes, called = self._lanes(), asyncio.Event()
        bulk, bulk_called = Bulk(self._resources), asyncio.Event()
        events = [called, bulk_called, *(lane.woken for lane in lanes.values())]
        async with notified(self._db, jobs.CHANNEL, events):
            turns: list[tuple[Turn, asyncio.Event]] = [
                (lambda: self._try_suspects(lanes), called),
                (bulk.turn, bulk_called),
                *((self._turn_of(lane), lane.woken) for lane in lanes.values()),
            ]
            self._loops = [asyncio.create_task(self._drive(*one)) for one in turns]
            house = asyncio.create_task(self._keep_house())
            self._resources.metrics.worker(up=True)
            keeping = [
                asyncio.create_task(keep(self._resources))
                for keep in (upkeep.keep, aside.find_duplicates, aside.word_renamed)
            ]
            try:
                await asyncio.wait(self._loops)
            finally:
                for task in (house, *keeping, *self._loops):
                    task.cancel()
                await asyncio.gather(house, *keeping, *self._loops, return_exceptions=True)
                self._resources.metrics.worker(up=False)
                self._ended.set()

    async def stop(self) -> None:
        """Lets the batches that run come to their end, and after GRACE_SECONDS hands them back. Idle lanes end at once.

        Whoever asks a second time waits beside the first: another cancellation would hit the handing back.
        """
        asked_before = self._stopping.is_set()
        self._stopping.set()
        if not self._loops:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(None if asked_before else GRACE_SECONDS):
                await self._ended.wait()
        for task in self._loops:
            task.cancel()
        await self._ended.wait()

    async def _keep_house(self) -> None:
        """Now and then ends uploads that nobody will finish, and removes what is left of upload tickets."""
        while True:
            try:
                ended = await self._db.worker.run(intents.expire)
                if ended:
                    log.warning("%d uploads were broken off and are removed", ended)
                await tickets.expire(self._db.worker, self._resources.storage)
            except Exception as error:
                log.warning("housekeeping is put off: %s", error)
            await asyncio.sleep(HOUSE_SECONDS)

    def _lanes(self) -> Mapping[JobKind, _Lane]:
        resources = self._resources
        embedding = Embedding(resources, self._stopping)

        def lane(kind: JobKind, limit: int, handle: Handle, *, touches_pictures: bool) -> _Lane:
            async def claim(suspects: bool) -> list[Job]:
                most = 1 if suspects else limit
                return await self._db.worker.run(
                    lambda session: job_runs.claim(
                        session, [kind], most, leases.LEASE, suspects=suspects
                    )
                )

            return _Lane(claim, handle, touches_pictures)

        batch = 4 * resources.settings.pictures_at_once
        return {
            JobKind.EMBED: _Lane(
                lambda suspects: embedding.claim(leases.LEASE, suspects=suspects),
                embedding.handle,
                prepare=embedding.prepare,
                is_ready=lambda: embedding.has_model,
            ),
            JobKind.THUMBNAILS: lane(
                JobKind.THUMBNAILS,
                batch,
                lambda claimed: thumbnails(resources, claimed),
                touches_pictures=True,
            ),
            JobKind.PURGE: lane(
                JobKind.PURGE,
                16,
                lambda claimed: purge(resources, claimed),
                touches_pictures=False,
            ),
            JobKind.PURGE_TEAM: lane(
                JobKind.PURGE_TEAM,
                1,
                lambda claimed: purge_teams(resources, claimed),
                touches_pictures=False,
            ),
            JobKind.EXPORT: lane(
                JobKind.EXPORT,
                1,
                lambda claimed: exports(resources, claimed),
                touches_pictures=False,
            ),
        }

    def _turn_of(self, lane: _Lane) -> Turn:
        async def beside_others() -> bool:
            if lane.prepare is not None:
                await lane.prepare()
            async with self._gate.together():
                return await self._one_batch(lane, suspects=False)

        async def out_of_their_way() -> bool:
            found = False
            # Where another one is on trial, what is no suspect does not wait for that.
            if lane.suspects.is_set() and not self._gate.has_trial:
                lane.suspects.clear()
                async with self._gate.beside(TRIAL_SECONDS):
                    found = await self._one_batch(lane, suspects=True)
            return await self._one_batch(lane, suspects=False) or found

        return beside_others if lane.touches_pictures else out_of_their_way

    async def _try_suspects(self, lanes: Mapping[JobKind, _Lane]) -> bool:
        """Takes back what dead workers left, and tries one suspect of each kind with no other picture beside it.

        One that touches no picture is left to its lane: it may take hours, for which no picture waits.
        """
        suspected = [lanes[kind] for kind in await self._take_back()]
        found, errors = False, []
        for lane in suspected:
            if not lane.touches_pictures:
                lane.suspects.set()
                lane.woken.set()
                continue
            if not lane.is_ready():
                # Its own turn sees to that; the next look finds the suspect.
                continue
            try:
                async with self._gate.alone():
                    found |= await self._one_batch(lane, suspects=True)
            except Exception as error:
                # The model may be away: that is nothing to the thumbnails.
                errors.append(error)
        if errors:
            raise errors[0]
        return found

    async def _take_back(self) -> list[JobKind]:
        """The kinds that have suspects, once the lost jobs are among them."""
        worker = self._db.worker
        try:
            if self._calm_since and time.monotonic() > self._calm_since + CALM_SECONDS:
                lost = await worker.run(job_runs.take_back)
                if lost:
                    log.warning("%d jobs of a worker that died are tried one by one", len(lost))
                for kind in lost:
                    self._resources.metrics.job_ended(kind, "lost")
            kinds = await worker.run(job_runs.suspected)
        except Exception:
            self._calm_since = None
            raise
        self._calm_since = self._calm_since or time.monotonic()
        return kinds

    async def _drive(self, turn: Turn, woken: asyncio.Event) -> None:
        """Turn after turn. An error costs a pause, which grows while errors follow each other."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            woken.clear()
            try:
                busy = await turn()
                pause, wait = FIRST_PAUSE_SECONDS, 0.0 if busy else POLL_SECONDS
            except AppError as error:
                log.warning("background work waits %.0f s: %s", pause, error.message)
                pause, wait = min(2 * pause, LONGEST_PAUSE_SECONDS), pause
            except Exception:
                log.exception("background work failed; it goes on in %.0f s", pause)
                pause, wait = min(2 * pause, LONGEST_PAUSE_SECONDS), pause
            await self._rest(woken, wait, wakeable=pause == FIRST_PAUSE_SECONDS)

    async def _rest(self, woken: asyncio.Event, seconds: float, *, wakeable: bool) -> None:
        """Until there may be work, or the worker stops; after an error no call cuts the pause short."""
        if seconds == 0:
            return
        reasons = [self._stopping, woken] if wakeable else [self._stopping]
        waits = [asyncio.create_task(event.wait()) for event in reasons]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _one_batch(self, lane: _Lane, *, suspects: bool) -> bool:
        """Whether there was one. Whatever ends it early, nothing of it is lost, and no error of our own can go round for ever."""
        if self._stopping.is_set():
            return False
        claimed = await lane.claim(suspects)
        if not claimed:
            return False
        try:
            async with leases.kept(
                self._db.worker, lambda session: job_runs.renew(session, claimed, leases.LEASE)
            ):
                await lane.handle(claimed)
        except (AppError, asyncio.CancelledError):
            with suppress(AppError):
                await self._db.worker.run(lambda session: job_runs.release(session, claimed))
            raise
        except Exception as error:
            for job in claimed:
                await failed(self._resources, job, error)
            raise
        return True
