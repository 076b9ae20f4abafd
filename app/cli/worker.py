"""`pictor worker`: the job process, on this host or any other that reaches database and storage."""

import argparse
import asyncio

from app.cli.logs import configure
from app.cli.metrics import metrics_served
from app.cli.stopping import stopping
from app.resources import open_resources
from app.services.auditing import audit_months
from app.settings import Settings
from app.worker import Worker, models, working
from app.worker.gate import Gate


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
    with stopping() as stop:
        async with open_resources(settings) as resources, metrics_served(resources):
            gate = Gate()
            upkeep = [
                asyncio.create_task(audit_months.keep_ahead(resources.db.audit)),
                asyncio.create_task(models.keep(resources, building=True, gate=gate)),
            ]
            try:
                async with working(lambda: Worker(resources, gate), stop):
                    print("The worker is running.", flush=True)
                    await stop.wait()
            finally:
                for task in upkeep:
                    task.cancel()
                await asyncio.wait(upkeep)
    return 0
