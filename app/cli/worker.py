"""`pictor worker`: the job process, on this host or any other that reaches database and storage."""

import argparse
import asyncio
import signal

from app.cli.logs import configure
from app.cli.metrics import metrics_served
from app.resources import open_resources
from app.services import audit_months
from app.settings import Settings
from app.worker import Worker, working

HELP = "run background jobs (thumbnails, vectors, purges) until stopped"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--concurrency",
        type=int,
        dest="worker_concurrency",
        metavar="N",
        help="pictures that are decoded at once",
    )


async def run(settings: Settings, _asked: argparse.Namespace) -> int:
    configure(settings.log_level)
    loop, asked_to_stop = asyncio.get_running_loop(), asyncio.Event()
    async with open_resources(settings) as resources:
        # From here on: a signal that came earlier ended the process at once, and nothing was lost.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, asked_to_stop.set)
        upkeep = asyncio.create_task(audit_months.keep_ahead(resources.db.audit))
        async with metrics_served(resources), working(lambda: Worker(resources)):
            print("The worker is running.", flush=True)
            await asked_to_stop.wait()
            upkeep.cancel()
        await asyncio.wait([upkeep])
    return 0
