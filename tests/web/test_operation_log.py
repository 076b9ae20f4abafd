"""The line that each operation leaves in the log."""

import json
import logging
import secrets
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.cli.logs import configure
from app.domain import Actor, Role
from app.metrics import Metrics
from app.web.operation_log import LOGGER, logged
from tests.web.conftest import Member, hasty


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, logger=LOGGER)

    def read() -> list[dict[str, Any]]:
        return [json.loads(one.message) for one in caplog.records if one.name == LOGGER]

    return read


async def post(client: httpx.AsyncClient, query: str, **rest: Any) -> httpx.Response:
    headers = rest.pop("headers", None)
    return await client.post("/graphql", json={"query": query, **rest}, headers=headers)


async def test_line_says_who_what_and_how_long(
    client: httpx.AsyncClient, member: Member, lines: Any
) -> None:
    response = await post(client, "query Who { viewer }", headers=member.headers)

    (line,) = lines()
    assert (line["name"], line["type"], line["outcome"], line["errors"]) == (
        "Who",
        "query",
        "OK",
        0,
    )
    assert line["user"] == str(member.actor.user_id)
    assert line["teams"] == [str(member.team_id)]
    assert line["requestId"] == response.headers["x-request-id"]
    assert len(line["document"]) == 16
    assert line["ms"] > 0
    # Whose key it is, and that it was used.
    assert line["statements"] == 2


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("{ missing }", "NOT_FOUND"),
        ("{ broken }", "INTERNAL_SERVER_ERROR"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
    ],
)
async def test_line_says_how_it_ended(
    client: httpx.AsyncClient, lines: Any, query: str, outcome: str
) -> None:
    await post(client, query)
    (line,) = lines()
    assert (line["outcome"], line["errors"], line["user"]) == (outcome, 1, None)


def test_a_line_is_short_however_many_teams_somebody_is_in(lines: Any) -> None:
    actor = Actor(user_id=uuid4(), roles={uuid4(): Role.VIEWER for _ in range(2_000)})
    with logged("r", Metrics()) as asked:
        asked.actor = actor
    (line,) = lines()
    assert line["teams"] == [str(one) for one in actor.team_ids][:20]
    assert line["moreTeams"] == 1_980


@hasty
async def test_line_says_that_it_took_too_long(client: httpx.AsyncClient, lines: Any) -> None:
    await post(client, "{ slow }")
    (line,) = lines()
    assert (line["outcome"], line["errors"], line["user"]) == ("UNAVAILABLE", 1, None)


async def test_no_secret_and_no_text_is_logged(
    client: httpx.AsyncClient, member: Member, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = f"canary{secrets.token_hex(6)}"
    query = f'query($text: String) {{ echo(text: $text) b: echo(text: "{canary}") }}'
    await post(client, query, variables={"text": canary}, headers=member.headers)
    await post(client, query, headers={"Authorization": f"Bearer {canary}"})
    await post(client, f"{{ {canary} }}", headers={"X-API-Key": canary})

    assert canary not in caplog.text
    assert member.key.rpartition("_")[2] not in caplog.text


def test_line_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logger, root = logging.getLogger(LOGGER), logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure("info")
        logger.info("%s", json.dumps({"a": 1}))
        assert capsys.readouterr().err == '{"a": 1}\n'
    finally:
        logger.handlers, logger.propagate = [], True
        root.handlers[:], root.level = before[0], before[1]


async def test_what_a_client_names_stays_inside_its_line(
    client: httpx.AsyncClient, lines: Any
) -> None:
    named = '"}\n{"é\\'
    response = await client.post("/graphql", json={"documentId": named})

    assert "errors" in response.json()
    (line,) = lines()
    assert line["document"] == named
    assert (line["user"], line["apiKey"], line["teams"], line["name"]) == (None, None, [], None)
