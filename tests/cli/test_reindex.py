"""`pictor reindex`: by hand what a worker does in the background."""

from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.cli import doctor, reindex
from app.db import locks
from app.services import embedding_models
from app.services.searching.graphs import Graph
from app.settings import Settings
from app.worker import graphs
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database
from tests.services import planted


@pytest.fixture
async def large(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Settings, Database, str]]:
    """Settings, database, and the name of the one graph that is due."""
    async with own_database(database_url) as url:
        settings = Settings(
            database_url=SecretStr(url),
            data_dir=tmp_path,
            index_min_vectors=40,
            index_memory_mib=64,
        )
        db = Database(url, pool_size=3)
        team_id, model_id = await make.team(db), await planted.model(db)
        await planted.library(db, team_id, model_id, planted.random(50))
        yield settings, db, Graph(model_id, team_id).name
        await db.close()


async def test_it_builds_what_is_due_and_says_what_is_there(
    large: tuple[Settings, Database, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _, name = large
    assert await reindex.run(settings, Namespace(status=True)) == 0
    assert f"due                    {name}, of about 50 vectors" in capsys.readouterr().out
    assert "1 due: a worker builds them" in await doctor._graphs(settings)
    assert await reindex.run(settings, Namespace(status=False)) == 0
    assert capsys.readouterr().out == "Built 1 graphs.\n"
    assert await reindex.run(settings, Namespace(status=True)) == 0
    assert capsys.readouterr().out == f"ready                  {name}\n"
    assert await doctor._graphs(settings) == "1 of large teams' vectors, none is due"
    assert await reindex.run(settings, Namespace(status=False)) == 0
    assert capsys.readouterr().out == "Built 0 graphs.\n"


async def test_it_leaves_what_another_process_is_at(
    large: tuple[Settings, Database, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, db, _ = large
    async with locks.alone(db, graphs.LOCK) as mine:
        assert mine
        assert await reindex.run(settings, Namespace(status=False)) == 1
    assert reindex.BUSY in capsys.readouterr().out


async def test_it_goes_on_behind_one_that_fails_and_names_it(
    large: tuple[Settings, Database, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, db, name = large
    other = await make.team(db)
    async with db.transaction() as session:
        model = await embedding_models.active(session)
        assert model is not None
    await planted.library(db, other, model.id, planted.random(60))
    async with db.transaction() as session:
        # Of another length than the model's.
        await session.execute(
            text(
                "update image_vector set embedding = '[1]'"
                " where ctid = (select ctid from image_vector where team_id <> :team limit 1)"
                " and team_id <> :team"
            ),
            {"team": other},
        )
    assert await reindex.run(settings, Namespace(status=False)) == 1
    said = capsys.readouterr()
    assert said.out == "Built 1 graphs.\n"
    assert f"pictor: 1 graphs could not be built: {name}\n" in said.err
    assert await reindex.run(settings, Namespace(status=True)) == 0
    built = Graph(model.id, other).name
    assert (
        capsys.readouterr().out
        == f"ready                  {built}\ndue                    {name}, of about 50 vectors\n"
    )
