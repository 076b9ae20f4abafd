"""Finds what kind of thing an id names, among all that the actor may see: one statement for any number of ids."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ApiKey, Collection, Image, Membership, Tag, Team, User
from app.domain import Actor
from app.services import access, api_keys

VISIBLE: dict[str, tuple[Any, Callable[[Actor], Select[Any]]]] = {
    "Image": (Image, access.visible_images),
    "Tag": (Tag, access.visible_tags),
    "Collection": (Collection, access.visible_collections),
    "Team": (Team, access.visible_teams),
    "User": (User, access.visible_users),
    "Membership": (Membership, access.visible_memberships),
    "ApiKey": (ApiKey, api_keys.visible),
}


async def kinds(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[str | None]:
    """The type name of each id, None for one that the actor cannot see."""
    looks = [
        visible(actor)
        .with_only_columns(literal(kind).label("kind"), model.id.label("id"))
        .where(model.id.in_(ids))
        for kind, (model, visible) in VISIBLE.items()
    ]
    rows = await session.execute(union_all(*looks))
    found = {row.id: row.kind for row in rows}
    return [found.get(one) for one in ids]
