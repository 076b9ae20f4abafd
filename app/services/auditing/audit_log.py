"""Who may read the audit log, and how it is asked. How it is written is in audit."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import AuditEvent
from app.domain import Actor, AuditOutcome, DateTimeRange, Role
from app.errors import forbidden
from app.services import paging
from app.services.auditing import audit_chain

BY_TIME = paging.Keyset(
    "audit",
    (
        paging.Key(AuditEvent.at, lambda row: row.at, datetime),
        paging.Key(AuditEvent.id, lambda row: row.id, UUID),
    ),
    descending=True,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; every condition that is not None must hold."""

    team_id: UUID | None = None
    user_id: UUID | None = None
    action: str | None = None
    outcome: AuditOutcome | None = None
    at: DateTimeRange | None = None


def visible(actor: Actor) -> Select[AuditEvent]:
    """The events of the teams where the actor is ADMIN, and for an operator the installation's own."""
    administered = [one for one, role in actor.roles.items() if role is Role.ADMIN]
    allowed: list[ColumnElement[bool]] = []
    if administered:
        allowed.append(AuditEvent.team_id.in_(administered))
    if actor.is_operator:
        allowed.append(AuditEvent.team_id.is_(None))
    return select(AuditEvent).where(or_(false(), *allowed))


def listed(actor: Actor, wanted: Wanted) -> Select[AuditEvent]:
    """FORBIDDEN for whoever is neither ADMIN (of the team, where one is named) nor operator."""
    own = actor.roles.get(wanted.team_id) if wanted.team_id else None
    below = own is not None and own is not Role.ADMIN
    if below or (Role.ADMIN not in actor.roles.values() and not actor.is_operator):
        raise forbidden("The audit log is for a team's ADMINs.")
    rows = visible(actor)
    if wanted.team_id is not None:
        rows = rows.where(AuditEvent.team_id == wanted.team_id)
    if wanted.user_id is not None:
        rows = rows.where(AuditEvent.user_id == wanted.user_id)
    if wanted.action is not None:
        rows = rows.where(AuditEvent.action == wanted.action)
    if wanted.outcome is not None:
        rows = rows.where(AuditEvent.outcome == wanted.outcome)
    if wanted.at is not None and wanted.at.start is not None:
        rows = rows.where(AuditEvent.at >= wanted.at.start)
    if wanted.at is not None and wanted.at.end is not None:
        rows = rows.where(AuditEvent.at < wanted.at.end)
    return rows


def history(actor: Actor, team_id: UUID, subject_id: UUID) -> Select[AuditEvent]:
    """What was done to a thing of the team: also as one of many."""
    return visible(actor).where(
        AuditEvent.team_id == team_id, AuditEvent.subject_ids.contains([subject_id])
    )


def subject_id(event: AuditEvent) -> UUID | None:
    """The one thing that an event is about; None for a list, whose rows its detail counts."""
    if not event.subject_ids or "count" in json.loads(event.detail):
        return None
    return event.subject_ids[0]


def named(ids: Iterable[UUID]) -> ColumnElement[bool]:
    """Rows of these ids; each id says in which millisecond, so that only its month is looked at."""
    places = [(audit_chain.time_of(one), one) for one in ids]
    return or_(
        false(),
        *(
            and_(
                AuditEvent.at >= at,
                AuditEvent.at < at + timedelta(milliseconds=1),
                AuditEvent.id == one,
            )
            for at, one in places
            if at is not None
        ),
    )


async def by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[AuditEvent | None]:
    rows = await session.scalars(visible(actor).where(named(ids)))
    found = {row.id: row for row in rows}
    return [found.get(one) for one in ids]
