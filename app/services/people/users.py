"""Users: who they are to each other, and how they come to be."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Select, column, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import constraints
from app.db.models import Membership, PasswordToken, User
from app.domain import Actor, Role, email_address, line
from app.errors import conflict, forbidden, not_found
from app.services import access, paging
from app.services.people import memberships, teams

TOKEN_LIFETIME = timedelta(days=7)
MADE = column("made", Boolean)
ADD = text("select * from add_user(:email, :name, :token_hash, :expires_at)").columns(
    User.id,
    User.email,
    User.name,
    User.is_operator,
    User.created_at,
    MADE,
)
"""Finds the user of an address whom the actor may not see, or makes them with a token to set a password."""
BY_NAME = paging.Keyset(
    "user",
    (
        paging.Key(User.name, lambda row: row.name, str),
        paging.Key(User.id, lambda row: row.id, UUID),
    ),
)


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[User | None]:
    return await access.by_id(session, access.visible_users(actor), User.id, ids)


def listed(actor: Actor, team_id: UUID | None = None) -> Select[User]:
    """The users that the actor sees; with a team, its members as far as the actor sees that team."""
    users = access.visible_users(actor)
    if team_id is None:
        return users
    members = access.visible_memberships(actor).where(Membership.team_id == team_id)
    return users.where(User.id.in_(members.with_only_columns(Membership.user_id)))


async def emails_by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[str | None]:
    """The addresses that the actor may know: their own, and those of members where they are ADMIN."""
    users = select(User.id, User.email).where(User.id.in_(ids))
    if not actor.is_operator:
        members = select(Membership.user_id).where(
            Membership.team_id.in_(access.administered(actor))
        )
        users = users.where((User.id == actor.user_id) | User.id.in_(members))
    found = dict((await session.execute(users)).all())
    return [found.get(one) for one in ids]


async def create(
    session: AsyncSession, actor: Actor, *, team_id: UUID, email: str, name: str, role: Role
) -> tuple[User, str | None]:
    """A member of the team (ADMIN), and the one-time token of a new user.

    A known address just gets the membership; one who is a member already keeps their role.
    """
    access.require(actor, team_id, Role.ADMIN)
    await teams.locked(session, team_id)
    user, token = await add(session, email=email, name=name)
    member = insert(Membership).values(team_id=team_id, user_id=user.id, role=role)
    await session.execute(member.on_conflict_do_nothing())
    return user, token


async def add(session: AsyncSession, *, email: str, name: str) -> tuple[User, str | None]:
    """The user of this address, made where there is none, then with a token to set a password."""
    address = email_address(email, field="input.email")
    name = line(name, field="input.name", required=True)
    token = secrets.token_urlsafe(32)
    user, made = (
        await session.execute(
            select(User, MADE).from_statement(ADD),
            {
                "email": address,
                "name": name,
                "token_hash": hashlib.sha256(token.encode()).digest(),
                "expires_at": datetime.now(UTC) + TOKEN_LIFETIME,
            },
        )
    ).one()
    return user, token if made else None


async def new_token(session: AsyncSession, user_id: UUID) -> str:
    """A one-time token to set a password, told here and kept nowhere."""
    token = secrets.token_urlsafe(32)
    session.add(
        PasswordToken(
            user_id=user_id,
            token_hash=hashlib.sha256(token.encode()).digest(),
            expires_at=datetime.now(UTC) + TOKEN_LIFETIME,
        )
    )
    await session.flush()
    return token


async def update(
    session: AsyncSession, actor: Actor, user_id: UUID, changes: dict[str, Any]
) -> User:
    """Changes `name` and `email` as far as given: one's own, or for an operator anyone's. CONFLICT."""
    user = await _locked(session, actor, user_id)
    if "name" in changes:
        user.name = line(changes["name"], field="input.name", required=True)
    if "email" in changes:
        user.email = email_address(changes["email"], field="input.email")
    taken = conflict("input.email", "This address cannot be used.")
    with constraints(uq_app_user_email=taken):
        await session.flush()
    return user


async def remove(
    session: AsyncSession, actor: Actor, user_id: UUID
) -> tuple[UUID, list[Membership]]:
    """Ends an account, with its memberships, keys and logins: one's own, or for an operator anyone's. Answers whose, and
    the memberships that ended, for each team's record.

    Images, tags and collections stay, without the name. CONFLICT where a team would lose its last ADMIN, or the
    installation its last operator. The session is one of `Database.everywhere`.
    """
    user = await _locked(session, actor, user_id)
    ended = await memberships.leave_all(session, user_id)
    if user.is_operator:
        operators = select(User.id).where(User.is_operator).order_by(User.id).with_for_update()
        if len((await session.scalars(operators)).all()) == 1:
            raise conflict("id", "The installation keeps at least one operator.")
    await session.execute(delete(User).where(User.id == user_id))
    return user_id, ended


async def _locked(session: AsyncSession, actor: Actor, user_id: UUID) -> User:
    """An account for a change. NOT_FOUND, FORBIDDEN: a key changes no account, but an operator's does."""
    user: User | None = await session.scalar(
        access.visible_users(actor).where(User.id == user_id).with_for_update(of=User)
    )
    if user is None:
        raise not_found("User", ids=[user_id])
    if actor.is_operator:
        return user
    if user_id != actor.user_id:
        raise forbidden("An account is changed by its user, or by an operator.")
    if actor.session_id is None:
        raise forbidden("An account is not changed through an API key: log in.")
    return user
