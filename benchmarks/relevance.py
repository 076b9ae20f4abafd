"""How many nonsense sentences find anything at a relevance, and how many pictures their own descriptions.

    python -m benchmarks.relevance

A database in a temporary folder; teams of drawn pictures that the built-in model was never trained on, of several
sizes, the demo gallery, and two models whose geometry is planted. Each team is measured as a worker measures it, and asked through
the service. The nonsense shares no words with the questions that are measured with.
"""

# ruff: noqa: S101, T201  It prints a table.

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.db import embedded, migrate
from app.domain import Actor, ImageFilter, Window
from app.embedding import Embedder, embedder_from_name
from app.imaging import Decoder
from app.resources import Resources
from app.services import embedding_models
from app.services.searching import relevance, search
from app.services.searching.search import Direction, Search
from app.settings import Settings
from app.storage import storage_from_url
from app.worker import models
from app.worker.relevance import Calibration
from tests import make, nonsense
from tests.database import Database
from tests.fixtures.geometry import CLIP_LIKE, WIDE, Geometry
from tests.services import planted
from tools.builtin_model import demo_queries, heldout
from tools.builtin_model.evaluate import TRUE_QUERIES
from tools.builtin_model.heldout import Picture
from tools.builtin_model.truth import Text, judge
from tools.builtin_model.vocabulary import COMMONEST

Rows: TypeAlias = NDArray[np.float32]
Fits: TypeAlias = NDArray[np.bool_]
AT = (0.5, 0.9, 0.95, 0.99)
CUT = 0.95
HEAD = (
    "| library | images | nonsense that finds anything at 0.5 | 0.9 | 0.95 | 0.99 |"
    " true questions with a right hit at 0.95 | of those whose first hit is right |"
)


@dataclass(frozen=True)
class Library:
    """Vectors of pictures, and questions as vectors with bool[pictures, questions]: which is true of which."""

    name: str
    rows: Rows
    true: Rows
    fits: Fits

    def part(self, count: int, seed: int = 0) -> "Library":
        chosen = np.random.default_rng(seed).choice(len(self.rows), count, replace=False)
        return replace(self, rows=self.rows[chosen], fits=self.fits[chosen])


async def held_out(embedder: Embedder) -> Library:
    pictures: list[Picture] = [
        *heldout.scenes(6),
        *heldout.patterns(4),
        *heldout.shapes(1),
        *heldout.things_on_plain(4, COMMONEST),
    ]
    queries = [Text(words, needs) for words, needs in TRUE_QUERIES]
    queries += [Text(f"a photo of a {word}", (word,)) for word in COMMONEST]
    fits, _ = judge([one.truth for one in pictures], queries)
    rows = await embedder.pictures([np.asarray(one.image.convert("RGB")) for one in pictures])
    return Library("drawings", rows, await embedder.texts([one.words for one in queries]), fits)


async def demo(embedder: Embedder) -> Library:
    asked = demo_queries.demo()
    rows = await embedder.pictures([np.asarray(one) for one in asked.images])
    return Library("demo gallery", rows, await embedder.texts(asked.queries), asked.fits)


def geometry_of(its: Geometry, count: int) -> Library:
    rows = np.stack([its.picture(at) for at in range(count)])
    true = np.stack([its.text(f"picture {at}") for at in range(0, count, 4)])
    return Library(f"planted, {its.name}", rows, true, np.eye(count, dtype=bool)[:, ::4])


async def measured(resources: Resources, library: Library) -> tuple[Actor, list[UUID]]:
    """A team with the library, measured."""
    model = resources.models.active
    assert model is not None
    actor = await make.actor(resources.db)
    images = [await make.image(resources.db, actor.team_ids[0]) for _ in library.rows]
    await planted.vectors(resources.db, model.id, dict(zip(images, library.rows, strict=True)))
    assert await Calibration(resources).turn() == 1
    return actor, images


async def report(resources: Resources, library: Library, false: Rows) -> None:
    actor, images = await measured(resources, library)
    model = resources.models.active
    assert model is not None

    async def page(vector: Rows, least: float | None, limit: int) -> search.Hits:
        direction = Direction(vector, (model.name, model.revision), "asked")
        asked = Search(direction, ImageFilter(), min_relevance=least)
        async with resources.db.acting(actor).transaction() as session:
            return await search.page(session, actor, asked, Window(limit))

    found = [0] * len(AT)
    for one in false:
        hits = await page(one, None, 1)
        told = await _relevance(resources, actor, hits)
        assert bool((await page(one, CUT, 1)).hits) == (told >= CUT)
        found = [count + (told >= at) for count, at in zip(found, AT, strict=True)]
    right, first_right, both = 0, 0, 0
    answered = [i for i in range(len(library.true)) if library.fits[:, i].any()]
    for i in answered:
        fitting = {images[at] for at in np.flatnonzero(library.fits[:, i])}
        cut = {hit.image.id for hit in (await page(library.true[i], CUT, 100)).hits}
        [first] = [hit.image.id for hit in (await page(library.true[i], None, 1)).hits]
        right += bool(cut & fitting)
        first_right += first in fitting
        both += first in fitting & cut
    shares = " | ".join(_share(count, len(false)) for count in found)
    print(
        f"| {library.name} | {len(images)} | {shares} | {_share(right, len(answered))} |"
        f" {_share(both, first_right)} |",
        flush=True,
    )


async def _relevance(resources: Resources, actor: Actor, hits: search.Hits) -> float:
    """Of the first hit."""
    [key] = hits.measure.keys(actor.team_ids[0])
    async with resources.db.acting(actor).transaction() as session:
        [chance] = await relevance.by_key(session, actor, [key])
    assert chance is not None
    return chance.relevance(hits.hits[0].cosine)


def _share(count: int, of: int) -> str:
    """With Wilson's interval of 95 %, in per cent."""
    z, share = NormalDist().inv_cdf(0.975), count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    reach = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{100 * share:.1f} % ({100 * (middle - reach):.1f} to {100 * (middle + reach):.1f})"


def main(questions: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pictor-relevance-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder) / "pgdata")
        try:
            asyncio.run(run(url, Path(folder), nonsense.sentences(questions)))
        finally:
            embedded.stop(Path(folder) / "pgdata")


async def run(url: str, folder: Path, sentences: Sequence[str]) -> None:
    db = Database(url, pool_size=5)
    await migrate.upgrade(db.engine)
    settings = Settings(data_dir=folder)
    storage, decoder = storage_from_url(None, folder), Decoder(max_pixels=10**8)
    builtin = embedder_from_name("builtin")

    async def with_model(embedder: Any, libraries: Callable[[], Awaitable[list[Library]]]) -> None:
        await embedder.warm()
        async with db.transaction() as session:
            facts = {"name": embedder.name, "revision": embedder.revision}
            row = await embedding_models.ensure(session, **facts, dimension=embedder.dimension)
            await embedding_models.activate(session, row)
        resources = Resources(settings, db, storage, decoder, embedder)
        known = await models.refresh(resources)
        assert known.active is not None
        await known.load(known.active)
        false = await embedder.texts(sentences)
        for library in await libraries():
            await report(resources, library, false)

    async def drawn() -> list[Library]:
        drawings = await held_out(builtin)
        return [*(drawings.part(count) for count in (50, 200, 1_000)), await demo(builtin)]

    print(HEAD + "\n|" + " --- |" * 8)
    await with_model(builtin, drawn)
    await with_model(CLIP_LIKE, lambda: _planted(CLIP_LIKE))
    await with_model(WIDE, lambda: _planted(WIDE))
    await decoder.close()
    await builtin.close()
    await db.close()


async def _planted(its: Geometry) -> list[Library]:
    return [geometry_of(its, count) for count in (200, 1_000)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=int, default=500)
    main(parser.parse_args().questions)
