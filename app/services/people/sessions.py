"""Logins as rows. The client holds an opaque token of 256 bits; the row has its SHA-256."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Membership, Session, User
from app.domain import Actor, Role

TOKEN_LENGTH: Final = 43
USED_EVERY: Final = timedelta(minutes=1)
"""The use of a session is written down at most so often, so that reading does not write."""


@dataclass(frozen=True, slots=True)
class Login:
    """A session that was just begun; `token` is told to the client and kept nowhere."""

    actor: Actor
    token: str
    expires_at: datetime


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def start(session: AsyncSession, user_id: UUID, lifetime: timedelta) -> Login:
    """A new session of the user, which ends after `lifetime` however much it is used. Ended ones are removed."""
    await session.execute(
        delete(Session).where(Session.user_id == user_id, Session.expires_at <= func.now())
    )
    token = secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + lifetime
    row = Session(user_id=user_id, token_hash=hashed(token), expires_at=expires_at)
    session.add(row)
    await session.flush()
    user = await session.get_one(User, user_id)
    actor = Actor(
        user_id=user_id,
        roles=await roles_of(session, user_id),
        is_operator=user.is_operator,
        session_id=row.id,
    )
    return Login(actor, token, expires_at)


async def authenticate(
    session: AsyncSession, token: str, idle: timedelta, *, is_use: bool = True
) -> Actor | None:
    """The actor of a session that has not ended and was used within `idle`, with the user's roles of this moment.

    `is_use`: whether it is remembered as the session's use.
    """
    if len(token) != TOKEN_LENGTH:
        return None
    used = func.coalesce(Session.last_used_at, Session.created_at)
    found = await session.execute(
        select(Session.id, Session.user_id, User.is_operator, used < func.now() - USED_EVERY)
        .join(User, User.id == Session.user_id)
        .where(
            Session.token_hash == hashed(token),
            Session.expires_at > func.now(),
            used > func.now() - idle,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    session_id, user_id, is_operator, is_due = row
    if is_use and is_due:
        await session.execute(
            update(Session).where(Session.id == session_id).values(last_used_at=func.now())
        )
    roles = await roles_of(session, user_id)
    return Actor(user_id=user_id, roles=roles, is_operator=is_operator, session_id=session_id)


async def actor_of(session: AsyncSession, user_id: UUID) -> Actor:
    """The user for whom an address was signed in a session, as a member of what teams there are now."""
    return Actor(user_id=user_id, roles=await roles_of(session, user_id))


async def roles_of(session: AsyncSession, user_id: UUID) -> dict[UUID, Role]:
    rows = await session.execute(
        select(Membership.team_id, Membership.role).where(Membership.user_id == user_id)
    )
    return dict(rows.all())


async def end(session: AsyncSession, session_id: UUID) -> None:
    await session.execute(delete(Session).where(Session.id == session_id))


async def end_all(session: AsyncSession, user_id: UUID) -> None:
    await session.execute(delete(Session).where(Session.user_id == user_id))
