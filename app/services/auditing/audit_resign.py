"""The record's signatures under another key. Nothing is signed but what the key before had signed, and what still fits."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import AuditAnchor, AuditHead
from app.domain import AuditOutcome
from app.services.auditing import audit, audit_chain, audit_key, audit_months, audit_verify
from app.services.auditing.audit import Event, Origin
from app.services.auditing.audit_verify import Fault

BEHIND: Final = timedelta(microseconds=1)
"""An anchor is never changed: its copy under the new key follows it, and the last one counts."""
ALONE: Final = text("lock table audit_head in exclusive mode")
"""Before anything else is read: a chain that others begin is there by then, or waits for the end. Who only reads goes on."""


async def resign(session: AsyncSession, old: bytes, new: bytes) -> list[tuple[UUID, Fault | None]]:
    """Each chain with what is wrong with it; those that fit under `old` are signed by `new` from then on.

    What is signed by `new` already stays as it is. Nobody else appends meanwhile. The installation's processes start with `new`
    alone from then on. SetupError where `old` was not its key.
    """
    await session.execute(ALONE)
    await audit_key.change(session, new, before=old)
    await audit_months.make_this(session)
    heads = {row.team_id: row for row in await session.scalars(select(AuditHead))}
    found: list[tuple[UUID, Fault | None]] = []
    done = 0
    for chain in await audit_verify.chains(session):
        fault = await _fault(session, old, chain)
        if fault is None:
            await _sign(session, new, heads[chain])
            done += 1
        elif await _fault(session, new, chain) is None:
            fault = None
        found.append((chain, fault))
    if done:
        event = Event(
            "audit.resign", AuditOutcome.ALLOWED, Origin("pictor"), detail={"chains": done}
        )
        await session.flush()
        await audit.append(session, new, [event])
    return found


async def _fault(session: AsyncSession, key: bytes, chain: UUID) -> Fault | None:
    result = await audit_verify.verify(session, key, chain)
    return result if isinstance(result, Fault) else None


async def _sign(session: AsyncSession, key: bytes, row: AuditHead) -> None:
    row.mac = audit_chain.Head(row.team_id, row.count, row.last_hash, row.last_at).mac(key)
    last = await audit_verify.last_anchor(session, row.team_id)
    if last is None:
        return
    before = last.before + BEHIND
    mac = audit_chain.anchor_mac(
        key, team_id=row.team_id, before=before, seq=last.seq, row=last.hash
    )
    session.add(
        AuditAnchor(team_id=row.team_id, before=before, seq=last.seq, hash=last.hash, mac=mac)
    )
