"""Memberships: who belongs to which team, and in what role. A team keeps an ADMIN; its own row is in teams."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Uuid,
    column,
    exists,
    func,
    literal,
    select,
    true,
)
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.models import ApiKey, Membership, Team, User
from app.domain import Actor, Role
from app.errors import conflict, forbidden, not_found
from app.services import access, paging
from app.services.people import teams

LAST_ADMIN: Final = "A team keeps at least one ADMIN."
MEMBERS = paging.Keyset("member", (paging.Key(Membership.id, lambda row: row.id, UUID),))


def listed(actor: Actor, team_id: UUID) -> Select[Membership]:
    return access.visible_memberships(actor).where(Membership.team_id == team_id)


async def by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[Membership | None]:
    return await access.by_id(session, access.visible_memberships(actor), Membership.id, ids)


async def by_user(
    session: AsyncSession, actor: Actor, keys: Sequence[tuple[UUID, int]]
) -> list[list[Membership]]:
    """The memberships of each user that the actor sees, oldest first, so many at most. No more are read."""
    users, most = zip(*keys, strict=True)
    asked = (
        func.unnest(literal(users, ARRAY(Uuid())), literal(most, ARRAY(Integer())))
        .table_valued(column("user_id", Uuid), column("most", Integer))
        .render_derived("asked")
    )
    first = (
        access.visible_memberships(actor)
        .where(Membership.user_id == asked.c.user_id)
        .order_by(Membership.id)
        .limit(asked.c.most)
        .lateral()
    )
    row = aliased(Membership, first)
    found: dict[tuple[UUID, int], list[Membership]] = {key: [] for key in keys}
    query = select(row, asked.c.most).select_from(asked.join(first, true())).order_by(row.id)
    for membership, limit in await session.execute(query):
        found[membership.user_id, limit].append(membership)
    return [found[key] for key in keys]


async def set_role(
    session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID, role: Role
) -> Membership:
    """Adds the user, or changes their role (ADMIN). CONFLICT where that would leave no ADMIN.

    FORBIDDEN to add whom the actor merely sees: an ADMIN reads the addresses of members.
    """
    access.require(actor, team_id, Role.ADMIN)
    await teams.locked(session, team_id)
    if not await _is_among(session, access.visible_users(actor), user_id):
        raise not_found("User", ids=[user_id])
    membership = await _of_user(session, team_id, user_id)
    if membership is None:
        if not await _is_among(session, access.administered_users(actor), user_id):
            raise forbidden("You are ADMIN of no team of theirs: add them by their e-mail address.")
        membership = Membership(team_id=team_id, user_id=user_id, role=role)
        session.add(membership)
    else:
        if role is not Role.ADMIN:
            await _keep_an_admin(session, membership, "input.userId")
        membership.role = role
    await session.flush()
    return membership


async def remove(session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID) -> UUID:
    """Ends a membership: an ADMIN anyone's, a member their own. Their keys of the team end with it.

    FORBIDDEN for one's own through a key, but an operator's: whoever finds one could end all the keys of its holder.
    """
    is_own = user_id == actor.user_id
    access.require(actor, team_id, Role.VIEWER if is_own else Role.ADMIN)
    if is_own and actor.session_id is None and not actor.is_operator:
        raise forbidden("A team is not left through an API key: log in.")
    await teams.locked(session, team_id)
    membership = await _of_user(session, team_id, user_id)
    if membership is None:
        raise not_found("Membership", field="userId", ids=[user_id])
    await _keep_an_admin(session, membership, "userId")
    await session.delete(membership)
    # It waits for whoever makes a key for this membership just now: then that one is revoked too.
    await session.flush()
    await _revoke_keys(session, ApiKey.team_id == team_id, ApiKey.user_id == user_id)
    return membership.id


async def leave_all(session: AsyncSession, user_id: UUID) -> list[Membership]:
    """What ends with a user who goes, and whose row is locked; locks their teams. CONFLICT where one would keep no ADMIN.

    The session sees all of the user's teams: also those that they have come to since anybody looked at them.
    """
    own = select(Membership.team_id).where(Membership.user_id == user_id)
    locked = select(Team.id).where(Team.id.in_(own)).order_by(Team.id)
    await session.execute(locked.with_for_update(key_share=True))
    other = aliased(Membership)
    others = exists().where(
        other.team_id == Membership.team_id, other.role == Role.ADMIN, other.user_id != user_id
    )
    alone = select(Membership.team_id).where(
        Membership.user_id == user_id, Membership.role == Role.ADMIN, ~others
    )
    if await session.scalar(alone.limit(1)) is not None:
        raise conflict("id", LAST_ADMIN)
    ending = select(Membership).where(Membership.user_id == user_id).order_by(Membership.id)
    return list(await session.scalars(ending))


async def _revoke_keys(session: AsyncSession, *which: ColumnElement[bool]) -> None:
    """For good: a member who comes back makes new ones."""
    ending = sql_update(ApiKey).where(*which, ApiKey.revoked_at.is_(None))
    await session.execute(ending.values(revoked_at=func.now()))


async def _is_among(session: AsyncSession, users: Select[User], user_id: UUID) -> bool:
    query = users.with_only_columns(func.count()).where(User.id == user_id)
    return bool(await session.scalar(query))


async def _of_user(session: AsyncSession, team_id: UUID, user_id: UUID) -> Membership | None:
    membership: Membership | None = await session.scalar(
        select(Membership).where(Membership.team_id == team_id, Membership.user_id == user_id)
    )
    return membership


async def _keep_an_admin(session: AsyncSession, leaving: Membership, field: str) -> None:
    """CONFLICT where `leaving` is the team's last ADMIN. The team's row is locked."""
    if leaving.role is not Role.ADMIN:
        return
    admins = select(func.count()).where(
        Membership.team_id == leaving.team_id, Membership.role == Role.ADMIN
    )
    if await session.scalar(admins) == 1:
        raise conflict(field, LAST_ADMIN)
