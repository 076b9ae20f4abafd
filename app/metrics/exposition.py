"""What is read at each scrape: the queue, and what the parts of this process are at."""

import asyncio
import logging
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from app.db.database import Database
from app.errors import AppError
from app.imaging import Decoder
from app.metrics.instruments import Metrics
from app.services import jobs
from app.services.jobs import Backlog

log = logging.getLogger(__name__)

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PATIENCE_SECONDS: Final = 5.0
"""For the one statement of a scrape: without an answer, the rest is told all the same."""


async def exposition(metrics: Metrics, db: Database, decoder: Decoder) -> bytes:
    """Prometheus's text."""
    metrics.queue(await _backlog(db))
    metrics.parts(db, decoder)
    return metrics.text()


async def _backlog(db: Database) -> list[Backlog] | None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await db.worker.run(jobs.backlog)
    except AppError as error:
        log.warning("the queue could not be counted: %s", error)
    except TimeoutError:
        log.warning("the queue could not be counted: no answer within %g s", PATIENCE_SECONDS)
    return None
