"""The verifier: what somebody with SQL and without the secret key changes is found, and the first bad row named."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from app.db.models import AuditAnchor, AuditEvent, AuditHead
from app.domain import NO_ID, AuditOutcome
from app.errors import AppError
from app.resources import open_resources
from app.services.auditing import audit, audit_chain, audit_months, audit_resign, audit_verify
from app.services.auditing.audit import Event, Origin
from app.services.auditing.audit_commit import Recorder
from app.services.auditing.audit_verify import Fault, Verified
from app.settings import Settings
from tests import make
from tests.database import Database
from tests.fixtures.own_database import own_database

KEY = b"test"
ROWS = 40


@pytest.fixture
def own(own_db: Database) -> Database:
    return own_db


@pytest.fixture
async def months(database_url: str) -> AsyncIterator[Database]:
    """A database whose months may be dropped."""
    async with own_database(database_url) as url:
        database = Database(url, pool_size=5)
        yield database
        await database.close()


async def written(db: Database, team_id: UUID | None, count: int = ROWS) -> None:
    recorder = Recorder(db, KEY)
    for number in range(0, count, 10):
        await recorder.record(
            [
                Event(
                    random.choice(["image.read", "image.list", "tag.rename"]),
                    AuditOutcome.ALLOWED,
                    Origin(f"r-{number + n}", "192.0.2.1", "tests"),
                    team_id=team_id,
                    user_id=uuid4(),
                    subject_ids=(uuid4(),),
                    detail={"field": "image"},
                )
                for n in range(min(10, count - number))
            ]
        )


async def faults(db: Database) -> dict[UUID, Fault]:
    async with db.snapshot() as session:
        found = await audit_verify.verify_all(session, KEY)
    return {chain: one for chain, one in found if isinstance(one, Fault)}


async def fault_of(db: Database, team_id: UUID) -> Fault:
    async with db.snapshot() as session:
        found = await audit_verify.verify(session, KEY, team_id)
    assert isinstance(found, Fault)
    return found


async def tamper(db: Database, *statements: str) -> None:
    """As the database's owner, who can switch triggers off."""
    async with db.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        for statement in statements:
            await session.execute(text(statement))


async def test_untouched_chains_fit(own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_verify, "PAGE", 7)
    team_id = await make.team(own)
    await written(own, team_id)
    await written(own, None, 5)

    async with own.snapshot() as session:
        found = dict(await audit_verify.verify_all(session, KEY))

    assert set(found) == {NO_ID, team_id}
    assert [one.rows for one in found.values() if isinstance(one, Verified)] == [6, ROWS]


async def test_another_key_signs_nothing(own: Database) -> None:
    await written(own, None)
    async with own.snapshot() as session:
        found = await audit_verify.verify(session, b"other", NO_ID)
    assert isinstance(found, Fault)
    assert "not signed" in found.reason


async def test_a_new_key_signs_what_fits_under_the_one_before(own: Database) -> None:
    sound, broken = await make.team(own), await make.team(own)
    await written(own, sound)
    await written(own, broken)
    await tamper(own, EDITS["action"].format(team=broken, seq=5))

    found = await own.run(lambda session: audit_resign.resign(session, KEY, b"other"))

    assert {chain for chain, fault in found if fault is None} == {NO_ID, sound}
    async with own.snapshot() as session:
        now = dict(await audit_verify.verify_all(session, b"other"))
    assert isinstance(now[sound], Verified)
    # Two openings, and that it was signed anew, which its own key then signs.
    assert isinstance(now[NO_ID], Verified)
    assert now[NO_ID].head.count == 3
    assert isinstance(now[broken], Fault)
    again = dict(await own.run(lambda session: audit_resign.resign(session, KEY, b"other")))
    assert again[sound] is None
    assert again[broken] is not None


@pytest.mark.parametrize("first", [False, True], ids=["another team", "the first event of all"])
async def test_a_team_that_comes_meanwhile_is_signed_too(own: Database, *, first: bool) -> None:
    """A server that still runs, with the key before, is about to commit its first event."""
    if not first:
        await written(own, await make.team(own))
    team_id = await make.team(own)
    event = Event("team.create", AuditOutcome.ALLOWED, Origin("r"), team_id=team_id)
    async with own.transaction() as session:
        await audit.append(session, KEY, [event])
        resigning = asyncio.create_task(
            own.run(lambda session: audit_resign.resign(session, KEY, b"other"))
        )
        await waiting(own)
    found = await resigning
    assert (team_id, None) in found
    async with own.snapshot() as session:
        now = await audit_verify.verify_all(session, b"other")
    assert [one for _, one in now if isinstance(one, Fault)] == []


async def waiting(db: Database) -> None:
    """Returns when a transaction waits for another one."""
    query = text("select exists (select from pg_locks where not granted)")
    async with asyncio.timeout(10):
        while True:
            async with db.transaction() as session:
                if await session.scalar(query):
                    return
            await asyncio.sleep(0.01)


async def test_what_a_wrong_key_is_said_to_have_signed_stays_as_it_was(own: Database) -> None:
    await written(own, None)
    found = await own.run(lambda session: audit_resign.resign(session, b"wrong", b"other"))
    assert [chain for chain, fault in found if fault] == [NO_ID]
    assert await faults(own) == {}


async def test_a_chain_that_was_pruned_is_signed_anew_as_well(months: Database) -> None:
    await written(months, None)
    turn = next_month(datetime.now(UTC))
    await put_forward(months, NO_ID, turn)
    await audit_months.prune(months, KEY, turn.date(), now=turn)

    found = await months.run(lambda session: audit_resign.resign(session, KEY, b"other"))

    assert found == [(NO_ID, None)]
    async with months.snapshot() as session:
        assert isinstance(await audit_verify.verify(session, b"other", NO_ID), Verified)
    later = next_month(turn)
    await put_forward_by(months, NO_ID, later, b"other")
    assert isinstance(
        await audit_months.prune(months, b"other", later.date(), now=later), audit_months.Pruned
    )


EDITS: dict[str, str] = {
    "action": "update audit_event set action = 'image.draw' where team_id = '{team}' and seq = {seq}",
    "outcome": "update audit_event set outcome = 'DENIED' where team_id = '{team}' and seq = {seq}",
    "user": "update audit_event set user_id = null where team_id = '{team}' and seq = {seq}",
    "key": "update audit_event set api_key_id = new_id() where team_id = '{team}' and seq = {seq}",
    "subjects": "update audit_event set subject_ids = '{{}}' where team_id = '{team}' and seq = {seq}",
    "address": "update audit_event set client_ip = '192.0.2.2' where team_id = '{team}' and seq = {seq}",
    "client": "update audit_event set client_name = null where team_id = '{team}' and seq = {seq}",
    "request": "update audit_event set request_id = 'x' where team_id = '{team}' and seq = {seq}",
    "detail": "update audit_event set detail = '{{}}' where team_id = '{team}' and seq = {seq}",
    "id": "update audit_event set id = new_id() where team_id = '{team}' and seq = {seq}",
    "time": "update audit_event set at = at + interval '1 microsecond' where team_id = '{team}' and seq = {seq}",
    "hash": "update audit_event set hash = sha256(hash) where team_id = '{team}' and seq = {seq}",
    "row": "delete from audit_event where team_id = '{team}' and seq = {seq}",
    "number": "update audit_event set seq = seq + 1 where team_id = '{team}' and seq = {seq}",
    "chain": "update audit_event set team_id = null where team_id = '{team}' and seq = {seq}",
}


@pytest.mark.parametrize("seed", range(20))
async def test_random_tampering_is_found(db: Database, seed: int) -> None:
    dice = random.Random(seed)
    team_id = await make.team(db)
    await written(db, team_id)
    seq = dice.randint(1, ROWS)
    kind = dice.choice([*EDITS, "swap", "tail"])
    if kind == "swap":
        other = dice.choice([n for n in range(1, ROWS + 1) if n != seq])
        await tamper(db, *swap(team_id, seq, other))
        seq = min(seq, other)
    elif kind == "tail":
        await tamper(db, f"delete from audit_event where team_id = '{team_id}' and seq >= {seq}")
    else:
        await tamper(db, EDITS[kind].format(team=team_id, seq=seq))

    fault = await fault_of(db, team_id)

    assert (kind, fault.seq) == (kind, seq)


def swap(team_id: UUID, one: int, other: int) -> list[str]:
    """What two rows say changes places; times, numbers and hashes stay."""
    said = "action, outcome, user_id, subject_ids, request_id, detail"
    return [
        f"""update audit_event a set ({said}) = (select {said} from audit_event b
            where b.team_id = a.team_id and b.seq in ({one}, {other}) and b.seq <> a.seq)
            where team_id = '{team_id}' and seq in ({one}, {other})"""
    ]


@pytest.mark.parametrize("kind", sorted(EDITS))
async def test_every_column_counts(db: Database, kind: str) -> None:
    team_id = await make.team(db)
    await written(db, team_id)

    await tamper(db, EDITS[kind].format(team=team_id, seq=17))

    assert (await fault_of(db, team_id)).seq == 17


Said = Callable[[UUID], list[str]]
WHOLE: dict[str, Said] = {
    "the last rows": lambda team: [
        f"delete from audit_event where team_id = '{team}' and seq > 30"
    ],
    "the last rows, with a head to match": lambda team: [
        f"delete from audit_event where team_id = '{team}' and seq > 30",
        f"""update audit_head h set count = e.seq, last_hash = e.hash, last_at = e.at from audit_event e
            where h.team_id = e.team_id and h.team_id = '{team}' and e.seq = 30""",
    ],
    "the head": lambda team: [f"delete from audit_head where team_id = '{team}'"],
    "everything of the team": lambda team: [
        f"delete from audit_head where team_id = '{team}'",
        f"delete from audit_event where team_id = '{team}'",
    ],
    "everything of the installation": lambda _team: [
        f"delete from audit_head where team_id = '{NO_ID}'",
        "delete from audit_event where team_id is null",
    ],
    "the first rows": lambda team: [
        f"delete from audit_event where team_id = '{team}' and seq <= 10"
    ],
    "a forged anchor": lambda team: [
        f"delete from audit_event where team_id = '{team}' and seq <= 10",
        f"""insert into audit_anchor select team_id, at, 10, hash, hash from audit_event
            where team_id = '{team}' and seq = 11""",
    ],
}


@pytest.mark.parametrize("what", WHOLE)
async def test_no_part_can_go(own: Database, what: str) -> None:
    team_id = await make.team(own)
    await written(own, team_id)

    await tamper(own, *WHOLE[what](team_id))

    assert (await faults(own)).keys() & {team_id, NO_ID}


async def test_more_events_do_not_hide_a_forged_head(db: Database) -> None:
    team_id = await make.team(db)
    await written(db, team_id)
    await tamper(db, *WHOLE["the last rows, with a head to match"](team_id))

    await written(db, team_id)

    assert "not signed" in (await fault_of(db, team_id)).reason


async def test_rows_behind_the_head_are_found(db: Database) -> None:
    team_id = await make.team(db)
    await written(db, team_id)
    async with db.transaction() as session:
        query = select(AuditEvent).where(AuditEvent.team_id == team_id, AuditEvent.seq == ROWS)
        last = (await session.scalars(query)).one()
        columns = {one.name: getattr(last, one.name) for one in AuditEvent.__table__.columns}
        added = AuditEvent(**columns | {"id": uuid4(), "seq": ROWS + 1})
        added.at = last.at + timedelta(seconds=1)
        added.hash = audit_chain.row_hash(last.hash, added)
        session.add(added)
        session.expunge(last)

    fault = await fault_of(db, team_id)
    assert (fault.seq, fault.reason) == (ROWS + 1, "rows were added behind the head")


def next_month(at: datetime) -> datetime:
    return (
        at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    ).replace(day=1)


async def put_forward(db: Database, team_id: UUID, at: datetime) -> None:
    await put_forward_by(db, team_id, at, KEY)


async def put_forward_by(db: Database, team_id: UUID, at: datetime, key: bytes) -> None:
    """The chain's clock stands at `at` from now on."""
    async with db.transaction() as session:
        row = await session.get_one(AuditHead, team_id)
        head = audit_chain.Head(team_id, row.count, row.last_hash, at)
        row.last_at, row.mac = at, head.mac(key)


async def test_pruning_drops_months_and_keeps_the_chain(months: Database) -> None:
    old, new = await make.team(months), await make.team(months)
    await written(months, old)
    await written(months, new)
    turn = next_month(datetime.now(UTC))
    for chain in (new, NO_ID):
        await put_forward(months, chain, turn)
    await written(months, new, 15)

    with pytest.raises(AppError, match="has begun"):
        await audit_months.prune(months, KEY, turn.date())
    pruned = await audit_months.prune(months, KEY, turn.date(), now=turn)

    # The opening of two chains is in the installation's.
    assert pruned == audit_months.Pruned(months=1, events=2 * ROWS + 2)
    async with months.snapshot() as session:
        found = dict(await audit_verify.verify_all(session, KEY))
        counts = {one: r.head.count for one, r in found.items() if isinstance(r, Verified)}
        rows = {one: r.rows for one, r in found.items() if isinstance(r, Verified)}
        anchors = set(await session.scalars(select(AuditAnchor.team_id)))
    assert anchors == {NO_ID, old, new}
    assert counts[new] == ROWS + 15
    assert (rows[old], rows[new]) == (0, 15)


async def test_pruning_refuses_what_does_not_fit(months: Database) -> None:
    team_id = await make.team(months)
    await written(months, team_id)
    await tamper(months, EDITS["action"].format(team=team_id, seq=5))
    turn = next_month(datetime.now(UTC))

    found = await audit_months.prune(months, KEY, turn.date(), now=turn)

    assert isinstance(found, list)
    assert [(one.team_id, one.seq) for one in found] == [(team_id, 5)]
    async with months.transaction() as session:
        assert await session.scalar(select(AuditAnchor.seq)) is None


async def test_anchor_counts_where_it_was_made(months: Database) -> None:
    """An anchor that is moved to hide rows is signed for another place."""
    team_id = await make.team(months)
    await written(months, team_id)
    turn = next_month(datetime.now(UTC))
    for chain in (team_id, NO_ID):
        await put_forward(months, chain, turn)
    await written(months, team_id)
    await audit_months.prune(months, KEY, turn.date(), now=turn)
    assert team_id not in await faults(months)

    await tamper(months, "update audit_anchor set seq = seq + 1")

    assert "anchor" in (await fault_of(months, team_id)).reason


async def test_months_are_made_ahead(months: Database) -> None:
    for _ in range(2):
        await months.run(lambda session: audit_months.make_ahead(session))
    async with months.transaction() as session:
        query = "select count(*) from pg_inherits where inhparent = 'audit_event'::regclass"
        assert await session.scalar(text(query)) == audit_months.AHEAD + 1
    with pytest.raises(AppError):
        await audit_months.prune(months, KEY, date(2999, 1, 1))


async def ran_out(db: Database) -> None:
    """As in a database that was restored after a year: its months are over."""
    query = text(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'audit_event'::regclass"
    )
    async with db.transaction() as session:
        for name in (await session.scalars(query)).all():
            await session.execute(text(f"drop table {name}"))


async def test_where_the_months_ran_out_a_process_begins_with_this_one(
    months: Database, tmp_path: Path
) -> None:
    await ran_out(months)
    url = SecretStr(months.engine.url.render_as_string(hide_password=False))
    async with open_resources(Settings(database_url=url, data_dir=tmp_path)) as resources:
        await resources.audit.record([Event("image.read", AuditOutcome.ALLOWED, Origin("r"))])


async def test_where_the_months_ran_out_they_may_be_pruned(months: Database) -> None:
    await ran_out(months)
    this = datetime.now(UTC).date().replace(day=1)
    assert await audit_months.prune(months, KEY, this) == audit_months.Pruned(months=0, events=0)
