"""`pictor verify`: reads every stored byte again and compares it with what was uploaded or made."""

import argparse
import json
from uuid import UUID

from app.cli.progress import bar
from app.resources import open_resources
from app.services.people import operators
from app.settings import Settings
from app.worker import verify

MEANINGS = {
    "images": "images read",
    "bytes_read": "bytes read",
    "missing": "DAMAGED: images whose bytes are missing",
    "wrong_size": "DAMAGED: images with too few or too many bytes",
    "wrong_bytes": "DAMAGED: images with other bytes",
    "healed": "images whose bytes are right again",
    "derivatives_missing": "images without some of their thumbnails, which are made anew",
    "derivatives_wrong": "images some of whose thumbnails have other bytes, and are made anew",
    "datasets": "datasets read",
    "datasets_damaged": "DAMAGED: datasets of which a file is missing or has other bytes; the log names them",
    "unreadable": "UNREADABLE: images and datasets whose bytes the store does not give out; the log names them",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--team", type=UUID, help="this team's images and datasets alone")
    parser.add_argument(
        "--sample", type=_percent, default=100.0, metavar="PERCENT", help="a random part (100)"
    )


def _percent(text: str) -> float:
    number = float(text)
    if not 0 < number <= 100:
        raise argparse.ArgumentTypeError("above 0, up to 100")
    return number


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    async with open_resources(settings) as resources:
        team_id: UUID | None = asked.team
        if team_id is not None:
            await resources.db.owner.run(lambda session: operators.require_team(session, team_id))
        report = await verify.run(
            resources,
            resources.db.owner,
            team_id=team_id,
            share=asked.sample / 100,
            progress=bar,
        )
    if asked.json:
        print(json.dumps(report.counts()))
    else:
        for name, meaning in MEANINGS.items():
            print(f"{report.counts()[name]:>12,}  {meaning}")
    return 1 if report.damaged or report.unreadable else 0
