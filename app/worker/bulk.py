"""Bulk jobs: a turn of some seconds for each, part by part, as whoever started it."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

from app.errors import AppError, ErrorCode
from app.resources import Resources
from app.services.bulk_edits import bulk_runs
from app.services.bulk_edits.bulk_actions import TargetGoneError
from app.services.bulk_edits.bulk_runs import Run, SupersededError

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""After a crash, a job is taken up again within this time. A part takes a second or so."""
TURN_SECONDS: Final = 2.0
"""Then it is another team's turn; and a worker that is stopped has the time to come to an end."""
POSTPONED: Final = timedelta(seconds=10)
OURS: Final = "Something went wrong on our side."


class Bulk:
    """One worker's part in it. Any number of them may run, each at another team's job."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._db = resources.db
        self._key = resources.settings.signing_key

    async def turn(self) -> bool:
        """Whether there was a job that was due. UNAVAILABLE where the database is away: nothing is lost."""
        run = await self._db.worker.run(lambda session: bulk_runs.claim(session, LEASE))
        if run is None:
            return False
        try:
            if run.is_spent:
                await self._fail(run, bulk_runs.LOST)
            else:
                await self._go_on(run)
        except SupersededError:
            log.info("bulk job %s was ended, or is another run's now", run.job_id)
        except (TargetGoneError, AppError) as error:
            await self._stopped(run, error)
        except asyncio.CancelledError:
            with suppress(AppError):
                await self._release(run)
            raise
        except Exception:
            await self._retry(run)
            raise
        return True

    async def _go_on(self, run: Run) -> None:
        ends_at = time.monotonic() + TURN_SECONDS
        while await self._advance(run):
            if time.monotonic() >= ends_at:
                await self._release(run)
                return
        self._resources.metrics.bulk_job_ended(run.action, "done")

    async def _advance(self, run: Run) -> bool:
        """One part, with the rights of this moment. Whether more is left."""
        async with self._db.login.transaction() as session:
            actor = await bulk_runs.actor_of(session, run)
        return await self._db.acting(actor).run(
            lambda session: bulk_runs.advance(session, actor, run, LEASE, self._key)
        )

    async def _stopped(self, run: Run, error: TargetGoneError | AppError) -> None:
        if isinstance(error, AppError) and error.code is ErrorCode.UNAVAILABLE:
            with suppress(AppError):
                await self._release(run, POSTPONED)
            raise error
        await self._fail(run, str(error))

    async def _release(self, run: Run, after: timedelta = timedelta(0)) -> None:
        await self._db.worker.run(lambda session: bulk_runs.release(session, run, after))

    async def _retry(self, run: Run) -> None:
        again = await self._db.worker.run(
            lambda session: bulk_runs.retry(session, run, OURS, self._key)
        )
        self._resources.metrics.bulk_job_ended(run.action, "retried" if again else "failed")

    async def _fail(self, run: Run, why: str) -> None:
        log.warning("bulk job %s failed: %s", run.job_id, why)
        if await self._db.worker.run(lambda session: bulk_runs.fail(session, run, why, self._key)):
            self._resources.metrics.bulk_job_ended(run.action, "failed")
