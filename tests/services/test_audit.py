"""Chains of events: how they grow under many writers, and that nothing in them can be changed."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.db.database import counted_statements
from app.db.models import AuditEvent, AuditHead
from app.domain import AuditOutcome
from app.errors import AppError
from app.services.auditing import audit, audit_chain, audit_commit
from app.services.auditing.audit import Event, Origin
from app.services.auditing.audit_commit import Recorder
from tests import make
from tests.database import Database

KEY = b"test"


def event(team_id: UUID | None, *subjects: UUID, request_id: str = "r") -> Event:
    return Event(
        "image.read",
        AuditOutcome.ALLOWED,
        Origin(request_id, "192.0.2.1", "tests"),
        team_id=team_id,
        subject_ids=subjects,
        detail={"field": "image"},
    )


async def chain(db: Database, team_id: UUID) -> list[AuditEvent]:
    async with db.transaction() as session:
        query = select(AuditEvent).where(AuditEvent.team_id == team_id).order_by(AuditEvent.at)
        return list(await session.scalars(query))


async def run(db: Database, statement: str) -> None:
    async with db.transaction() as session:
        await session.execute(text(statement))


async def test_many_writers_keep_one_chain(db: Database, database_url: str) -> None:
    first, second = await make.team(db), await make.team(db)
    other = Database(database_url, pool_size=5)
    recorders = [Recorder(db, KEY), Recorder(other, KEY)]

    async def change(number: int) -> None:
        await db.run(lambda session: audit.append(session, KEY, [event(second), event(first)]))

    await asyncio.gather(
        *(recorders[n % 2].record([event(first), event(second)]) for n in range(60)),
        *(change(n) for n in range(10)),
    )
    await other.close()

    for team_id in (first, second):
        rows = await chain(db, team_id)
        assert [row.seq for row in rows] == list(range(1, 71))
        previous = audit_chain.GENESIS
        for row in rows:
            assert row.hash == audit_chain.row_hash(previous, row)
            assert audit_chain.time_of(row.id) == row.at.replace(
                microsecond=row.at.microsecond // 1000 * 1000
            )
            previous = row.hash
        async with db.transaction() as session:
            head = await session.get_one(AuditHead, team_id)
        said = audit_chain.Head(team_id, 70, previous, rows[-1].at)
        assert (head.count, head.last_hash, head.mac) == (70, previous, said.mac(KEY))


async def test_what_comes_while_one_is_written_goes_together(db: Database) -> None:
    recorder, team_id = Recorder(db, KEY), await make.team(db)
    await recorder.record([event(team_id)])

    with counted_statements(db) as seen:
        await asyncio.gather(*(recorder.record([event(team_id)]) for _ in range(200)))

    assert len([one for one in seen if "audit_head" in one]) <= 4
    assert len(await chain(db, team_id)) == 201


async def test_first_event_of_a_team_is_announced(db: Database) -> None:
    team_id = await make.team(db)
    await Recorder(db, KEY).record([event(team_id)])

    async with db.transaction() as session:
        query = select(AuditEvent).where(AuditEvent.subject_ids == [team_id])
        (opening,) = await session.scalars(query)
    assert (opening.team_id, opening.action) == (None, "audit.open")


async def test_event_that_cannot_be_written_fails_its_own_request_alone(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, team_id = Recorder(db, KEY), await make.team(db)
    with caplog.at_level(logging.CRITICAL):
        ends = await asyncio.gather(
            *(recorder.record([event(team_id, request_id=r)]) for r in ("a", "x" * 65, "b")),
            return_exceptions=True,
        )

    assert [end for end in ends if end is None] == [None, None]
    assert isinstance(ends[1], AppError)
    assert ends[1].code == "UNAVAILABLE"
    assert [row.request_id for row in await chain(db, team_id)] == ["a", "b"]


async def test_owners_hear_of_refusals_however_many_ids_they_name(db: Database) -> None:
    """As many as one request can name: a hundred fields with a hundred ids each."""
    team_id = await make.team(db)
    image_id = await make.image(db, team_id)
    refused = [
        replace(
            event(None, *(uuid4() for _ in range(99)), image_id, request_id=f"r{n}"),
            outcome=AuditOutcome.DENIED,
            for_owners=True,
        )
        for n in range(100)
    ]

    await Recorder(db, KEY).record(refused)

    told = [one for one in await chain(db, team_id) if one.action == "image.read"]
    assert {one.subject_ids == [image_id] for one in told} == {True}
    assert len(told) == len(refused)


async def test_queue_is_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_commit, "MAX_WAITING", 10)
    recorder, team_id = Recorder(db, KEY), await make.team(db)

    ends = await asyncio.gather(
        *(recorder.record([event(team_id)]) for _ in range(30)), return_exceptions=True
    )

    refused = [end for end in ends if isinstance(end, AppError)]
    assert {end.code for end in refused} == {"UNAVAILABLE"}
    assert len(await chain(db, team_id)) == 30 - len(refused) >= 10


async def test_without_a_database_nothing_is_recorded_and_so_refused() -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(AppError) as refused:
        await Recorder(away, KEY).record([event(uuid4())])
    assert refused.value.code == "UNAVAILABLE"
    await away.close()


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_event set action = 'image.list' where team_id = :team",
        "delete from audit_event where team_id = :team",
        "truncate audit_event",
        "delete from audit_head where team_id = :team",
    ],
)
async def test_log_is_append_only(db: Database, statement: str) -> None:
    team_id = await make.team(db)
    await Recorder(db, KEY).record([event(team_id)])

    with pytest.raises(DBAPIError, match="append-only"):
        await run(db, statement.replace(":team", f"'{team_id}'"))


async def test_months_are_truncated_by_nobody_either(db: Database) -> None:
    month = f"audit_event_y{datetime.now(UTC):%Ym%m}"
    with pytest.raises(DBAPIError, match="append-only"):
        await run(db, f"truncate {month}")


async def test_head_that_somebody_changed_is_not_signed_again(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    team_id = await make.team(db)
    recorder = Recorder(db, KEY)
    await recorder.record([event(team_id)])
    async with db.transaction() as session:
        head = await session.get_one(AuditHead, team_id)
        head.count = 7

    await recorder.record([event(team_id)])

    async with db.transaction() as session:
        assert (await session.get_one(AuditHead, team_id)).mac == audit.UNSIGNED
    assert "not signed" in caplog.text


async def test_errors_of_the_database_tell_no_values(db: Database) -> None:
    with pytest.raises(DBAPIError) as failed:
        await db.run(lambda session: session.execute(text("select :a / 0"), {"a": 8_152_637}))
    assert "8152637" not in str(failed.value)
