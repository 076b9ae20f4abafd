"""The record of every access: what an event says, and how events are appended to their chains."""

import hmac
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, any_, bindparam, func, select, text, union_all
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Work, rows_loaded
from app.db.models import (
    ApiKey,
    AuditHead,
    Base,
    BulkJob,
    Collection,
    Dataset,
    Image,
    Membership,
    Tag,
    Team,
)
from app.db.prepared import Prepared
from app.domain import NO_ID, AuditOutcome
from app.services import arrays
from app.services.auditing import audit_chain
from app.services.auditing.audit_chain import Head

T = TypeVar("T")

log = logging.getLogger(__name__)

UNSIGNED: Final = b""
"""The signature of a head that somebody else changed. It is never signed again, so that it stays found."""
MAX_SUBJECTS: Final = 500
OWNED = (Image, Tag, Collection, BulkJob, Dataset, Membership, ApiKey)


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that an event belongs to, and where it came from."""

    request_id: str
    client_ip: str | None = None
    client_name: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be recorded. `team_id` None: the installation's own.

    `detail`: JSON values that are ids, numbers and names of fields; never a text that somebody wrote.
    `for_owners`: the teams that own the subjects get the event too, though the actor may not know them.
    """

    action: str
    outcome: AuditOutcome
    origin: Origin
    team_id: UUID | None = None
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    subject_ids: tuple[UUID, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    for_owners: bool = False


APPEND: Final = Prepared(
    text("""
with kept as (
    insert into audit_event (at, id, team_id, user_id, api_key_id, action, outcome, subject_ids,
                             request_id, client_ip, client_name, detail, seq, hash)
    select * from jsonb_to_recordset(cast(:rows as jsonb)) as row (
        at timestamptz, id uuid, team_id uuid, user_id uuid, api_key_id uuid, action text, outcome text,
        subject_ids uuid[], request_id text, client_ip text, client_name text, detail text, seq bigint,
        hash bytea)
)
update audit_head set count = new.count, last_hash = new.last_hash, last_at = new.last_at, mac = new.mac
from jsonb_to_recordset(cast(:heads as jsonb)) as new (
    team_id uuid, count bigint, last_hash bytea, last_at timestamptz, mac bytea)
where audit_head.team_id = new.team_id
""").bindparams(bindparam("rows", type_=Text()), bindparam("heads", type_=Text()))
)
LOCK: Final = Prepared(
    select(
        AuditHead.team_id,
        AuditHead.count,
        AuditHead.last_hash,
        AuditHead.last_at,
        AuditHead.mac,
        func.clock_timestamp(),
    )
    .where(AuditHead.team_id == any_(bindparam("chains", type_=ARRAY(Uuid()))))
    .order_by(AuditHead.team_id)
    .with_for_update()
)


async def append(session: AsyncSession, key: bytes, events: Sequence[Event]) -> None:
    """Adds the events to their chains, in this transaction, whose last work it should be.

    Each chain's head is locked until the commit, in the order of the team ids, so that servers take turns.
    """
    heads, opened, now = await _locked_heads(session, key, {one.team_id or NO_ID for one in events})
    openings = [
        Event("audit.open", AuditOutcome.ALLOWED, events[0].origin, subject_ids=(one,))
        for one in opened
    ]
    rows = []
    for event in [*openings, *events]:
        chain = event.team_id or NO_ID
        head, signed = heads[chain]
        row, head = _placed(event, head, now)
        heads[chain] = head, signed
        rows.append(row)
    ends = [
        {
            "team_id": str(head.team_id),
            "count": head.count,
            "last_hash": _hex(head.last_hash),
            "last_at": head.last_at.isoformat(),
            "mac": _hex(head.mac(key) if signed else UNSIGNED),
        }
        for head, signed in heads.values()
    ]
    await APPEND.rows(session, {"rows": json.dumps(rows), "heads": json.dumps(ends)})


def _placed(event: Event, head: Head, now: datetime) -> tuple[dict[str, Any], Head]:
    """The event's row as JSON, and the head behind it."""
    seq, at = head.place(now)
    row = SimpleNamespace(
        at=at,
        id=audit_chain.new_id(at),
        team_id=event.team_id,
        user_id=event.user_id,
        api_key_id=event.api_key_id,
        action=event.action,
        outcome=event.outcome,
        subject_ids=event.subject_ids,
        request_id=event.origin.request_id,
        client_ip=event.origin.client_ip,
        client_name=event.origin.client_name,
        detail=json.dumps(event.detail, separators=(",", ":")),
        seq=seq,
    )
    head = head.after(row)
    ids = {name: _text(getattr(row, name)) for name in ("id", "team_id", "user_id", "api_key_id")}
    subjects = [str(one) for one in event.subject_ids]
    rest = {"at": at.isoformat(), "subject_ids": subjects, "hash": _hex(head.last_hash)}
    return vars(row) | ids | rest, head


async def _locked_heads(
    session: AsyncSession, key: bytes, chains: set[UUID]
) -> tuple[dict[UUID, tuple[Head, bool]], list[UUID], datetime]:
    """The heads with whether they are signed, those of teams that are new here, and the database's time.

    A team's first event is announced in the installation's chain: a chain cannot vanish whole.
    """
    rows = await LOCK.rows(session, {"chains": list(chains)})
    opened: list[UUID] = []
    if len(rows) < len(chains):
        missing = (chains | {NO_ID}) - {row[0] for row in rows}
        opened = [one for one in await _open(session, key, missing) if one != NO_ID]
        rows = await LOCK.rows(session, {"chains": [*chains, NO_ID]})
    heads = {}
    for *stored, mac, _ in rows:
        head = Head(*stored)
        signed = hmac.compare_digest(mac, head.mac(key))
        if not signed:
            log.error("the head of the audit chain of %s is not signed by this key", head.team_id)
        heads[head.team_id] = head, signed
    return heads, opened, rows[0][-1]


async def _open(session: AsyncSession, key: bytes, chains: Iterable[UUID]) -> Sequence[UUID]:
    values = [
        {
            "team_id": head.team_id,
            "count": head.count,
            "last_hash": head.last_hash,
            "last_at": head.last_at,
            "mac": head.mac(key),
        }
        for head in map(Head, sorted(chains))
    ]
    query = upsert(AuditHead).values(values).on_conflict_do_nothing().returning(AuditHead.team_id)
    return (await session.scalars(query)).all()


async def addressed(session: AsyncSession, events: Sequence[Event]) -> list[Event]:
    """The events, and for each that is `for_owners` another one for every team that owns some of its subjects."""
    ids = {one for event in events if event.for_owners for one in event.subject_ids}
    if not ids:
        return list(events)
    owned = [select(table.id, table.team_id).where(arrays.among(table.id, ids)) for table in OWNED]
    owned.append(select(Team.id, Team.id.label("team_id")).where(arrays.among(Team.id, ids)))
    owners = dict((await session.execute(union_all(*owned))).all())
    found: list[Event] = []
    for event in events:
        teams = {owners[one] for one in event.subject_ids if one in owners}
        if not event.for_owners or event.team_id is not None or not teams:
            found.append(event)
        if not event.for_owners:
            continue
        for team_id in sorted(teams - {event.team_id}):
            theirs = tuple(one for one in event.subject_ids if owners.get(one) == team_id)
            found.append(replace(event, team_id=team_id, subject_ids=theirs))
    return found


def _hex(raw: bytes) -> str:
    return f"\\x{raw.hex()}"


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


async def changed(
    session: AsyncSession,
    key: bytes,
    work: Work[T],
    said: Event,
) -> T:
    """`work`, and in its transaction an event for each team whose things it answers.

    `said` is the event without them; its subjects (the ids that were named) are told to the teams they belong to,
    and its team stands in for things of no team. Rows that are gone count as the work saw them. Work that
    answers None changed nothing.
    """
    with rows_loaded(session) as loaded:
        result = await work(session)
    if result is None:
        return result
    owners = {row.id: team_of(row) for row in loaded if hasattr(row, "id")}
    found: dict[UUID | None, list[UUID]] = {}
    for id, team_id in things(result):
        team = team_id or owners.get(id) or said.team_id
        found.setdefault(team, []).append(id)
    for id in said.subject_ids:
        for team, ids in (found or {said.team_id: []}).items():
            if id not in ids and owners.get(id, team) in (team, None):
                found.setdefault(team, []).append(id)
    events = [
        replace(
            said,
            team_id=team,
            subject_ids=tuple(ids),
            detail=dict(said.detail) | counted(result, ids),
        )
        for team, ids in (found or {said.team_id: []}).items()
    ]
    await append(session, key, events)
    return result


def counted(result: object, ids: Sequence[UUID]) -> dict[str, Any]:
    """How many things an event is about; nothing where it is about the first one. What a bulk job does, to how many."""
    if isinstance(result, BulkJob):
        return {
            "action": result.action.value,
            "images": result.total,
            "tag_ids": [str(one) for one in result.tag_ids if one is not None],
        }
    return {"count": len(ids)} if isinstance(result, list) else {}


def things(result: object) -> list[tuple[UUID, UUID | None]]:
    """The ids that a service answers, with their teams where the rows say so."""
    if isinstance(result, list | tuple):
        return [found for one in result for found in things(one)]
    if isinstance(result, UUID):
        return [(result, None)]
    if isinstance(result, Base) and isinstance(id := getattr(result, "id", None), UUID):
        return [(id, team_of(result))]
    return []


def team_of(row: object) -> UUID | None:
    """The team that a row belongs to; a team belongs to itself, a user to none."""
    found: UUID | None = getattr(row, "id" if isinstance(row, Team) else "team_id", None)
    return found
