"""Reads chains from their start and names the first row that does not fit. Changes nothing."""

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_, union
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import AuditAnchor, AuditEvent, AuditHead
from app.domain import NO_ID
from app.errors import not_found
from app.services.auditing import audit_chain
from app.services.auditing.audit_chain import EPOCH, Head

PAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a chain. `seq` is the place of the first bad row, `event_id` the row found there."""

    team_id: UUID | None
    reason: str
    seq: int | None = None
    event_id: UUID | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        where = f" at row {self.seq}" if self.seq is not None else ""
        row = f" (event {self.event_id}, {self.at})" if self.event_id else ""
        return f"{self.reason}{where}{row}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A chain whose rows fit: how many were read, and its end. `team_id`: NO_ID, the installation."""

    head: Head
    rows: int


async def chains(session: AsyncSession) -> list[UUID]:
    """Every chain that has a head, a row or an anchor, or that the installation's chain announced."""
    known = union(
        select(AuditHead.team_id),
        select(AuditAnchor.team_id),
        select(func.coalesce(AuditEvent.team_id, NO_ID)).distinct(),
        select(func.unnest(AuditEvent.subject_ids)).where(
            AuditEvent.team_id.is_(None), AuditEvent.action == "audit.open"
        ),
    )
    found = set((await session.scalars(known)).all())
    return sorted(found | {NO_ID} if found else found)


async def verify(
    session: AsyncSession, key: bytes, chain: UUID, *, until: datetime | None = None
) -> Verified | Fault:
    """Walks one chain. With `until`, only rows before that instant, and not the head.

    The session must show one state of the database (REPEATABLE READ).
    """
    start = await _start(session, key, chain)
    if isinstance(start, Fault):
        return start
    end, rows = start, 0
    async for row in _rows(session, chain, until):
        if row.seq != end.count + 1:
            return _fault(chain, _gap(row.seq, end.count + 1), end.count + 1, row)
        if row.at <= end.last_at:
            return _fault(chain, "a time was changed", row.seq, row)
        after = end.after(row)
        if not hmac.compare_digest(after.last_hash, row.hash):
            return _fault(
                chain, "a row was changed or is not the one that was written", row.seq, row
            )
        end, rows = after, rows + 1
    if until is None and (fault := await _head_fault(session, key, chain, end)):
        return fault
    return Verified(end, rows)


def _gap(found: int, expected: int) -> str:
    return "rows were removed or put elsewhere" if found > expected else "a row was added or moved"


async def _start(session: AsyncSession, key: bytes, chain: UUID) -> Head | Fault:
    """Where the chain goes on after what was pruned."""
    anchor = await last_anchor(session, chain)
    if anchor is None:
        return Head(chain)
    mac = audit_chain.anchor_mac(
        key, team_id=chain, before=anchor.before, seq=anchor.seq, row=anchor.hash
    )
    if not hmac.compare_digest(mac, anchor.mac):
        return Fault(_team(chain), "the anchor of what was pruned is not signed by this key")
    return Head(chain, anchor.seq, anchor.hash, EPOCH)


async def last_anchor(session: AsyncSession, chain: UUID) -> AuditAnchor | None:
    query = (
        select(AuditAnchor).filter_by(team_id=chain).order_by(AuditAnchor.before.desc()).limit(1)
    )
    found: AuditAnchor | None = await session.scalar(query)
    return found


async def _head_fault(session: AsyncSession, key: bytes, chain: UUID, end: Head) -> Fault | None:
    row = await session.get(AuditHead, chain)
    if row is None:
        return Fault(_team(chain), "the head is gone")
    said = Head(chain, row.count, row.last_hash, row.last_at)
    if end.count < said.count:
        return Fault(_team(chain), "the last rows were removed", seq=end.count + 1)
    if not hmac.compare_digest(row.mac, said.mac(key)):
        return Fault(_team(chain), "the head is not signed by this key", seq=end.count)
    if (end.count, end.last_hash) != (said.count, said.last_hash):
        return Fault(_team(chain), "rows were added behind the head", seq=said.count + 1)
    return None


async def _rows(session: AsyncSession, chain: UUID, until: datetime | None) -> AsyncIterator[Any]:
    """The rows of a chain in the order of their times, a page at a time."""
    place: tuple[datetime, UUID] | None = None
    while True:
        found = (await session.execute(_page(chain, place, until))).all()
        for row in found:
            yield row
        if len(found) < PAGE:
            return
        place = found[-1].at, found[-1].id


def _page(chain: UUID, place: tuple[datetime, UUID] | None, until: datetime | None) -> Select[Any]:
    team = AuditEvent.team_id.is_(None) if chain == NO_ID else AuditEvent.team_id == chain
    query = select(*AuditEvent.__table__.columns).where(team)
    if place is not None:
        query = query.where(tuple_(AuditEvent.at, AuditEvent.id) > place)
    if until is not None:
        query = query.where(AuditEvent.at < until)
    return query.order_by(AuditEvent.at, AuditEvent.id).limit(PAGE)


def _fault(chain: UUID, reason: str, seq: int, row: Any) -> Fault:
    return Fault(_team(chain), reason, seq, row.id, row.at)


def _team(chain: UUID) -> UUID | None:
    return None if chain == NO_ID else chain


async def verify_all(
    session: AsyncSession, key: bytes, only: UUID | None = None
) -> list[tuple[UUID, Verified | Fault]]:
    """Every chain, or this one, with what was found. NOT_FOUND: a slip of the pen must not pass for a sound log."""
    known = await chains(session)
    wanted = known if only is None else [one for one in known if one == only]
    if only is not None and not wanted:
        raise not_found("An audit log of this team")
    return [(chain, await verify(session, key, chain)) for chain in wanted]
