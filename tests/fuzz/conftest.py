"""The server that is asked, and that must have come to no harm."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.fixtures.own_database import own_database
from tests.fuzz.target import Target, running

MOST_MEMORY_GROWN = 300 * 1024 * 1024


@pytest.fixture(scope="session")
def target(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with asyncio.Runner() as runner:
        database = own_database(database_url)
        url = runner.run(database.__aenter__())
        try:
            with running(url, tmp_path_factory.mktemp("fuzzed")) as target:
                yield target
        finally:
            runner.run(database.__aexit__(None, None, None))


@pytest.fixture(autouse=True)
def unharmed(target: Target) -> Iterator[None]:
    """After all that a test sent, the server answers, and its memory has not grown without bound."""
    before = target.memory()
    yield
    target.alive()
    assert target.memory() - before < MOST_MEMORY_GROWN
