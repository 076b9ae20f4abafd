"""What the operator does from the command line, without an actor: the first team, user and key."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import ROLES
from app.db.models import Membership, Team, User
from app.domain import Role, email_address, line
from app.errors import not_found
from app.services.people import accounts, api_keys, teams, users

BOOTSTRAP_LOCK = 0x70696374
"""Key of the advisory lock under which two bootstraps come one after the other."""


@dataclass(frozen=True)
class Settled:
    team_id: UUID
    user_id: UUID
    is_operator: bool


@dataclass(frozen=True)
class Bootstrapped(Settled):
    api_key: str


async def bootstrap(
    session: AsyncSession,
    *,
    team: str,
    email: str,
    password_hash: str | None = None,
    key_name: str = "bootstrap",
) -> Bootstrapped:
    """As `settle`, and always a new key."""
    ours = await settle(session, team=team, email=email, password_hash=password_hash)
    _row, key = await api_keys.add(
        session,
        team_id=ours.team_id,
        user_id=ours.user_id,
        name=key_name,
        role=Role.ADMIN,
        expires_at=None,
    )
    return Bootstrapped(ours.team_id, ours.user_id, ours.is_operator, key)


async def settle(
    session: AsyncSession, *, team: str, email: str, password_hash: str | None = None
) -> Settled:
    """The team with this user as ADMIN, made as far as missing.

    Where the installation has no operator, a user who is made here becomes one; not one whom anybody may have registered.
    A password is set for a user without one.
    """
    await session.execute(select(func.pg_advisory_xact_lock(BOOTSTRAP_LOCK)))
    led = await session.scalar(select(exists().where(User.is_operator)))
    user, token = await users.add(session, email=email, name=email.partition("@")[0])
    if token is not None and not led:
        user.is_operator = True
    await session.refresh(user, ["password_hash"])
    if password_hash is not None and user.password_hash is None:
        user.password_hash = password_hash
    team_id = await _team(session, line(team, field="team", required=True), user.id)
    member = insert(Membership).values(team_id=team_id, user_id=user.id, role=Role.ADMIN)
    await session.execute(member.on_conflict_do_nothing())
    return Settled(team_id, user.id, user.is_operator)


async def _team(session: AsyncSession, name: str, user_id: UUID) -> UUID:
    """The user's team of this name, or a new one."""
    known = await session.scalar(
        select(Team.id)
        .join(Membership, Membership.team_id == Team.id)
        .where(Team.name == name, Membership.user_id == user_id)
        .order_by(Team.id)
        .limit(1)
    )
    return known or (await teams.add(session, name=name, slug=None)).id


async def require_team(session: AsyncSession, team_id: UUID) -> None:
    """NOT_FOUND."""
    living = select(Team.id).where(Team.id == team_id, Team.deleted_at.is_(None))
    if await session.scalar(living) is None:
        raise not_found("Team")


async def wall_gaps(session: AsyncSession) -> list[str]:
    """What PostgreSQL's own wall between the teams lacks; empty where it stands."""
    found = await session.execute(
        text(
            "select rolname::text, rolsuper or rolbypassrls, pg_has_role(oid, 'set')"
            " from pg_roles where rolname = any(:roles)"
        ),
        {"roles": list(ROLES)},
    )
    roles = {name: (above, takes) for name, above, takes in found}
    open_tables = await session.scalars(
        text(
            "select relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')"
            " and not c.relispartition and a.attname = 'team_id' and not c.relrowsecurity"
        )
    )
    return [
        *(f"The role {one} is missing." for one in ROLES if one not in roles),
        *(f"The role {one} is above the policies." for one, (above, _) in roles.items() if above),
        *(f"This user may not take the role {one}." for one, (_, ok) in roles.items() if not ok),
        *(f"The table {one} has no row-level security." for one in open_tables),
    ]


async def password_token(session: AsyncSession, email: str) -> str:
    """A one-time token with which the user of this address sets a password. NOT_FOUND."""
    user = await _user(session, email)
    return await users.new_token(session, user.id)


async def set_password(session: AsyncSession, email: str, password_hash: str) -> None:
    """Gives the user of this address the password, and ends their logins. NOT_FOUND."""
    await accounts.replace(session, await _user(session, email), password_hash)


async def _user(session: AsyncSession, email: str) -> User:
    address = email_address(email)
    user: User | None = await session.scalar(
        select(User).where(User.email == address).with_for_update(key_share=True)
    )
    if user is None:
        raise not_found("User")
    return user


async def versions(session: AsyncSession) -> tuple[str, str | None]:
    """The versions of PostgreSQL and of pgvector (None where it is not installed)."""
    server = await session.scalar(text("select current_setting('server_version')"))
    vector = await session.scalar(
        text("select extversion from pg_extension where extname = 'vector'")
    )
    return str(server), vector
