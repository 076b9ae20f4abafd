"""`pictor seed`: puts the drawn demo gallery into a team, through the front door of every upload."""

import argparse
import asyncio
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from tqdm import tqdm

from app.demo.gallery import DemoPicture, gallery
from app.domain import Actor, ProcessingStatus
from app.resources import Resources, open_resources
from app.services.intake import intents, uploads
from app.services.people import operators, sessions, teams
from app.settings import Settings
from app.worker import Worker, working

TEAM = "Demo"
EMAIL = "demo@pictor.example"
COUNT = 300
UPLOADS_AT_ONCE = 4
POLL_SECONDS = 0.2
BROKEN_OFF = """
Broken off. The pictures uploaded so far stay in the team "{}"; the same command goes on with the rest."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--team", default=TEAM, help="the team's name; made where it is missing")
    parser.add_argument("--email", default=EMAIL, help="the user who uploads")
    parser.add_argument("--count", type=_positive, default=COUNT, help="how many pictures")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    async with open_resources(settings) as resources:
        ours = await resources.db.owner.run(
            lambda session: operators.settle(session, team=asked.team, email=asked.email)
        )
        # As the user, without a key: whatever ends this leaves none behind.
        async with resources.db.login.transaction() as session:
            actor = await sessions.actor_of(session, ours.user_id)
        async with working(lambda: Worker(resources), asyncio.Event()):
            try:
                await fill(resources, actor, ours.team_id, asked.count)
                await until_ready(resources, actor, ours.team_id)
            except asyncio.CancelledError:
                print(BROKEN_OFF.format(asked.team), file=sys.stderr)
                raise
    return 0


async def fill(resources: Resources, actor: Actor, team_id: UUID, count: int) -> None:
    """Draws and uploads the gallery, with a progress bar. What the team has already is not stored twice."""
    settings, db = resources.settings, resources.db.acting(actor)
    async with db.transaction() as session:
        (team,) = await teams.by_id(session, actor, [team_id])
    # Dates count back from the team's first day, so that the same pictures come out on every start.
    now = team.created_at if team else datetime.now(UTC)
    settings.tmp_dir.mkdir(parents=True, exist_ok=True)
    intake = uploads.Intake(db, resources.storage, resources.decoder, settings.max_upload_bytes)
    pictures = gallery(count=count, now=now)
    turns = asyncio.Semaphore(UPLOADS_AT_ONCE)
    with tqdm(total=count, desc="Drawing the demo gallery", unit="picture") as bar:

        async def upload(picture: DemoPicture) -> None:
            try:
                with _on_disk(picture, settings.tmp_dir) as file:
                    await intake.upload(actor, _described(picture, team_id, now), file)
            finally:
                turns.release()
            bar.update()

        async with asyncio.TaskGroup() as uploading:
            while (picture := await asyncio.to_thread(next, pictures, None)) is not None:
                await turns.acquire()
                uploading.create_task(upload(picture))


def _described(picture: DemoPicture, team_id: UUID, now: datetime) -> intents.NewImage:
    age = timedelta(days=picture.created_days_ago or 0)
    return intents.NewImage(
        team_id=team_id,
        title=picture.title,
        description=picture.description,
        tags=picture.tags,
        weight=picture.weight,
        taken_at=picture.taken_at,
        created_at=now - age,
    )


@contextmanager
def _on_disk(picture: DemoPicture, folder: Path) -> Iterator[intents.Incoming]:
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(picture.data)
        file.flush()
        yield intents.Incoming(
            path=Path(file.name),
            filename=picture.filename,
            size=len(picture.data),
            sha256=hashlib.sha256(picture.data).digest(),
            field="file",
        )


async def until_ready(resources: Resources, actor: Actor, team_id: UUID) -> None:
    """Waits, with a progress bar, until no image of the team waits for its vector and thumbnails."""
    db = resources.db.acting(actor)
    with tqdm(desc="Looking at the pictures", unit="picture") as bar:
        while True:
            async with db.transaction() as session:
                counts = (await teams.stats(session, actor, team_id)).processing
            bar.total = sum(counts.values())
            bar.n = counts[ProcessingStatus.READY] + counts[ProcessingStatus.FAILED]
            bar.refresh()
            if bar.n == bar.total:
                return
            await asyncio.sleep(POLL_SECONDS)
