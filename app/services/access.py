"""The only tenancy filter: what an actor may see, and what they may do. Every service starts here."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.models import ApiKey, BulkJob, Collection, Dataset, Image, Membership, Tag, Team, User
from app.domain import Actor, ImageState, Role
from app.errors import bad_input, forbidden, not_found

Row = TypeVar("Row", bound=Any)


def in_teams(column: InstrumentedAttribute[Any], team_ids: tuple[UUID, ...]) -> ColumnElement[bool]:
    """`column` is one of the teams; a plain comparison for one, which serves indexes best."""
    return column == team_ids[0] if len(team_ids) == 1 else column.in_(team_ids)


def visible_images(actor: Actor) -> Select[Image]:
    """Stored images of the actor's teams, those in the trash included."""
    return select(Image).where(
        in_teams(Image.team_id, actor.team_ids), Image.state == ImageState.STORED
    )


def visible_tags(actor: Actor) -> Select[Tag]:
    return select(Tag).where(in_teams(Tag.team_id, actor.team_ids))


def visible_collections(actor: Actor) -> Select[Collection]:
    return select(Collection).where(in_teams(Collection.team_id, actor.team_ids))


def visible_bulk_jobs(actor: Actor) -> Select[BulkJob]:
    return select(BulkJob).where(in_teams(BulkJob.team_id, actor.team_ids))


def visible_datasets(actor: Actor) -> Select[Dataset]:
    return select(Dataset).where(
        in_teams(Dataset.team_id, actor.team_ids), Dataset.deleted_at.is_(None)
    )


def visible_teams(actor: Actor) -> Select[Team]:
    """The actor's teams; an operator sees every team's name, though not its pictures."""
    teams = select(Team).where(Team.deleted_at.is_(None))
    return teams if actor.is_operator else teams.where(in_teams(Team.id, actor.team_ids))


def visible_memberships(actor: Actor) -> Select[Membership]:
    rows = select(Membership)
    return rows if actor.is_operator else rows.where(in_teams(Membership.team_id, actor.team_ids))


def visible_users(actor: Actor) -> Select[User]:
    """The actor, whoever shares a team with them, and who ever had a key of a team that they administer."""
    users = select(User)
    if actor.is_operator:
        return users
    fellows = select(Membership.user_id).where(in_teams(Membership.team_id, actor.team_ids))
    holders = select(ApiKey.user_id).where(ApiKey.team_id.in_(administered(actor)))
    return users.where((User.id == actor.user_id) | User.id.in_(fellows) | User.id.in_(holders))


def administered_users(actor: Actor) -> Select[User]:
    """Whoever is in a team that the actor administers, or ever had a key of it; for an operator everybody."""
    users = select(User)
    if actor.is_operator:
        return users
    teams = administered(actor)
    members = select(Membership.user_id).where(Membership.team_id.in_(teams))
    holders = select(ApiKey.user_id).where(ApiKey.team_id.in_(teams))
    return users.where(User.id.in_(members) | User.id.in_(holders))


def administered(actor: Actor) -> list[UUID]:
    """The teams in which the actor is ADMIN."""
    return [one for one, role in actor.roles.items() if role is Role.ADMIN]


async def by_id(
    session: AsyncSession, rows: Select[Row], id: InstrumentedAttribute[UUID], ids: Sequence[UUID]
) -> list[Row | None]:
    """Those of the rows that have these ids, in the order of the ids; None for what is not among them."""
    found = {row.id: row for row in await session.scalars(rows.where(id.in_(ids)))}
    return [found.get(one) for one in ids]


def require(actor: Actor, team_id: UUID, role: Role, *, what: str = "Team") -> None:
    """NOT_FOUND outside the actor's teams, FORBIDDEN below the role.

    An operator administers any team, but does not see or touch its pictures: for those, `require_member`.
    """
    if actor.is_operator:
        return
    require_member(actor, team_id, role, what=what)


def require_member(actor: Actor, team_id: UUID, role: Role, *, what: str = "Team") -> None:
    """NOT_FOUND outside the actor's teams, FORBIDDEN below the role, for operators too."""
    own = actor.roles.get(team_id)
    if own is None:
        raise not_found(what, ids=[team_id])
    if own.rank < role.rank:
        raise forbidden(f"This needs the role {role} in the team.")


def administers(actor: Actor, team_id: UUID) -> bool:
    return actor.is_operator or actor.roles.get(team_id) is Role.ADMIN


def home_team(actor: Actor, team_id: UUID | None) -> UUID:
    """The team of a mutation: the one named, else the actor's only one, else BAD_USER_INPUT."""
    if team_id is not None:
        return team_id
    if len(actor.team_ids) != 1:
        raise bad_input("teamId", "You belong to several teams: name one.")
    return actor.team_ids[0]
