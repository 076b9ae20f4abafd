"""Teams: found, counted, changed, ended. Who belongs to one is in memberships."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import constraints
from app.db.models import ApiKey, DrawHead, Image, ImageJob, Membership, Tag, Team
from app.domain import NO_ID, Actor, ImageState, JobKind, ProcessingStatus, Role, TagPolicy, line
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
        select(Image.processing, func.count().filter(Image.live), func.sum(Image.size_bytes))
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
    team = await locked(session, team_id)
    if "name" in changes:
        team.name = line(changes["name"], field="input.name", required=True)
    if "tag_policy" in changes:
        team.tag_policy = changes["tag_policy"]
    await session.flush()
    return team


async def locked(session: AsyncSession, team_id: UUID) -> Team:
    team: Team | None = await session.scalar(
        select(Team)
        .where(Team.id == team_id, Team.deleted_at.is_(None))
        .with_for_update(key_share=True)
    )
    if team is None:
        raise not_found("Team", ids=[team_id])
    return team


async def remove(
    session: AsyncSession,
    actor: Actor,
    team_id: UUID,
    confirm_slug: str,
    *,
    purge_after: timedelta = timedelta(0),
) -> UUID:
    """Ends a team (ADMIN): nobody sees it from now on; the worker deletes its bytes, and then its rows.

    Its slug is free at once, and the one that it gets is none that anybody could have taken. `purge_after`: for how long
    its bytes and rows are kept all the same.
    BAD_USER_INPUT unless `confirm_slug` is the slug.
    """
    access.require(actor, team_id, Role.ADMIN)
    team = await locked(session, team_id)
    if confirm_slug != team.slug:
        raise bad_input("confirmSlug", "This is not the team's slug.")
    team.slug, team.deleted_at = f"deleted:{team_id}", func.now()
    await session.flush()
    for table in (Membership, ApiKey, ImageJob):
        await session.execute(delete(table).where(table.team_id == team_id))
    await jobs.enqueue(session, team_id, team_id, [JobKind.PURGE_TEAM], purge_after)
    return team_id
