"""Documents that clients registered by their SHA-256 (automatic persisted queries). Each team has its own, within bounds.

A team's store is for its members alone: nobody can find out by a hash what another team asks, or push its documents out.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import PersistedQuery
from app.domain import Actor

MAX_DOCUMENTS: Final = 1_000
MAX_TOTAL_BYTES: Final = 4 * 1024 * 1024
"""Of a team. What was not used for the longest time goes first."""
MAX_DOCUMENT_BYTES: Final = 32 * 1024
USED_EVERY: Final = timedelta(hours=1)
"""So often a use is written down: reading does not write."""


@dataclass(frozen=True, slots=True)
class Found:
    team_id: UUID
    document: str


async def find(session: AsyncSession, actor: Actor, sha256: bytes) -> Found | None:
    """The document of that hash in one of the actor's teams."""
    query = select(PersistedQuery.team_id, PersistedQuery.document, PersistedQuery.used_at).where(
        PersistedQuery.team_id.in_(actor.team_ids), PersistedQuery.sha256 == sha256
    )
    row = (await session.execute(query.limit(1))).one_or_none()
    if row is None:
        return None
    now = datetime.now(UTC)
    if row.used_at < now - USED_EVERY:
        its = (PersistedQuery.team_id == row.team_id) & (PersistedQuery.sha256 == sha256)
        await session.execute(update(PersistedQuery).where(its).values(used_at=now))
    return Found(row.team_id, row.document)


async def keep(session: AsyncSession, actor: Actor, sha256: bytes, document: str) -> UUID | None:
    """Keeps a document, which the caller has found to be valid and of that hash, and answers the team that has it now.

    None where it is not kept: it is too large, or the actor has no team. Of several teams it is the oldest's. Two that
    are kept at the same time may stand beyond the bounds together until the next one comes.
    """
    size = len(document.encode())
    if size > MAX_DOCUMENT_BYTES or not actor.team_ids:
        return None
    team_id = min(actor.team_ids)
    row = insert(PersistedQuery).values(
        team_id=team_id, sha256=sha256, document=document, size_bytes=size
    )
    kept = row.on_conflict_do_nothing().returning(PersistedQuery.sha256)
    if await session.scalar(kept) is not None:
        await _make_room(session, team_id)
    return team_id


async def _make_room(session: AsyncSession, team_id: UUID) -> None:
    latest_first = (PersistedQuery.used_at.desc(), PersistedQuery.sha256)
    ranked = (
        select(
            PersistedQuery.sha256,
            func.row_number().over(order_by=latest_first).label("place"),
            func.sum(PersistedQuery.size_bytes).over(order_by=latest_first).label("bytes"),
        )
        .where(PersistedQuery.team_id == team_id)
        .subquery()
    )
    beyond = select(ranked.c.sha256).where(
        or_(ranked.c.place > MAX_DOCUMENTS, ranked.c.bytes > MAX_TOTAL_BYTES)
    )
    await session.execute(
        delete(PersistedQuery).where(
            PersistedQuery.team_id == team_id, PersistedQuery.sha256.in_(beyond)
        )
    )
