"""Teams and their members."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Uuid,
    column,
    delete,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy import update as sql_update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db.database import constraints
from app.db.models import ApiKey, DrawHead, Image, ImageJob, Membership, Tag, Team, User
from app.domain import (
    NO_ID,
    Actor,
    ImageState,
    JobKind,
    ProcessingStatus,
    Role,
    TagPolicy,
    line,
)
from app.errors import bad_input, conflict, forbidden, not_found
from app.services import access, jobs, paging

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
FOUND = text("select * from found_team(:name, :slug, :tag_policy)")
"""Makes a team and lets this transaction, which sees the teams of its actor alone, see the new one too."""
BY_NAME = paging.Keyset(
    "team",
    (
        paging.Key(Team.name, lambda row: row.name, str),
        paging.Key(Team.id, lambda row: row.id, UUID),
    ),
)
MEMBERS = paging.Keyset("member", (paging.Key(Membership.id, lambda row: row.id, UUID),))


@dataclass(frozen=True)
class Stats:
    image_count: int
    tag_count: int
    stored_bytes: int
    processing: dict[ProcessingStatus, int]
    waiting_jobs: int
    oldest_pending_at: datetime | None


async def by_id(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[Team | None]:
    return await access.by_id(session, access.visible_teams(actor), Team.id, ids)


async def by_slug(session: AsyncSession, actor: Actor, slug: str) -> Team | None:
    team: Team | None = await session.scalar(access.visible_teams(actor).where(Team.slug == slug))
    return team


def listed(actor: Actor) -> Select[Team]:
    return access.visible_teams(actor)


def members(actor: Actor, team_id: UUID) -> Select[Membership]:
    return access.visible_memberships(actor).where(Membership.team_id == team_id)


async def membership_by_id(
    session: AsyncSession, actor: Actor, ids: Sequence[UUID]
) -> list[Membership | None]:
    return await access.by_id(session, access.visible_memberships(actor), Membership.id, ids)


async def memberships_by_user(
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


async def stats(session: AsyncSession, actor: Actor, team_id: UUID) -> Stats:
    """Counts of a team that the actor is a member of; NOT_FOUND for others, operators too."""
    access.require_member(actor, team_id, Role.VIEWER)
    heads = select(func.coalesce(func.sum(DrawHead.images), 0)).where(
        DrawHead.team_id == team_id, DrawHead.tag_id == NO_ID
    )
    tags = select(func.count()).where(Tag.team_id == team_id)
    waiting = jobs.waiting(team_id).subquery()
    image_count, tag_count, waiting_jobs, oldest = (
        await session.execute(select(heads.scalar_subquery(), tags.scalar_subquery(), waiting))
    ).one()
    rows = await session.execute(
        select(Image.processing, func.count(), func.sum(Image.size_bytes))
        .where(Image.team_id == team_id, Image.state == ImageState.STORED)
        .group_by(Image.processing)
    )
    counts = {status: (n, int(size)) for status, n, size in rows}
    return Stats(
        image_count=int(image_count),
        tag_count=tag_count,
        stored_bytes=sum(size for _, size in counts.values()),
        processing={one: counts.get(one, (0, 0))[0] for one in ProcessingStatus},
        waiting_jobs=waiting_jobs,
        oldest_pending_at=oldest,
    )


async def create(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    slug: str | None = None,
    tag_policy: TagPolicy = TagPolicy.OPEN,
) -> Team:
    """A new team with the actor as its ADMIN. For operators, and for whoever is ADMIN of a team."""
    if not actor.is_operator and Role.ADMIN not in actor.roles.values():
        raise forbidden("Only an operator or a team's ADMIN makes teams.")
    team = await add(session, name=name, slug=slug, tag_policy=tag_policy)
    session.add(Membership(team_id=team.id, user_id=actor.user_id, role=Role.ADMIN))
    await session.flush()
    return team


async def add(
    session: AsyncSession, *, name: str, slug: str | None, tag_policy: TagPolicy = TagPolicy.OPEN
) -> Team:
    """The bare row, for `create` and the operator's commands. CONFLICT where the slug is taken."""
    name = line(name, field="input.name", required=True)
    if slug is not None and not SLUG.fullmatch(slug):
        raise bad_input(
            "input.slug", "A slug has 1 to 63 lower-case letters, digits and inner hyphens."
        )
    founded = FOUND.bindparams(
        name=name, slug=slug or _free_slug(name), tag_policy=tag_policy.value
    )
    with constraints(uq_team_slug=conflict("input.slug", "This slug is taken.")):
        team: Team = (await session.scalars(select(Team).from_statement(founded))).one()
    return team


def _free_slug(name: str) -> str:
    """A readable slug that no other team has: a random end says nothing of other teams' names."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-") or "team"
    return f"{stem}-{secrets.token_hex(3)}"


async def update(
    session: AsyncSession, actor: Actor, team_id: UUID, changes: dict[str, Any]
) -> Team:
    """Changes `name` and `tag_policy` as far as given (ADMIN)."""
    access.require(actor, team_id, Role.ADMIN)
    team = await _locked(session, team_id)
    if "name" in changes:
        team.name = line(changes["name"], field="input.name", required=True)
    if "tag_policy" in changes:
        team.tag_policy = changes["tag_policy"]
    await session.flush()
    return team


async def _locked(session: AsyncSession, team_id: UUID) -> Team:
    team: Team | None = await session.scalar(
        select(Team)
        .where(Team.id == team_id, Team.deleted_at.is_(None))
        .with_for_update(key_share=True)
    )
    if team is None:
        raise not_found("Team", ids=[team_id])
    return team


async def set_membership(
    session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID, role: Role
) -> Membership:
    """Adds the user, or changes their role (ADMIN). CONFLICT where that would leave no ADMIN."""
    access.require(actor, team_id, Role.ADMIN)
    await _locked(session, team_id)
    known = await session.scalar(
        access.visible_users(actor).with_only_columns(func.count()).where(User.id == user_id)
    )
    if not known:
        raise not_found("User", ids=[user_id])
    membership = await _membership(session, team_id, user_id)
    if membership is None:
        membership = Membership(team_id=team_id, user_id=user_id, role=role)
        session.add(membership)
    else:
        if role is not Role.ADMIN:
            await _keep_an_admin(session, membership, "input.userId")
        membership.role = role
    await session.flush()
    return membership


async def remove_membership(
    session: AsyncSession, actor: Actor, team_id: UUID, user_id: UUID
) -> UUID:
    """Ends a membership: an ADMIN anyone's, a member their own. Their keys of the team end with it."""
    access.require(actor, team_id, Role.VIEWER if user_id == actor.user_id else Role.ADMIN)
    await _locked(session, team_id)
    membership = await _membership(session, team_id, user_id)
    if membership is None:
        raise not_found("Membership", field="userId")
    await _keep_an_admin(session, membership, "userId")
    await session.delete(membership)
    await _revoke_keys(session, ApiKey.team_id == team_id, ApiKey.user_id == user_id)
    await session.flush()
    return membership.id


async def leave_all(session: AsyncSession, user_id: UUID) -> None:
    """Locks the teams of a user who goes. CONFLICT where one of them would keep no ADMIN."""
    own = select(Membership.team_id).where(Membership.user_id == user_id)
    locked = select(Team.id).where(Team.id.in_(own)).order_by(Team.id)
    await session.execute(locked.with_for_update(key_share=True))
    rows = await session.scalars(select(Membership).where(Membership.user_id == user_id))
    for membership in rows.all():
        await _keep_an_admin(session, membership, "id")


async def remove(
    session: AsyncSession,
    actor: Actor,
    team_id: UUID,
    confirm_slug: str,
    *,
    purge_after: timedelta = timedelta(0),
) -> UUID:
    """Ends a team (ADMIN): nobody sees it from now on; the worker deletes its bytes, and then its rows.

    Its slug is free at once. `purge_after`: for how long its bytes and rows are kept all the same.
    BAD_USER_INPUT unless `confirm_slug` is the slug.
    """
    access.require(actor, team_id, Role.ADMIN)
    team = await _locked(session, team_id)
    if confirm_slug != team.slug:
        raise bad_input("confirmSlug", "This is not the team's slug.")
    team.slug, team.deleted_at = f"deleted-{team_id}", datetime.now(UTC)
    await session.flush()
    for table in (Membership, ApiKey, ImageJob):
        await session.execute(delete(table).where(table.team_id == team_id))
    due = team.deleted_at + purge_after
    await jobs.enqueue(session, team_id, team_id, [JobKind.PURGE_TEAM], due)
    return team_id


async def _revoke_keys(session: AsyncSession, *which: ColumnElement[bool]) -> None:
    """For good: a member who comes back makes new ones."""
    ending = sql_update(ApiKey).where(*which, ApiKey.revoked_at.is_(None))
    await session.execute(ending.values(revoked_at=func.now()))


async def _membership(session: AsyncSession, team_id: UUID, user_id: UUID) -> Membership | None:
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
        raise conflict(field, "A team keeps at least one ADMIN.")
