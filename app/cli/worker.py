"""`pictor worker`: the job process, on this host or any other that reaches database and storage."""

import argparse
import asyncio

from app.cli.logs import configure
from app.cli.stopping import stopping
from app.resources import open_resources
from app.services import audit_months
from app.settings import Settings
from app.worker import Worker

HELP = "run background jobs (thumbnails, vectors, purges) until stopped"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(settings: Settings, _asked: argparse.Namespace) -> int:
    configure(settings.log_level)
    with stopping() as stop:
        async with open_resources(settings) as resources:
            worker = Worker(resources)
            running = asyncio.create_task(worker.run())
            upkeep = asyncio.create_task(audit_months.keep_ahead(resources.db.audit))
            told = asyncio.create_task(stop.wait())
            try:
                print("The worker is running.", flush=True)
                await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
                await worker.stop()
                await running
            finally:
                # Where it is cut short: cancelled, the worker hands back what it had.
                for task in (running, upkeep, told):
                    task.cancel()
                await asyncio.wait({running, upkeep, told})
    return 0
