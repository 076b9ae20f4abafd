"""The months of the audit log: made ahead, and dropped whole, with a signed anchor where each chain goes on."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Entrance
from app.db.models import AuditAnchor
from app.domain import AuditOutcome
from app.errors import bad_input
from app.services.auditing import audit, audit_chain, audit_verify
from app.services.auditing.audit import Event, Origin
from app.services.auditing.audit_verify import Fault, Verified

log = logging.getLogger(__name__)

AHEAD: Final = 3
DAY_SECONDS: Final = 86_400.0
RETRY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Pruned:
    months: int
    events: int


async def make_ahead(session: AsyncSession) -> None:
    """This month and the next AHEAD ones, as far as they are missing."""
    await _make(session, AHEAD)


async def make_this(session: AsyncSession) -> None:
    """This month, without which nothing can be recorded: where nobody has kept ahead, as in a database that was restored."""
    await _make(session, 0)


async def _make(session: AsyncSession, ahead: int) -> None:
    now = datetime.now(UTC)
    years, month = divmod(now.month - 1 + ahead, 12)
    await session.execute(select(func.audit_make_months(date(now.year + years, month + 1, 1))))


async def keep_ahead(db: Entrance) -> None:
    """Makes months ahead once a day until it is cancelled; after an error it tries again soon."""
    while True:
        try:
            await db.run(make_ahead)
            pause = DAY_SECONDS
        except Exception:
            log.exception("months of the audit log could not be made")
            pause = RETRY_SECONDS
        await asyncio.sleep(pause)


async def prune(
    db: Entrance, key: bytes, before: date, *, now: datetime | None = None
) -> Pruned | list[Fault]:
    """Drops the months that end before `before`, the first of a month that is not in the future.

    Every chain is verified up to there and its place signed; where one does not fit, nothing is dropped and
    the faults are answered. The pruning itself is an event of the installation.
    """
    cut = datetime(before.year, before.month, before.day, tzinfo=UTC)
    if before.day != 1 or cut > (now or datetime.now(UTC)):
        raise bad_input("before", "This is the first day of a month that has begun.")
    async with db.snapshot() as session:
        found = [
            await audit_verify.verify(session, key, chain, until=cut)
            for chain in await audit_verify.chains(session)
        ]
    if faults := [one for one in found if isinstance(one, Fault)]:
        return faults
    # No row before the cut comes any more: times only grow.
    ends = [one for one in found if isinstance(one, Verified) and one.rows]
    return await db.run(lambda session: _drop(session, key, before, cut, ends))


async def _drop(
    session: AsyncSession, key: bytes, before: date, cut: datetime, ends: list[Verified]
) -> Pruned:
    await make_this(session)
    session.add_all([_anchor(key, cut, one.head) for one in ends])
    await session.flush()
    months = await session.scalar(select(func.audit_drop_months(before))) or 0
    done = Pruned(months=months, events=sum(one.rows for one in ends))
    detail = {"before": before.isoformat(), "months": done.months, "events": done.events}
    event = Event("audit.prune", AuditOutcome.ALLOWED, Origin("pictor"), detail=detail)
    await audit.append(session, key, [event])
    return done


def _anchor(key: bytes, cut: datetime, end: audit_chain.Head) -> AuditAnchor:
    mac = audit_chain.anchor_mac(
        key, team_id=end.team_id, before=cut, seq=end.count, row=end.last_hash
    )
    return AuditAnchor(team_id=end.team_id, before=cut, seq=end.count, hash=end.last_hash, mac=mac)
