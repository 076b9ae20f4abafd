"""A model changed from outside, on a running installation: nothing goes dark, nothing is mixed, nothing is lost."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from subprocess import DEVNULL
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.db.models import DuplicateCheck, EmbeddingModel, Image, ImageJob, ImageVector, VectorClaim
from app.domain import NO_ID, Actor, JobKind, ModelState
from app.embedding import Embedder, Vectors, embedder_from_name
from app.errors import AppError, unavailable
from app.graphql.schema import build_schema
from app.resources import Resources
from app.services import embedding_models, reembedding, reembedding_runs
from app.storage import Storage
from app.worker import files, models
from app.worker.embed import Embedding
from app.worker.gate import Gate
from app.worker.reembed import Reembedding
from tests import make
from tests.fixtures import forked, tiny_model
from tests.graphql.conftest import Client
from tests.services import planted
from tests.worker import planted as planted_rows
from tests.worker.test_worker import jpeg, noise, stored, until, until_ready, working
from tests.worker.wrapped import Wrapped

HITS = "{ model edges { score node { id } } pageInfo { endCursor } candidateCount }"
TEXT = (
    'query($after: String) { searchImages(query: {text: "a red square"}, first: 4, after: $after) '
    + HITS
    + "}"
)
IMAGE = (
    "query($id: ID!, $after: String) { searchImages(query: {imageId: $id}, first: 4, after: $after) "
    + HITS
    + "}"
)
MIXED = (
    'query($id: ID!) { searchImages(query: {imageId: $id}, not: {text: "a dog"}, first: 4) '
    + HITS
    + "}"
)
SIMILAR = (
    "query($id: ID!, $after: String) { image(id: $id) { similar(first: 4, after: $after) "
    + HITS
    + "} }"
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.worker.models.POLL_SECONDS", 0.05)
    monkeypatch.setattr("app.worker.reembed.WAIT_SECONDS", 0.05)


@asynccontextmanager
async def held(resources: Resources, *, building: bool = False) -> AsyncIterator[Client]:
    """A process that serves, and keeps its models in step."""
    keeping = asyncio.create_task(models.keep(resources, building=building))
    try:
        await until_state(resources, "ok")
        yield Client(build_schema(), resources)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


@asynccontextmanager
async def another_process(resources: Resources, embedder: Embedder) -> AsyncIterator[Resources]:
    other = replace(resources, embedder=embedder)
    try:
        yield other
    finally:
        await other.models.close()
        await embedder.close()


async def until_state(resources: Resources, *states: str) -> None:
    async def reached() -> bool:
        known = resources.models.active is not None
        return resources.models.state in states and (known or "ok" not in states)

    await until(reached)


async def until_active(resources: Resources, dimension: int) -> None:
    """The process has seen the switch, and has the model."""

    async def reached() -> bool:
        active = resources.models.active
        embedder = None if active is None else resources.models.ready(active)
        return embedder is not None and embedder.dimension == dimension

    await until(reached)


async def pictor(resources: Resources, *arguments: str) -> tuple[int, str, str]:
    """Runs `pictor reembed …` as a process of its own; its exit status and what it said."""
    command = ("app", "reembed", *arguments)
    done = await asyncio.to_thread(forked.run, *command, env=environment(resources))
    return done.returncode, done.stdout, done.stderr


def environment(resources: Resources) -> dict[str, str]:
    return {
        **os.environ,
        "PICTOR_DATABASE_URL": resources.db.engine.url.render_as_string(hide_password=False),
        "PICTOR_DATA_DIR": str(resources.settings.data_dir),
        "PICTOR_EMBEDDING_MODEL": str(tiny_model.folder()),
    }


async def library(resources: Resources, actor: Actor, count: int) -> list[UUID]:
    return [await stored(resources, actor.team_ids[0], jpeg(noise(seed))) for seed in range(count)]


async def vectors(resources: Resources, dimension: int) -> int:
    async with resources.db.transaction() as session:
        rows = (
            select(func.count())
            .select_from(ImageVector)
            .join(EmbeddingModel, EmbeddingModel.id == ImageVector.model_id)
            .where(EmbeddingModel.dimension == dimension)
        )
        return await session.scalar(rows) or 0


def found(data: dict[str, Any]) -> dict[str, Any]:
    hits: dict[str, Any] = data.get("searchImages") or data["image"]["similar"]
    return hits


def ids(hits: dict[str, Any]) -> list[str]:
    return [edge["node"]["id"] for edge in hits["edges"]]


async def test_the_model_changes_while_two_processes_answer(resources: Resources) -> None:
    actor = await make.actor(resources.db)
    old, new = tiny_model.folder(), tiny_model.folder(1, 48)
    async with (
        another_process(resources, embedder_from_name(str(old))) as other,
        working(resources),
        held(other) as second,
    ):
        images = await library(resources, actor, 12)
        await until_ready(resources.db, images)
        await until_active(resources, 32)
        first = Client(build_schema(), resources)
        pages = {
            query: found(await first.get(actor, query, id=str(images[0]), after=None))
            for query in (TEXT, IMAGE, SIMILAR)
        }
        answers: list[dict[str, Any]] = []

        async def ask() -> None:
            while True:
                for client in (first, second):
                    for query in (TEXT, IMAGE, MIXED, SIMILAR):
                        answer = await client.get(actor, query, id=str(images[0]), after=None)
                        answers.append(found(answer))
                await asyncio.sleep(0.02)

        asking = asyncio.create_task(ask())
        status, said, _ = await pictor(resources, "--model", str(new))
        assert status == 0
        assert "answers from now on, with 12 images" in said
        for process in (resources, other):
            await until_active(process, 48)
        before = len(answers)
        await until_more(answers, before + 8)
        asking.cancel()
        assert {hits["model"] for hits in answers} == {old.name, new.name}
        assert {hits["model"] for hits in answers[-4:]} == {new.name}
        assert all(len(hits["edges"]) == 4 for hits in answers)

        for client in (first, second):
            for query, page in pages.items():
                assert page["model"] == old.name
                seen, after = ids(page), page["pageInfo"]["endCursor"]
                while len(seen) < 11:
                    more = found(await client.get(actor, query, id=str(images[0]), after=after))
                    assert more["model"] == old.name, (
                        "a walk stays with the model that it began with"
                    )
                    assert more["candidateCount"] == page["candidateCount"]
                    seen, after = seen + ids(more), more["pageInfo"]["endCursor"]
                assert len(set(seen)) == len(seen)

        late = await stored(resources, actor.team_ids[0], jpeg(noise(99)))
        await until_ready(resources.db, [late])
        assert (await vectors(resources, 32), await vectors(resources, 48)) == (12, 13)

        async def near_copies_were_looked_for_anew() -> bool:
            async with resources.db.transaction() as session:
                left = await session.scalars(select(EmbeddingModel.duplicates_after))
                return set(left) == {None} and not await session.scalar(select(DuplicateCheck))

        await until(near_copies_were_looked_for_anew)


async def until_more(answers: list[dict[str, Any]], count: int) -> None:
    async def reached() -> bool:
        return len(answers) >= count

    await until(reached)


async def test_there_and_back_and_pruned(resources: Resources) -> None:
    actor = await make.actor(resources.db)
    new = tiny_model.folder(1, 48)
    async with working(resources):
        images = await library(resources, actor, 3)
        await until_ready(resources.db, images)
        assert (await pictor(resources, "--model", str(new)))[0] == 0
        assert "is the model in use" in (await pictor(resources, "--model", str(new)))[1]
        await until_active(resources, 48)
        late = await stored(resources, actor.team_ids[0], jpeg(noise(9)))
        await until_ready(resources.db, [late])
        await models.introduce(resources)
        assert (await models.refresh(resources)).active == await model_of(resources, 48), (
            "a process that starts with the old setting undoes nothing"
        )
        status, said, _ = await pictor(resources, "--rollback")
        assert status == 0
        assert "with 3 images" in said
        assert "1 images that it has not read are queued" in said
        await until_ready(resources.db, [late])
        assert await vectors(resources, 32) == 4
    told = json.loads((await pictor(resources, "--status", "--json"))[1])
    assert told["images"] == 4
    assert [(one["state"], one["vectors"]) for one in told["models"]] == [
        ("ACTIVE", 4),
        ("RETIRED", 4),
    ]
    assert "Dropped 4 vectors" in (await pictor(resources, "--prune"))[1]
    assert "0 vectors" in (await pictor(resources, "--status"))[1]
    status, _, error = await pictor(resources, "--rollback")
    assert (status, error) == (1, "pictor: rollback: No earlier model's vectors are kept.\n")
    status, _, error = await pictor(resources, "--cancel")
    assert (status, error) == (1, "pictor: cancel: No model is being built.\n")


async def model_of(resources: Resources, dimension: int) -> Any:
    async with resources.db.transaction() as session:
        rows = await session.scalars(
            select(EmbeddingModel.id).where(EmbeddingModel.dimension == dimension)
        )
        known = {one.id: one for one in await embedding_models.known(session)}
        return known[rows.one()]


async def test_a_killed_run_goes_on_where_it_was(resources: Resources) -> None:
    team_id, new = await make.team(resources.db), tiny_model.folder(1, 48)
    await models.introduce(resources)
    one = await stored(resources, team_id, jpeg(noise(1)), [JobKind.THUMBNAILS])
    await planted_rows.mark(resources)
    async with resources.db.transaction() as session:
        key = (await session.get_one(Image, one)).object_key
    # Read as a thumbnail: of an original the hash would have to be right, and no two have the same.
    small = {"MEDIUM": {"key": key, "width": 1, "height": 1, "bytes": 1}}
    images = [one] + [await make.image(resources.db, team_id, thumbnails=small) for _ in range(200)]
    rows = planted.random(len(images), dimension=32)
    await planted.vectors(resources.db, 1, dict(zip(images, rows, strict=True)))
    command = ("app", "reembed", "--model", str(new))
    process = forked.Process(*command, env=environment(resources), stdout=DEVNULL)

    async def begun() -> bool:
        return await vectors(resources, 48) > 0

    try:
        await until(begun)
    finally:
        process.kill()
        process.wait()
    done = await vectors(resources, 48)
    assert 0 < done < 201
    async with resources.db.transaction() as session:
        await session.execute(update(VectorClaim).values(lease_until=func.now()))
    assert not await resources.db.worker.run(lambda session: reembedding.switch(session, 2))
    status, said, _ = await pictor(resources, "--model", str(new))
    assert status == 0
    assert "with 201 images" in said


class NeverReads:
    """A store that opens no object."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def open(self, *_args: Any, **_more: Any) -> Any:
        await asyncio.Event().wait()


async def test_a_lease_is_renewed_after_a_renewal_that_failed(
    apart: Resources, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever was wrong with it: it need not be an outage."""
    monkeypatch.setattr("app.worker.leases.LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr("app.worker.leases.RENEWAL_PAUSE_SECONDS", 0.05)
    db, team_id = apart.db, await make.team(apart.db)
    await models.introduce(apart)
    image_id = await stored(apart, team_id, jpeg(noise(1)), [JobKind.THUMBNAILS])
    await planted.vectors(db, 1, {image_id: planted.random(1, dimension=32)[0]})
    storage: Any = NeverReads(apart.storage)
    held_up = replace(apart, storage=storage)
    async with another_process(held_up, embedder_from_name(str(tiny_model.folder(1, 48)))) as other:
        await models.introduce(other)
        model = await model_of(apart, 48)
        running = asyncio.create_task(Reembedding(other, model).run())

        async def renewed() -> bool:
            async with db.transaction() as session:
                until_then = await session.scalar(select(VectorClaim.lease_until))
            return until_then is not None and until_then > last

        last = datetime.min.replace(tzinfo=UTC)
        await until(renewed)
        for statement in (
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$",
            "create trigger refuse before update on vector_claim execute function refuse()",
        ):
            await planted_rows.execute(db, statement)

        async def refused() -> bool:
            return "could not be renewed" in caplog.text

        await until(refused)
        last = datetime.now(UTC) + timedelta(seconds=0.6)
        await planted_rows.execute(db, "drop trigger refuse on vector_claim")
        await until(renewed)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Away:
    """A store that is away when it is asked, once it has been let go."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def open(self, *_args: Any, **_more: Any) -> Any:
        self.asked.set()
        await self.let_go.wait()
        raise unavailable("The store is away.")


async def died(resources: Resources, model_id: int, limit: int) -> None:
    """A run that had so many images in hand did not come back, and that was noticed."""
    worker = resources.db.worker
    await worker.run(
        lambda s: reembedding_runs.claim(s, model_id, NO_ID, limit, timedelta(seconds=-1))
    )
    assert await worker.run(lambda s: reembedding_runs.take_back(s, model_id)) == limit


async def the_claim(resources: Resources) -> VectorClaim:
    async with resources.db.transaction() as session:
        return (await session.scalars(select(VectorClaim))).one()


async def test_what_cannot_be_handed_back_is_not_left_with_its_attempt(
    apart: Resources, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store and the database go away while a suspect is read."""
    monkeypatch.setattr("app.worker.reembed.RELEASE_PAUSE_SECONDS", 0.05)
    db, team_id = apart.db, await make.team(apart.db)
    await models.introduce(apart)
    image_id = await stored(apart, team_id, jpeg(noise(1)), [JobKind.THUMBNAILS])
    await planted.vectors(db, 1, {image_id: planted.random(1, dimension=32)[0]})
    storage: Any = Away(apart.storage)
    out = replace(apart, storage=storage)
    async with another_process(out, embedder_from_name(str(tiny_model.folder(1, 48)))) as other:
        await models.introduce(other)
        model = await model_of(apart, 48)
        await died(apart, model.id, 1)
        running = asyncio.create_task(Reembedding(other, model).run())
        await storage.asked.wait()
        assert (await the_claim(apart)).attempts == 1
        for statement in (
            "create function away() returns trigger language plpgsql as"
            " $$ begin raise 'away' using errcode = '57P03'; end $$",
            "create trigger away before update on vector_claim execute function away()",
        ):
            await planted_rows.execute(db, statement)
        storage.let_go.set()

        async def was_refused() -> bool:
            return "handed back later" in caplog.text

        await until(was_refused)
        assert not running.done()
        await planted_rows.execute(db, "drop trigger away on vector_claim")
        with pytest.raises(AppError, match="The store is away"):
            await running
    claim = await the_claim(apart)
    assert (claim.attempts, claim.suspect, claim.run_id) == (0, True, None)


async def test_no_picture_is_read_beside_one_that_may_kill(resources: Resources) -> None:
    db, team_id, gate = resources.db, await make.team(resources.db), Gate()
    await models.introduce(resources)
    images = [
        await stored(resources, team_id, jpeg(noise(seed)), [JobKind.THUMBNAILS])
        for seed in range(2)
    ]
    rows = planted.random(2, dimension=32)
    await planted.vectors(db, 1, dict(zip(images, rows, strict=True)))
    async with another_process(
        resources, embedder_from_name(str(tiny_model.folder(1, 48)))
    ) as other:
        await models.introduce(other)
        model = await model_of(resources, 48)
        await died(resources, model.id, 1)

        async def the_other_was_read() -> bool:
            return await vectors(resources, 48) == 1 and gate.has_trial

        async with gate.together():
            running = asyncio.create_task(Reembedding(other, model, gate=gate).run())
            await until(the_other_was_read)
            claim = await the_claim(resources)
            assert (claim.attempts, claim.run_id) == (0, None)
        await running
    assert await vectors(resources, 48) == 2


class MeasuredLong(Wrapped):
    """Something happens while its relevance is measured, which is after the last image was read."""

    def __init__(self, inner: Embedder, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(inner)
        self._meanwhile = meanwhile
        self._happened = False

    async def texts(self, texts: Sequence[str]) -> Vectors:
        if not self._happened:
            self._happened = True
            await self._meanwhile()
        return await super().texts(texts)


async def test_what_comes_shortly_before_the_switch_is_read_too(resources: Resources) -> None:
    """By a worker that has not got the new model: nobody cancelled anything."""
    db, team_id = resources.db, await make.team(resources.db)
    await models.introduce(resources)
    rows = planted.random(51, dimension=32)
    old = dict(zip(await make.images(db, team_id, 50), rows[:50], strict=True))
    await planted.vectors(db, 1, old)

    async def late_one() -> None:
        late = await stored(resources, team_id, jpeg(noise(1)), [JobKind.THUMBNAILS])
        await planted.vectors(db, 1, {late: rows[50]})

    embedder = MeasuredLong(embedder_from_name(str(tiny_model.folder(1, 48))), late_one)
    async with another_process(resources, embedder) as other:
        await models.introduce(other)
        model = await model_of(resources, 48)
        new = planted.random(50, dimension=48)
        await planted.vectors(db, model.id, dict(zip(old, new, strict=True)))
        assert await models.build(other, model)
    assert await vectors(resources, 48) == 51


async def test_a_change_is_cancelled_shortly_before_the_switch(resources: Resources) -> None:
    db, team_id = resources.db, await make.team(resources.db)
    await models.introduce(resources)
    images = await make.images(db, team_id, 50)

    async def cancel() -> None:
        await db.worker.run(reembedding.cancel)

    embedder = MeasuredLong(embedder_from_name(str(tiny_model.folder(1, 48))), cancel)
    async with another_process(resources, embedder) as other:
        await planted.vectors(
            db, 1, dict(zip(images, planted.random(50, dimension=32), strict=True))
        )
        await models.introduce(other)
        model = await model_of(resources, 48)
        new = planted.random(50, dimension=48)
        await planted.vectors(db, model.id, dict(zip(images, new, strict=True)))
        assert not await models.build(other, model)
    assert (await model_of(resources, 48)).state is ModelState.RETIRED


async def test_a_suspect_is_read_by_the_model_in_use_alone(resources: Resources) -> None:
    """Where it is the model that is being built which dies of it, the image does not pay: it is found by the other."""
    db, team_id = resources.db, await make.team(resources.db)
    await models.introduce(resources)
    new = embedder_from_name(str(tiny_model.folder(1, 48)))
    await new.warm()
    async with db.transaction() as session:
        await embedding_models.begin(
            session, name=new.name, revision=new.revision, dimension=48, source=new.source
        )
    await new.close()
    await models.refresh(resources)
    assert resources.models.building is not None
    await resources.models.load(resources.models.building)
    files.prepare(resources.settings.tmp_dir)
    one, suspect = [
        await stored(resources, team_id, jpeg(noise(seed)), [JobKind.EMBED]) for seed in (1, 2)
    ]
    async with db.transaction() as session:
        await session.execute(
            update(ImageJob).where(ImageJob.image_id == suspect).values(suspect=True)
        )

    embedding = Embedding(resources, asyncio.Event())
    await embedding.prepare()
    for suspects in (False, True):
        await embedding.handle(await embedding.claim(timedelta(minutes=1), suspects=suspects))

    assert await vectors(resources, 32) == 2
    async with db.transaction() as session:
        along = select(ImageVector.image_id).join(
            EmbeddingModel, EmbeddingModel.id == ImageVector.model_id
        )
        assert list(await session.scalars(along.where(EmbeddingModel.dimension == 48))) == [one]


async def test_what_does_not_load_changes_nothing(resources: Resources) -> None:
    await models.introduce(resources)
    status, _, error = await pictor(resources, "--model", "/no/such/folder")
    assert status == 1
    assert "The embedding model /no/such/folder is of no use: there is no such folder" in error
    async with resources.db.transaction() as session:
        assert len(await embedding_models.known(session)) == 1


async def test_a_process_that_cannot_have_the_new_model_stays_with_the_old(
    resources: Resources, caplog: pytest.LogCaptureFixture
) -> None:
    actor = await make.actor(resources.db)
    old, new = tiny_model.folder(), tiny_model.folder(1, 48)
    async with working(resources), held(resources) as client:
        images = await library(resources, actor, 5)
        await until_ready(resources.db, images)
        async with another_process(resources, embedder_from_name(str(new))) as other:
            # Said to lie there from the first moment: the process that serves looks every 50 ms.
            await other.embedder.warm()
            async with resources.db.transaction() as session:
                await embedding_models.ensure(
                    session,
                    name=other.embedder.name,
                    revision=other.embedder.revision,
                    dimension=other.embedder.dimension,
                    source="/on/another/host",
                )
            model = await model_of(resources, 48)
            assert model.state is ModelState.BUILDING
            await models.refresh(other)
            assert await models.build(other, model)
        await until_state(resources, "behind")
        hits = found(await client.get(actor, TEXT, after=None))
        assert hits["model"] == old.name
        assert len(hits["edges"]) == 4
        hits = found(await client.get(actor, MIXED, id=str(images[0])))
        assert hits["model"] == old.name
        hits = found(await client.get(actor, IMAGE, id=str(images[0]), after=None))
        assert hits["model"] == new.name, "stored vectors need no process"
    assert "there is no such folder on this host" in caplog.text
