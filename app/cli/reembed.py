"""`pictor reembed`: another embedding model, built beside the one that answers; the switch, and the way back."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Final, NoReturn

from tqdm import tqdm

from app.cli.logs import configure
from app.db.database import Database, Entrance
from app.domain import ModelState
from app.embedding import Embedder, Known, embedder_from_name
from app.errors import AppError, ErrorCode
from app.resources import Resources, open_database, open_resources
from app.services import embedding_models, reembedding
from app.services.reembedding import Progress
from app.settings import Settings
from app.worker import graphs, models

LOOK_SECONDS: Final = 2.0
REST: Final = 20
"""So many times as long as a count took passes before the next: it reads a row of every image and vector."""
RETRY_SECONDS: Final = 5.0
PRUNED_AT_ONCE: Final = 5_000


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--model",
        metavar="NAME",
        help="read every image with it, then switch; as the setting has it",
    )
    what.add_argument("--status", action="store_true", help="how far it is, and what is kept")
    what.add_argument("--cancel", action="store_true", help="end what is being built")
    what.add_argument("--rollback", action="store_true", help="switch to the model before, at once")
    what.add_argument("--prune", action="store_true", help="drop the vectors of retired models")
    parser.add_argument(
        "--anyway", action="store_true", help="let --model switch though it refused most images"
    )
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


async def run(settings: Settings, asked: argparse.Namespace) -> int:
    if asked.model is not None:
        configure("warning")
        return await _change(settings, asked.model, anyway=asked.anyway)
    async with open_database(settings) as db:
        return await _ACTIONS[next(name for name in _ACTIONS if getattr(asked, name))](db, asked)


async def _change(settings: Settings, name: str, *, anyway: bool) -> int:
    async with open_resources(settings) as opened:
        resources = replace(opened, embedder=_embedder(opened, name))
        model = await _begun(resources)
        if model.state is ModelState.ACTIVE:
            print(f"{model} is the model in use.")
            return 0
        try:
            done = await _built(resources, model, anyway=anyway)
        finally:
            await resources.models.close()
            if resources.embedder is not opened.embedder:
                await resources.embedder.close()
        _total, listed = await _progress(opened.db.worker)
    its = next(one for one in listed if one.id == model.id)
    if not done:
        print(f"{model} was cancelled; its {its.vectors} vectors are kept.", file=sys.stderr)
        return 1
    print(f"{model} answers from now on, with {its.vectors} images.")
    if any(one.retired_at for one in listed):
        print("The vectors of the model before are kept: see --rollback and --prune.")
    return 0


def _embedder(opened: Resources, name: str) -> Embedder:
    its = embedder_from_name(name)
    return opened.embedder if its.source == opened.embedder.source else its


async def _begun(resources: Resources) -> Known:
    """The model, loaded and registered. UNAVAILABLE where it is of no use; then nothing has changed."""
    embedder = resources.embedder
    await embedder.warm()
    row = await resources.db.worker.run(
        lambda session: embedding_models.begin(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
            source=embedder.source,
        )
    )
    known = await resources.db.worker.run(embedding_models.known)
    return next(model for model in known if model.id == row.id)


async def _built(resources: Resources, model: Known, *, anyway: bool) -> bool:
    """Whether it answers now; what is away for a time is waited for."""
    with tqdm(desc=f"Reading images with {model.name}", unit="image") as bar:
        shown = Shown(resources.db.worker, model.id, bar)
        watching = asyncio.create_task(shown.keep())
        try:
            while True:
                try:
                    return await models.build(resources, model, shown.add, anyway=anyway)
                except AppError as error:
                    if error.code is not ErrorCode.UNAVAILABLE:
                        raise
                    bar.write(f"waiting: {error.message}", file=sys.stderr)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            watching.cancel()
            with suppress(AppError):
                await shown.count()


class Shown:
    """The bar: what all processes have read, counted now and then, and what this one has read since."""

    def __init__(self, db: Entrance, model_id: int, bar: "tqdm[NoReturn]") -> None:
        self._db = db
        self._model_id = model_id
        self._bar = bar
        self._own = 0

    def add(self, images: int) -> None:
        self._own += images
        self._bar.update(images)

    async def keep(self) -> None:
        """Until it is cancelled."""
        while True:
            began = time.monotonic()
            with suppress(AppError):
                await self.count()
            await asyncio.sleep(max(LOOK_SECONDS, REST * (time.monotonic() - began)))

    async def count(self) -> None:
        bar, before = self._bar, self._own
        total, listed = await _progress(self._db)
        its = next(one for one in listed if one.id == self._model_id)
        bar.total = total
        bar.n = min(total, its.vectors + its.refused + self._own - before)
        if its.refused:
            bar.set_postfix(refused=its.refused, refresh=False)
        if bar.initial == 0 and bar.last_print_n == 0:
            bar.initial = bar.last_print_n = bar.n
        bar.refresh()


async def _progress(db: Entrance) -> tuple[int, Sequence[Progress]]:
    async with db.transaction() as session:
        return await reembedding.progress(session)


async def _status(db: Database, asked: argparse.Namespace) -> int:
    total, listed = await _progress(db.worker)
    if asked.json:
        print(json.dumps({"images": total, "models": [asdict(one) for one in listed]}, default=str))
        return 0
    print(f"{total} images")
    for one in listed:
        refused = f", {one.refused} could not be read" if one.refused else ""
        kept = f", kept since {one.retired_at:%Y-%m-%d %H:%M}" if one.retired_at else ""
        print(
            f"{one.state:<9}{one.name} ({one.revision}), {one.dimension} dimensions,"
            f" {one.vectors} vectors{refused}{kept}"
        )
    return 0


async def _cancel(db: Database, _asked: argparse.Namespace) -> int:
    name = await db.worker.run(reembedding.cancel)
    print(f"{name} is not being built any more. The vectors made so far are kept.")
    return 0


async def _rollback(db: Database, _asked: argparse.Namespace) -> int:
    name = await db.worker.run(reembedding.rollback)
    _total, listed = await _progress(db.worker)
    its = next(one for one in listed if one.state is ModelState.ACTIVE)
    print(f"{name} answers from now on, with {its.vectors} images.")
    if its.vectors < _total:
        print(f"{_total - its.vectors} images that it has not read are queued for the workers.")
    return 0


async def _prune(db: Database, _asked: argparse.Namespace) -> int:
    dropped = 0
    retired = await db.worker.run(reembedding.forget_retired)
    # Before the vectors: a graph costs time for each that goes.
    await graphs.clear(db)
    for model_id in retired:
        while gone := await _pruned(db.worker, model_id):
            dropped += gone
    print(f"Dropped {dropped} vectors.")
    return 0


async def _pruned(db: Entrance, model_id: int) -> int:
    return await db.run(lambda session: reembedding.prune(session, model_id, PRUNED_AT_ONCE))


_ACTIONS: Final[dict[str, Callable[[Database, argparse.Namespace], Awaitable[int]]]] = {
    "status": _status,
    "cancel": _cancel,
    "rollback": _rollback,
    "prune": _prune,
}
