"""Another model for 5,000 images while ten clients search and one uploads: errors, empty answers, mixed pages, and times.

    python -m benchmarks.reembed [--images 5000] [--before 20] [--after 10]

Starts a database in a temporary folder, a real `pictor serve` on it, and `pictor reembed` beside it. Every
score of every answer is computed again from the vectors of the model that the answer names: a page whose hits
were ranked by two models, or by another one, cannot pass. Read the ratios of the times: they hold on a busy
machine, milliseconds do not.
"""

# ruff: noqa: S101, S311, T201  It prints a table, and draws pictures by chance.

import argparse
import asyncio
import hashlib
import io
import json
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw
from sqlalchemy import insert, select, text
from tqdm import tqdm

from app.db import embedded, migrate
from app.db.models import EmbeddingModel, Image, ImageJob, ImageVector
from app.domain import ImageState, JobKind, JobState
from app.embedding import embedder_from_name
from app.services import jobs
from app.services.people import operators
from app.storage import storage_from_url
from tests.database import Database
from tests.fixtures import tiny_model

PAUSE_SECONDS = 0.3
"""Between a client's answer and its next question."""
PAGES = 8
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "black", "white", "pink", "gray")
SHAPES = ("square", "circle", "triangle")
HITS = "{ model edges { score node { id } } pageInfo { hasNextPage endCursor } }"
SEARCH = (
    f"query($q: SearchQuery!, $after: String) {{ searchImages(query: $q, after: $after) {HITS} }}"
)
SIMILAR = (
    f"query($id: ID!, $after: String) {{ image(id: $id) {{ similar(after: $after) {HITS} }} }}"
)
UPLOAD = "mutation($input: UploadImageInput!) { uploadImage(input: $input) { image { id } } }"
PHASES = ("before", "during", "after")


def words(rng: random.Random) -> str:
    return f"a {rng.choice(COLORS)} {rng.choice(SHAPES)} on {rng.choice(COLORS)}"


def drawn(rng: random.Random) -> bytes:
    picture = Picture.new("RGB", (96, 72), rng.choice(COLORS))
    pen, color = ImageDraw.Draw(picture), rng.choice(COLORS)
    x, y, size = rng.randrange(50), rng.randrange(36), rng.randrange(12, 40)
    match rng.choice(SHAPES):
        case "square":
            pen.rectangle((x, y, x + size, y + size), fill=color)
        case "circle":
            pen.ellipse((x, y, x + size, y + size), fill=color)
        case _:
            pen.polygon(((x, y + size), (x + size, y + size), (x + size // 2, y)), fill=color)
    for _ in range(4):
        pen.point((rng.randrange(96), rng.randrange(72)), fill=rng.choice(COLORS))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


@dataclass
class Page:
    """An answer, and what it was asked with: a text, a picture's bytes, or an image's id."""

    asked: str | bytes | UUID
    model: str
    hits: dict[UUID, float]


@dataclass
class Tally:
    phase: str = PHASES[0]
    seconds: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: {phase: {} for phase in PHASES}
    )
    pages: list[Page] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    uploaded: int = 0
    stop: bool = False


class Client:
    """One of them: asks, waits a little, asks again."""

    def __init__(self, http: httpx.AsyncClient, tally: Tally, ids: list[UUID], seed: int) -> None:
        self.http, self.tally, self.ids = http, tally, ids
        self.rng = random.Random(seed)

    async def run(self, turn: Callable[[], Awaitable[None]]) -> None:
        while not self.tally.stop:
            await turn()
            await asyncio.sleep(PAUSE_SECONDS)

    async def text(self) -> None:
        sought = words(self.rng)
        await self.ask("text", sought, SEARCH, {"q": {"text": sought}})

    async def stored(self) -> None:
        one = self.rng.choice(self.ids)
        await self.ask("image", one, SEARCH, {"q": {"imageId": str(one)}})

    async def picture(self) -> None:
        data = drawn(self.rng)
        await self.ask("picture", data, SEARCH, {"q": {"image": None}}, file=("q.image", data))

    async def similar(self) -> None:
        one = self.rng.choice(self.ids)
        await self.ask("similar", one, SIMILAR, {"id": str(one)})

    async def walk_text(self) -> None:
        sought = words(self.rng)
        await self.walk(sought, SEARCH, {"q": {"text": sought}})

    async def walk_similar(self) -> None:
        one = self.rng.choice(self.ids)
        await self.walk(one, SIMILAR, {"id": str(one)})

    async def walk(self, asked: str | UUID, query: str, variables: dict[str, Any]) -> None:
        """Page after page, slowly enough to be caught by the switch."""
        cursor, last = None, 2.0
        models: set[str] = set()
        seen: set[UUID] = set()
        for _ in range(PAGES):
            page, cursor = await self.ask("paging", asked, query, {**variables, "after": cursor})
            if page is None:
                return
            if seen & page.hits.keys() or max(page.hits.values(), default=-2) > last + 1e-6:
                self.tally.faults.append(f"a page of {asked!r} overlaps the one before")
            seen |= page.hits.keys()
            models.add(page.model)
            last = min(page.hits.values(), default=last)
            await asyncio.sleep(PAUSE_SECONDS * 3)
        self.tally.counts["walks"] += 1
        if len(models) > 1:
            self.tally.faults.append(f"a walk was answered by {models}")
        now = await self.ask("text", "a red square", SEARCH, {"q": {"text": "a red square"}})
        if now[0] is not None and now[0].model not in models:
            self.tally.counts["walks across the switch"] += 1

    async def upload(self) -> None:
        variables = {"input": {"file": None, "title": "new"}}
        answer = await self.post(UPLOAD, variables, ("input.file", drawn(self.rng)))
        if "errors" in answer:
            self.tally.faults.append(f"upload: {answer['errors']}")
        self.tally.uploaded += 1
        await asyncio.sleep(1)

    async def ask(
        self,
        kind: str,
        asked: str | bytes | UUID,
        query: str,
        variables: dict[str, Any],
        file: tuple[str, bytes] | None = None,
    ) -> tuple[Page | None, str | None]:
        phase, began = self.tally.phase, time.perf_counter()
        answer = await self.post(query, variables, file)
        taken = time.perf_counter() - began
        if "errors" in answer:
            self.tally.counts["errors"] += 1
            self.tally.faults.append(f"{kind}: {answer['errors'][0]}")
            return None, None
        self.tally.seconds[phase].setdefault(kind, []).append(taken)
        data = answer["data"]
        found = data["searchImages"] if "searchImages" in data else data["image"]["similar"]
        hits = {UUID(edge["node"]["id"]): edge["score"] for edge in found["edges"]}
        if not hits:
            self.tally.counts["empty answers"] += 1
        page = Page(asked, found["model"], hits)
        self.tally.pages.append(page)
        return page, found["pageInfo"]["endCursor"]

    async def post(
        self, query: str, variables: dict[str, Any], file: tuple[str, bytes] | None
    ) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        try:
            if file is None:
                response = await self.http.post("/graphql", json=body)
            else:
                form = {
                    "operations": json.dumps(body),
                    "map": json.dumps({"0": [f"variables.{file[0]}"]}),
                }
                files = {"0": ("picture.jpg", file[1], "image/jpeg")}
                response = await self.http.post("/graphql", data=form, files=files)
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            return {"errors": [repr(error)]}
        return answer


async def load(db: Database, folder: Path, count: int) -> tuple[str, list[UUID]]:
    """A key, and the ids of so many stored images whose vectors are still to be made."""
    made = await db.run(
        lambda session: operators.bootstrap(session, team="Benchmark", email="me@example.org")
    )
    rng, storage, team_id = random.Random(0), storage_from_url(None, folder), made.team_id
    rows = []
    for _ in tqdm(range(count), desc="Drawing", unit="image"):
        data, key = drawn(rng), f"t/{team_id}/{secrets.token_hex(8)}/1"
        path = folder / "one.jpg"
        path.write_bytes(data)
        await storage.put(key, path, size=len(data))
        rows.append({
            "team_id": team_id, "state": ImageState.STORED, "object_key": key, "width": 96, "height": 72,
            "sha256": hashlib.sha256(data).digest(), "size_bytes": len(data), "format": "JPEG", "title": "Drawn",
        })  # fmt: skip
    await storage.close()
    ids: list[UUID] = []
    for start in range(0, count, 1_000):
        async with db.transaction() as session:
            part = insert(Image).values(rows[start : start + 1_000]).returning(Image.id)
            new = list(await session.scalars(part))
            about = [{"team_id": team_id, "image_id": one} for one in new]
            read = [{**one, "kind": JobKind.EMBED} for one in about]
            shown = [{**one, "kind": JobKind.THUMBNAILS, "state": JobState.DONE} for one in about]
            await session.execute(insert(ImageJob), read)
            await session.execute(insert(ImageJob), shown)
            await jobs.wake(session)
        ids += new
    return made.api_key, ids


async def read(db: Database, count: int) -> None:
    """Waits for the server's worker."""
    vectors = text("select count(*) from image_vector")
    with tqdm(total=count, desc="Reading with the first model", unit="image") as bar:
        while bar.n < count:
            await asyncio.sleep(1)
            async with db.transaction() as session:
                bar.n = await session.scalar(vectors) or 0
            bar.refresh()


@asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[str]:
    """The address of a real server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "serve", "--port", "0",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr,
    )  # fmt: skip
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    try:
        yield line.split()[-1]
    finally:
        process.terminate()
        await process.wait()


async def reembed(environment: dict[str, str], *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "reembed", *arguments, env=environment
    )
    if await process.wait():
        raise RuntimeError("pictor reembed failed")


async def check(db: Database, tally: Tally, sources: dict[str, str]) -> None:
    """Every score once more, from the vectors of the model that the page names."""
    for name, source in sources.items():
        pages = [page for page in tally.pages if page.model == name]
        embedder = embedder_from_name(source)
        await embedder.warm()
        stored = await vectors(db, name)
        for page in tqdm(pages, desc=f"Checking the pages of {name}", unit="page"):
            if isinstance(page.asked, UUID):
                query = stored[page.asked]
            elif isinstance(page.asked, str):
                [query] = await embedder.texts([page.asked])
            else:
                picture = np.asarray(Picture.open(io.BytesIO(page.asked)).convert("RGB"))
                [query] = await embedder.pictures([picture])
            unlike = [
                one for one, score in page.hits.items() if abs(score - stored[one] @ query) > 0.02
            ]
            if unlike:
                tally.counts["pages that mix models"] += 1
                tally.faults.append(f"{len(unlike)} hits of {page.asked!r:.60} are not of {name}")
        await embedder.close()
    strange = {page.model for page in tally.pages} - set(sources)
    if strange:
        tally.faults.append(f"pages of {strange}")


async def vectors(db: Database, name: str) -> dict[UUID, NDArray[np.float32]]:
    async with db.transaction() as session:
        rows = await session.execute(
            select(ImageVector.image_id, ImageVector.embedding)
            .join(EmbeddingModel, EmbeddingModel.id == ImageVector.model_id)
            .where(EmbeddingModel.name == name)
        )
        return {one: np.asarray(vector, np.float32) for one, vector in rows}


def report(tally: Tally, count: int, seconds: float, models: dict[str, str]) -> None:
    pages = Counter(page.model for page in tally.pages)
    print(
        f"\n{count:,} images read anew in {seconds:.0f} s ({count / seconds:.0f} a second), ten clients searching"
    )
    print(f"uploads meanwhile: {tally.uploaded}")
    for name, label in zip(models, ("old", "new"), strict=True):
        print(f"pages of the {label} model: {pages[name]:,}")
    for what in (
        "errors",
        "empty answers",
        "pages that mix models",
        "walks",
        "walks across the switch",
    ):
        print(f"{what}: {tally.counts[what]:,}")
    print(
        f"\n| {'search':<8} | {'n':>5} | {'p50 ms':>7} | {'p95 ms':>7} | during/before p50 | p95 | after/before p50 | p95 |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kind in sorted(tally.seconds["before"]):
        taken = [sorted(tally.seconds[phase].get(kind, [float("nan")])) for phase in PHASES]
        p50 = [statistics.median(one) for one in taken]
        p95 = [one[int(len(one) * 0.95)] for one in taken]
        print(
            f"| {kind:<8} | {sum(map(len, taken)):5} | {p50[0] * 1e3:7.0f} | {p95[0] * 1e3:7.0f} |"
            f" {p50[1] / p50[0]:.2f} | {p95[1] / p95[0]:.2f} | {p50[2] / p50[0]:.2f} | {p95[2] / p95[0]:.2f} |"
        )
    for fault in tally.faults[:20]:
        print("FAULT", fault)


async def main(folder: Path, url: str, count: int, before: float, after: float) -> int:
    db = Database(url, pool_size=2)
    await migrate.upgrade(db.engine)
    key, ids = await load(db, folder, count)
    new = tiny_model.folder(7, 64)
    environment = {**os.environ, "PICTOR_DATABASE_URL": url, "PICTOR_DATA_DIR": str(folder), "PICTOR_LOG_LEVEL": "warning"}  # fmt: skip
    tally = Tally()
    async with serving(environment) as address:
        await read(db, count)
        limits = httpx.Limits(max_connections=20)
        headers = {"X-API-Key": key, "X-Requested-With": "benchmark"}
        async with httpx.AsyncClient(
            base_url=address, headers=headers, limits=limits, timeout=60
        ) as http:
            some = [Client(http, tally, ids, seed) for seed in range(11)]
            turns = [one.text for one in some[:3]] + [some[3].picture]
            turns += [one.stored for one in some[4:6]] + [one.similar for one in some[6:8]]
            turns += [some[8].walk_text, some[9].walk_similar, some[10].upload]
            clients = [
                asyncio.create_task(one.run(turn)) for one, turn in zip(some, turns, strict=True)
            ]
            await asyncio.sleep(before)
            tally.phase, began = PHASES[1], time.monotonic()
            await reembed(environment, "--model", str(new))
            seconds = time.monotonic() - began
            tally.phase = PHASES[2]
            await asyncio.sleep(after)
            tally.stop = True
            await asyncio.gather(*clients)
        await reembed(environment, "--status")
    sources = {"builtin": "builtin", new.name: str(new)}
    await check(db, tally, sources)
    report(tally, count, seconds, sources)
    await db.close()
    return 1 if tally.faults else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--before", type=float, default=20, help="seconds of searches before")
    parser.add_argument("--after", type=float, default=10, help="seconds of searches after")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pictor-benchmark-") as name:
        Path(name).chmod(0o755)
        database_url = embedded.start(Path(name))
        status = asyncio.run(
            main(Path(name), database_url, options.images, options.before, options.after)
        )
        embedded.stop(Path(name))
    sys.exit(status)
