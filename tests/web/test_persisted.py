"""Documents by their hash: those that members register, and trusted ones from manifests; over every transport."""

import asyncio
import cProfile
import hashlib
import json
import pstats
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select, text, update
from starlette.applications import Starlette

from app import main
from app.db.database import counted_statements
from app.db.models import ApiKey, AuditEvent, PersistedQuery
from app.domain import Actor, Role
from app.resources import Resources
from app.services import persisted_queries
from app.web import manifests
from app.web.manifests import ManifestError
from app.web.negotiation import GRAPHQL_RESPONSE
from tests import make
from tests.database import Database
from tests.web.conftest import Member, app_on, client_on, new_member, served
from tests.web.test_event_stream import told
from tests.web.test_sockets import heard, opened, say

HELLO = "query Hello { hello }"
BUMP = "mutation Bump { bump }"
BOTH = "query One { hello } query Two($t: String) { echo(text: $t) }"


def sha(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def apq(document: str, *, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": sha(document)}}


async def ask(
    client: httpx.AsyncClient,
    member: Member | None,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx.Response:
    its = (member.headers if member else {}) | (headers or {})
    return await client.post("/graphql", json=body, headers=its)


async def get(client: httpx.AsyncClient, member: Member | None, **members: Any) -> httpx.Response:
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in members.items()
    }
    return await client.get("/graphql", params=parameters, headers=member.headers if member else {})


def code(response: httpx.Response) -> str:
    assert "data" not in response.json()
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


async def stored(db: Database, member: Member) -> list[str]:
    async with db.transaction() as session:
        rows = await session.scalars(
            select(PersistedQuery.document).where(PersistedQuery.team_id == member.team_id)
        )
        return sorted(rows)


# Registered by clients


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_RESPONSE])
async def test_a_document_is_registered_and_then_runs_by_its_hash(
    client: httpx.AsyncClient, member: Member, accept: str
) -> None:
    headers = {"Accept": accept}
    missed = await ask(client, member, headers, extensions=apq(HELLO))
    assert missed.status_code == 200
    assert missed.json()["errors"][0]["message"] == "PersistedQueryNotFound"
    assert code(missed) == "PERSISTED_QUERY_NOT_FOUND"
    assert missed.headers["cache-control"] == "private, no-cache, must-revalidate"

    sent = await ask(client, member, headers, query=HELLO, extensions=apq(HELLO))
    assert sent.json()["data"] == {"hello": "hello"}

    for again in (
        await ask(client, member, headers, extensions=apq(HELLO)),
        await get(client, member, extensions=apq(HELLO)),
        await get(client, member, extensions=apq(HELLO), operationName="Hello", variables="{}"),
    ):
        assert (again.status_code, again.json()["data"]) == (200, {"hello": "hello"})


async def test_a_miss_by_get_is_no_page_and_no_failure(
    client: httpx.AsyncClient, member: Member
) -> None:
    missed = await get(client, member, extensions=apq("query Never { hello }"))
    assert (missed.status_code, code(missed)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert missed.headers["cache-control"] == "private, no-cache, must-revalidate"


async def test_other_processes_know_it_too(
    resources: Resources, client: httpx.AsyncClient, member: Member, clock: Any
) -> None:
    await ask(client, member, query=HELLO, extensions=apq(HELLO))
    async with client_on(app_on(resources, clock)) as other:
        answer = await ask(other, member, extensions=apq(HELLO))
        assert answer.json()["data"] == {"hello": "hello"}
        with counted_statements(resources.db) as statements:
            await ask(other, member, extensions=apq(HELLO))
        assert not [one for one in statements if "persisted_query" in one]


async def test_what_was_pushed_out_meanwhile_is_kept_again(
    resources: Resources, client: httpx.AsyncClient, db: Database, member: Member, clock: Any
) -> None:
    """Its client met a process that had lost it, and sends it to one that has it in memory."""
    await ask(client, member, query=HELLO, extensions=apq(HELLO))
    async with db.transaction() as session:
        await session.execute(delete(PersistedQuery).filter_by(team_id=member.team_id))
    async with client_on(app_on(resources, clock)) as other:
        assert code(await ask(other, member, extensions=apq(HELLO))) == "PERSISTED_QUERY_NOT_FOUND"
        await ask(client, member, query=HELLO, extensions=apq(HELLO))
        answer = await ask(other, member, extensions=apq(HELLO))
    assert answer.json()["data"] == {"hello": "hello"}


async def test_another_team_finds_nothing(client: httpx.AsyncClient, db: Database) -> None:
    one, other = await new_member(db), await new_member(db)
    await ask(client, one, query=HELLO, extensions=apq(HELLO))
    for asked in (other, None):
        missed = await ask(client, asked, extensions=apq(HELLO))
        assert code(missed) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_fellow_finds_it(client: httpx.AsyncClient, db: Database, member: Member) -> None:
    await ask(client, member, query=HELLO, extensions=apq(HELLO))
    fellow = await make.actor(db, member.team_id, Role.VIEWER)
    async with db.acting(fellow).transaction() as session:
        found = await persisted_queries.find(session, fellow, bytes.fromhex(sha(HELLO)))
    assert found is not None
    assert found.document == HELLO


async def test_nobody_unknown_leaves_anything(
    client: httpx.AsyncClient, db: Database, resources: Resources
) -> None:
    async with db.transaction() as session:
        before = await session.scalar(select(func.count()).select_from(PersistedQuery))
    with counted_statements(resources.db) as statements:
        sent = await ask(client, None, query=HELLO, extensions=apq(HELLO))
        missed = await ask(client, None, extensions=apq(HELLO))
    assert sent.json()["data"] == {"hello": "hello"}
    assert code(missed) == "PERSISTED_QUERY_NOT_FOUND"
    assert statements == []
    async with db.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(PersistedQuery)) == before


@pytest.mark.parametrize("query", ["{", "{ unknown }", "{ " + "hello " * 1_000 + "}"])
async def test_only_valid_documents_are_kept(
    client: httpx.AsyncClient, db: Database, member: Member, query: str
) -> None:
    refused = await ask(client, member, query=query, extensions=apq(query))
    assert "data" not in refused.json()
    assert await stored(db, member) == []
    assert code(await ask(client, member, extensions=apq(query))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    ("extensions", "field"),
    [
        (apq(HELLO, version=2), "extensions.persistedQuery.version"),
        (apq(HELLO, version="1"), "extensions.persistedQuery.version"),
        (apq(HELLO, version=True), "extensions.persistedQuery.version"),
        ({"persistedQuery": {"sha256Hash": sha(HELLO)}}, "extensions.persistedQuery.version"),
        ({"persistedQuery": {"version": 1}}, "extensions.persistedQuery.sha256Hash"),
        (
            {"persistedQuery": {"version": 1, "sha256Hash": "x"}},
            "extensions.persistedQuery.sha256Hash",
        ),
        (apq(HELLO + " "), "extensions.persistedQuery.sha256Hash"),
        ({"persistedQuery": "x"}, "extensions.persistedQuery"),
    ],
)
async def test_a_wrong_version_or_hash_is_bad_input(
    client: httpx.AsyncClient, db: Database, member: Member, extensions: Any, field: str
) -> None:
    refused = await ask(client, member, query=HELLO, extensions=extensions)
    assert refused.status_code == 400
    assert code(refused) == "BAD_USER_INPUT"
    assert refused.json()["errors"][0]["extensions"]["field"] == field
    assert await stored(db, member) == []


async def test_an_installation_may_keep_none(
    resources: Resources, db: Database, member: Member, clock: Any
) -> None:
    settings = resources.settings.model_copy(update={"persisted_queries": False})
    async with client_on(app_on(replace(resources, settings=settings), clock)) as client:
        for body in ({}, {"query": HELLO}):
            refused = await ask(client, member, **body, extensions=apq(HELLO))
            assert (refused.status_code, code(refused)) == (200, "PERSISTED_QUERY_NOT_SUPPORTED")
            assert refused.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
        assert (await ask(client, member, query=HELLO)).json()["data"] == {"hello": "hello"}
    assert await stored(db, member) == []


async def test_a_mutation_by_its_hash_is_sent_by_post(
    client: httpx.AsyncClient, member: Member
) -> None:
    assert (await ask(client, member, query=BUMP, extensions=apq(BUMP))).json()["data"] == {
        "bump": 1
    }
    refused = await get(client, member, extensions=apq(BUMP))
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (await ask(client, member, extensions=apq(BUMP))).json()["data"] == {"bump": 1}


async def test_a_hash_with_several_operations_needs_a_name(
    client: httpx.AsyncClient, member: Member
) -> None:
    await ask(client, member, query=BOTH, operationName="One", extensions=apq(BOTH))
    assert code(await ask(client, member, extensions=apq(BOTH))) == "BAD_USER_INPUT"
    named = {"operationName": "Two", "variables": {"t": "x"}, "extensions": apq(BOTH)}
    assert (await ask(client, member, **named)).json()["data"] == {"echo": "x/None"}


async def test_too_large_a_document_runs_and_is_not_kept(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    large = HELLO + "#" + "x" * 15_000
    assert (await ask(client, member, query=large, extensions=apq(large))).status_code == 200
    assert len(await stored(db, member)) == 1
    async with db.acting(member.actor).transaction() as session:
        larger = "#" * (persisted_queries.MAX_DOCUMENT_BYTES + 1)
        assert await persisted_queries.keep(session, member.actor, bytes(32), larger) is None
    assert len(await stored(db, member)) == 1


async def test_files_come_with_a_hash_too(client: httpx.AsyncClient, member: Member) -> None:
    store = "mutation Store($file: Upload!) { store(file: $file) { filename size } }"

    async def sent(**members: Any) -> httpx.Response:
        operations = {"variables": {"file": None}, "extensions": apq(store)} | members
        files = {
            "operations": (None, json.dumps(operations)),
            "map": (None, '{"0": ["variables.file"]}'),
            "0": ("cat.jpg", b"bytes"),
        }
        headers = member.headers | {"Apollo-Require-Preflight": "1"}
        return await client.post("/graphql", files=files, headers=headers)

    assert code(await sent()) == "PERSISTED_QUERY_NOT_FOUND"
    for members in ({"query": store}, {}):
        answer = await sent(**members)
        assert answer.json()["data"] == {"store": {"filename": "cat.jpg", "size": 5}}


async def fill(db: Database, actor: Actor, count: int, size: int) -> None:
    async with db.transaction() as session:
        await session.execute(
            text(
                "insert into persisted_query (team_id, sha256, document, size_bytes, used_at)"
                " select :team, sha256(n::text::bytea), '{ x }', :size, now() - n * interval '1 minute'"
                " from generate_series(1, :count) n"
            ),
            {"team": actor.team_ids[0], "count": count, "size": size},
        )


@pytest.mark.parametrize(
    ("count", "size", "left"),
    [
        (persisted_queries.MAX_DOCUMENTS, 10, persisted_queries.MAX_DOCUMENTS),
        (128, persisted_queries.MAX_TOTAL_BYTES // 128, 128),
        (3, 10, 4),
    ],
)
async def test_the_store_of_a_team_is_bounded(
    client: httpx.AsyncClient, db: Database, member: Member, count: int, size: int, left: int
) -> None:
    """What was not used for the longest time goes, and the new one stays."""
    other = await new_member(db)
    await fill(db, member.actor, count, size)
    await fill(db, other.actor, 5, 10)

    await ask(client, member, query=HELLO, extensions=apq(HELLO))

    kept = await stored(db, member)
    assert len(kept) == left
    assert HELLO in kept
    async with db.transaction() as session:
        its = select(PersistedQuery.sha256).where(PersistedQuery.team_id == member.team_id)
        hashes = set(await session.scalars(its))
    oldest = hashlib.sha256(str(count).encode()).digest()
    assert (oldest in hashes) == (left > count)
    assert len(await stored(db, other)) == 5


async def test_a_use_is_written_down_now_and_then(db: Database, member: Member) -> None:
    actor, its = member.actor, bytes.fromhex(sha(HELLO))
    async with db.acting(actor).transaction() as session:
        await persisted_queries.keep(session, actor, its, HELLO)
    with counted_statements(db) as fresh:
        async with db.acting(actor).transaction() as session:
            await persisted_queries.find(session, actor, its)
    async with db.transaction() as session:
        await session.execute(
            update(PersistedQuery)
            .where(PersistedQuery.team_id == member.team_id)
            .values(used_at=func.now() - text("interval '2 hours'"))
        )
    with counted_statements(db) as old:
        async with db.acting(actor).transaction() as session:
            await persisted_queries.find(session, actor, its)
    assert [one.split()[0].lower() for one in fresh] == ["select"]
    assert [one.split()[0].lower() for one in old] == ["select", "update"]


async def test_many_register_the_same_at_once(
    client: httpx.AsyncClient, db: Database, member: Member
) -> None:
    answers = await asyncio.gather(
        *(ask(client, member, query=HELLO, extensions=apq(HELLO)) for _ in range(8))
    )
    assert {one.status_code for one in answers} == {200}
    assert await stored(db, member) == [HELLO]


# Over the other transports


@pytest.fixture
async def trusting_server(resources: Resources, clock: Any) -> AsyncIterator[str]:
    async with served(app_on(with_manifest(resources, {sha(TICKS): TICKS}), clock)) as (address, _):
        yield address


TICKS = "subscription Ticks { ticks(count: 2) }"


async def test_a_socket_takes_hashes_and_ids(trusting_server: str, member: Member) -> None:
    async with opened(trusting_server, member) as socket:

        async def said(id: str, **payload: Any) -> list[Any]:
            await say(socket, type="subscribe", id=id, payload=payload)
            return await heard(socket, id)

        assert await said("1", extensions=apq(HELLO)) == ["PERSISTED_QUERY_NOT_FOUND"]
        assert await said("2", query=HELLO, extensions=apq(HELLO)) == [
            {"hello": "hello"},
            "complete",
        ]
        assert await said("3", extensions=apq(HELLO)) == [{"hello": "hello"}, "complete"]
        assert await said("4", documentId=sha(TICKS)) == [{"ticks": 0}, {"ticks": 1}, "complete"]
        assert await said("5", documentId=sha("x")) == ["PERSISTED_QUERY_NOT_FOUND"]


async def test_a_socket_runs_trusted_documents_only(
    trusting_server: str, db: Database, member: Member
) -> None:
    await lock(db, member)
    async with opened(trusting_server, member) as socket:
        await say(socket, type="subscribe", id="1", payload={"query": "{ hello }"})
        assert await heard(socket, "1") == ["FORBIDDEN"]
        await say(socket, type="subscribe", id="2", payload={"documentId": sha(TICKS)})
        assert await heard(socket, "2") == [{"ticks": 0}, {"ticks": 1}, "complete"]


async def test_a_stream_of_events_takes_hashes_and_ids(
    trusting_server: str, member: Member
) -> None:
    events = {"Accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=trusting_server) as client:
        missed = await ask(client, member, events, extensions=apq(HELLO))
        assert told(missed.text) == ["PERSISTED_QUERY_NOT_FOUND", "complete"]
        ticks = await ask(client, member, events, documentId=sha(TICKS))
        assert told(ticks.text) == [{"ticks": 0}, {"ticks": 1}, "complete"]


# Trusted, from manifests


TRUSTED = {
    "apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [
            {"id": sha(one), "body": one, "name": "X", "type": "query"}
            for one in (HELLO, BUMP, BOTH)
        ],
    },
    "codegen": {f"sha256:{sha(one)}": one for one in (HELLO, BUMP, BOTH)},
    "relay": {sha(one): one for one in (HELLO, BUMP, BOTH)},
}


def with_manifest(resources: Resources, content: Any, **settings: Any) -> Resources:
    path = resources.settings.data_dir / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    changes = {"trusted_documents": (str(path),)} | settings
    return replace(resources, settings=resources.settings.model_copy(update=changes))


@pytest.fixture(params=TRUSTED)
async def trusting(
    request: pytest.FixtureRequest, resources: Resources, clock: Any
) -> AsyncIterator[httpx.AsyncClient]:
    app = app_on(with_manifest(resources, TRUSTED[request.param]), clock)
    async with client_on(app) as client:
        yield client


async def test_a_trusted_document_runs_by_its_id(
    trusting: httpx.AsyncClient, db: Database, member: Member
) -> None:
    for id in (sha(HELLO), f"sha256:{sha(HELLO)}"):
        for asked in (member, None):
            for answer in (
                await ask(trusting, asked, documentId=id),
                await get(trusting, asked, documentId=id),
                await get(trusting, asked, documentId=id, operationName="Hello", variables="{}"),
            ):
                assert answer.json()["data"] == {"hello": "hello"}
    # As Apollo's client sends the ids of its manifest.
    assert (await ask(trusting, None, extensions=apq(HELLO))).json()["data"] == {"hello": "hello"}
    two = {"documentId": sha(BOTH), "operationName": "Two", "variables": {"t": "x"}}
    assert (await ask(trusting, None, **two)).json()["data"] == {"echo": "x/None"}
    assert await stored(db, member) == []


async def test_a_trusted_mutation_is_sent_by_post(trusting: httpx.AsyncClient) -> None:
    refused = await get(trusting, None, documentId=sha(BUMP))
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (await ask(trusting, None, documentId=sha(BUMP))).json()["data"] == {"bump": 1}


async def test_what_clients_register_is_never_trusted(
    trusting: httpx.AsyncClient, member: Member
) -> None:
    own = "query Own { hello }"
    await ask(trusting, member, query=own, extensions=apq(own))
    assert (await ask(trusting, member, extensions=apq(own))).status_code == 200
    missed = await ask(trusting, member, documentId=sha(own))
    assert (missed.status_code, code(missed)) == (200, "PERSISTED_QUERY_NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {"documentId": sha(HELLO), "query": HELLO},
        {"documentId": sha(HELLO), "extensions": apq(HELLO)},
        {"documentId": 1},
        {"documentId": ""},
        {"documentId": ["x"]},
        {"documentId": "\0"},
    ],
)
async def test_a_document_id_stands_alone_and_is_a_string(
    trusting: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    refused = await ask(trusting, None, **body)
    assert (refused.status_code, code(refused)) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize("id", ["x", "x-custom:1", sha("x"), sha(HELLO).upper(), "sha256:", "é"])
async def test_an_unknown_id_is_one_error(trusting: httpx.AsyncClient, id: str) -> None:
    assert code(await ask(trusting, None, documentId=id)) == "PERSISTED_QUERY_NOT_FOUND"
    assert code(await get(trusting, None, documentId=id)) == "PERSISTED_QUERY_NOT_FOUND"


READING = {"parse", "validate", "visit", "check_size", "check_literals"}


async def readers(client: httpx.AsyncClient, **body: Any) -> set[str]:
    """Which functions that read documents were called while the request was answered."""
    profile = cProfile.Profile()
    with profile:
        assert (await ask(client, None, **body)).json()["data"] == {"hello": "hello"}
    called = {
        name
        for (file, _, name) in pstats.Stats(profile).stats  # type: ignore[attr-defined]  # untyped
        if "graphql" in file
    }
    return called & READING


async def test_a_trusted_document_is_not_read_again(trusting: httpx.AsyncClient) -> None:
    assert await readers(trusting, documentId=sha(HELLO)) == set()
    assert await readers(trusting, extensions=apq(HELLO)) == set()
    assert {"parse", "validate"} <= await readers(trusting, query="{ hello } # a new text")


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "it is not JSON"),
    "a list": ([], "no manifest of Apollo"),
    "another text": ({sha(HELLO): HELLO + " "}, "the text has another SHA-256"),
    "an MD5": ({hashlib.md5(HELLO.encode(), usedforsecurity=False).hexdigest(): HELLO}, "64 hexa"),
    "no text": ({sha(HELLO): 1}, "an id and a text"),
    "no body": ({"operations": [{"id": sha(HELLO)}]}, "an id and a text"),
    "no operation": ({"operations": ["x"]}, "an id and a text"),
    "a surrogate": ('{"' + sha(HELLO) + '": "\\ud800"}', "a lone surrogate"),
    "no GraphQL": ({sha("{"): "{"}, "Syntax Error"),
    "a field that is none": ({sha("{ x }"): "{ x }"}, "Cannot query field 'x'"),
    "beyond a limit": ({sha("{ hello }" * 999): "{ hello }" * 999}, "1000 tokens"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_manifest_that_cannot_be_trusted_stops_the_start(
    resources: Resources, clock: Any, name: str
) -> None:
    content, message = WRONG[name]
    wrong = with_manifest(resources, content)
    with pytest.raises(ManifestError, match=message) as refusal:
        app_on(wrong, clock)
    assert wrong.settings.trusted_documents[0] in str(refusal.value)
    if isinstance(content, dict) and "operations" not in content:
        assert next(iter(content)) in str(refusal.value)


def test_a_manifest_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        manifests.load([str(tmp_path / "none.json")], str)


def test_a_lock_without_documents_stops_the_start(resources: Resources, clock: Any) -> None:
    settings = resources.settings.model_copy(update={"trusted_documents_only": True})
    with pytest.raises(ManifestError, match="nothing could run"):
        app_on(replace(resources, settings=settings), clock)


# Trusted documents only


TYPENAME = "query Name { __typename }"
OTHERS: list[dict[str, Any]] = [
    {"query": "{ hello }"},
    {"query": "{ hello }", "extensions": apq("{ hello }")},
    {"extensions": apq("{ hello }")},
    {"query": "{ __schema { queryType { name } } }"},
    {"query": HELLO + " "},
    {"query": "{"},
]


async def denials(db: Database, member: Member) -> int:
    async with db.transaction() as session:
        events = select(func.count()).select_from(AuditEvent)
        its = (AuditEvent.action == "operation.denied") & (AuditEvent.team_id == member.team_id)
        return await session.scalar(events.where(its)) or 0


async def check_locked(client: httpx.AsyncClient, db: Database, member: Member) -> None:
    for body in OTHERS:
        refused = await ask(client, member, **body)
        assert (refused.status_code, code(refused)) == (403, "FORBIDDEN")
    assert (await get(client, member, query="{ hello }")).status_code == 403
    assert await denials(db, member) == len(OTHERS) + 1
    assert await stored(db, member) == []
    for body in ({"documentId": sha(HELLO)}, {"extensions": apq(HELLO)}, {"query": HELLO}):
        assert (await ask(client, member, **body)).json()["data"] == {"hello": "hello"}


async def test_an_installation_runs_trusted_documents_only(
    resources: Resources, db: Database, member: Member, clock: Any
) -> None:
    locked = with_manifest(resources, TRUSTED["relay"], trusted_documents_only=True)
    async with client_on(app_on(locked, clock)) as client:
        await check_locked(client, db, member)
        assert (await ask(client, None, query="{ hello }")).status_code == 403


async def test_what_was_registered_before_does_not_run_then(
    resources: Resources, client: httpx.AsyncClient, member: Member, clock: Any
) -> None:
    await ask(client, member, query="{ hello }", extensions=apq("{ hello }"))
    locked = with_manifest(resources, TRUSTED["relay"], trusted_documents_only=True)
    async with client_on(app_on(locked, clock)) as other:
        assert code(await ask(other, member, extensions=apq("{ hello }"))) == "FORBIDDEN"


async def test_a_locked_installation_shows_no_graphiql_and_no_schema(resources: Resources) -> None:
    manifest = {sha(TYPENAME): TYPENAME}
    app = main.create_app(with_manifest(resources, manifest, trusted_documents_only=True))
    async with client_on(app) as client:
        assert (await client.get("/graphql", headers={"Accept": "text/html"})).status_code == 406
        assert (await client.get("/schema.graphql")).status_code == 404
        answer = await ask(client, None, documentId=sha(TYPENAME))
        assert answer.json()["data"] == {"__typename": "Query"}


async def lock(db: Database, member: Member) -> None:
    async with db.transaction() as session:
        its = ApiKey.team_id == member.team_id
        await session.execute(update(ApiKey).where(its).values(trusted_documents_only=True))


async def test_a_key_runs_trusted_documents_only(
    resources: Resources, db: Database, member: Member, clock: Any
) -> None:
    other = await new_member(db)
    await lock(db, member)
    async with client_on(app_on(with_manifest(resources, TRUSTED["relay"]), clock)) as client:
        await check_locked(client, db, member)
        for free in (other, None):
            assert (await ask(client, free, query="{ hello }")).status_code == 200


CREATE = """mutation Create($t: ID!, $only: Boolean!) {
  createApiKey(input: {teamId: $t, name: "Front-end", trustedDocumentsOnly: $only}) {
    key apiKey { trustedDocumentsOnly } } }"""


@pytest.fixture
def product(resources: Resources) -> Starlette:
    return main.create_app(with_manifest(resources, {sha(one): one for one in (CREATE, TYPENAME)}))


async def test_a_key_is_made_for_trusted_documents_only(product: Starlette, member: Member) -> None:
    async def made(key: str, *, only: bool) -> tuple[str, bool]:
        variables = {"t": str(member.team_id), "only": only}
        answer = await client.post(
            "/graphql", json={"query": CREATE, "variables": variables}, headers={"X-API-Key": key}
        )
        payload = answer.json()["data"]["createApiKey"]
        return payload["key"], payload["apiKey"]["trustedDocumentsOnly"]

    async with client_on(product) as client:
        free, is_locked = await made(member.key, only=False)
        assert not is_locked
        locked, is_locked = await made(free, only=True)
        assert is_locked
        # It cannot free itself by another key.
        again, is_locked = await made(locked, only=False)
        assert is_locked
        for key, status in ((free, 200), (locked, 403), (again, 403)):
            body = {"query": "{ viewer { user { id } } }"}
            answer = await client.post("/graphql", json=body, headers={"X-API-Key": key})
            assert answer.status_code == status
