"""Real PostgreSQL for every test: one embedded server a process, one team (or more) a test."""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from app.db import embedded, migrate
from app.imaging import Decoder
from app.settings import Settings
from tests.database import Database
from tests.fixtures import forked
from tests.fixtures.own_database import emptied, keep_migrated, own_database
from tests.fixtures.s3 import s3_server, s3_url
from tests.parallel import ByFile, compile_for_all, longest_first

__all__ = ["s3_server", "s3_url"]

NURSERY = pytest.StashKey[str]()
GARBAGE_THRESHOLD = 50_000


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """How `pytest -n 2` shares the tests out."""
    return ByFile(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tells each process where the nursery of all of them is."""
    config = node.config
    if NURSERY not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[NURSERY] = stack.enter_context(forked.nursery())
    node.workerinput["nursery"] = config.stash[NURSERY]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    # Until all tests are found: modules are garbage never.
    gc.disable()
    shared = getattr(session.config, "workerinput", None)
    if shared is not None:
        forked.use(shared["nursery"])
        compile_for_all(int(shared["workerid"].removeprefix("gw")), shared["workercount"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: longest_first(item.nodeid))


def pytest_collection_finish() -> None:
    """As a server does when it begins to serve: Python spent a quarter of its time on looking for garbage among modules."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    gc.enable()


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """An embedded server at the head of the migrations; nothing is synced to disk, it is thrown away."""
    with tempfile.TemporaryDirectory(prefix="pictor-test-") as folder:
        Path(folder).chmod(0o755)
        url = embedded.start(Path(folder))
        asyncio.run(_prepare(url))
        yield url
        embedded.stop(Path(folder))


async def _prepare(url: str) -> None:
    database = Database(url)
    await sync_nothing(database)
    await migrate.upgrade(database.engine)
    await database.close()
    await keep_migrated(url)


async def sync_nothing(database: Database) -> None:
    """For a server that is thrown away."""
    async with database.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            await autocommit.exec_driver_sql(f"alter system set {setting} = off")
        await autocommit.exec_driver_sql("select pg_reload_conf()")


@pytest.fixture(scope="session")
async def one_engine(database_url: str) -> AsyncIterator[Database]:
    """One for all tests: what SQLAlchemy has compiled and PostgreSQL prepared, the next test finds."""
    database = Database(database_url, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
async def db(one_engine: Database) -> AsyncIterator[Database]:
    """The test gives its connections back, and what it left running in the loop of all ends with it."""
    others = asyncio.all_tasks()
    yield one_engine
    mine = asyncio.current_task()
    while left := {task for task in asyncio.all_tasks() - others if task is not mine}:
        for task in left:
            task.cancel()
        await asyncio.wait(left)
    assert one_engine.connections_in_use == 0


@pytest.fixture(scope="session")
async def other_engine(database_url: str) -> AsyncIterator[Database]:
    """Of a second database, which no test's rows outlive."""
    async with own_database(database_url) as url:
        database = Database(url, pool_size=5)
        yield database
        await database.close()


@pytest.fixture
async def own_db(other_engine: Database) -> AsyncIterator[Database]:
    """Empty, for what a database has only one of: the active model, the queue, the operators' chain of the audit."""
    async with emptied(other_engine):
        yield other_engine
    assert other_engine.connections_in_use == 0


@pytest.fixture(scope="session")
async def decoder() -> AsyncIterator[Decoder]:
    """One for all tests, as a server has one for all requests: to start its processes takes longer than most tests."""
    decoder = Decoder(max_pixels=Settings.model_fields["max_image_pixels"].default)
    yield decoder
    await decoder.close()
