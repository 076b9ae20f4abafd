"""`pictor worker`: the job process, on this host or any other that reaches database and storage."""

import argparse
import asyncio
import signal

from app.cli.logs import configure
from app.resources import open_resources
from app.services import audit_months
from app.settings import Settings
from app.worker import Worker, models

HELP = "run background jobs (thumbnails, vectors, purges) until stopped"


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


async def run(settings: Settings, _asked: argparse.Namespace) -> int:
    configure(settings.log_level)
    async with open_resources(settings) as resources:
        worker = Worker(resources)
        running = asyncio.create_task(worker.run())
        upkeep = [
            asyncio.create_task(audit_months.keep_ahead(resources.db.audit)),
            asyncio.create_task(models.keep(resources, building=True)),
        ]
        loop = asyncio.get_running_loop()
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked_to_stop.set)
        print("The worker is running.", flush=True)
        stopping = asyncio.create_task(asked_to_stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in upkeep:
            task.cancel()
        await worker.stop()
        await running
        await asyncio.wait(upkeep)
    return 0
