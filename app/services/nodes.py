"""Finds what kind of thing an id names, among all that the actor may see: one statement for any number of ids."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import (
    ApiKey,
    AuditEvent,
    BulkJob,
    Collection,
    Dataset,
    Image,
    Membership,
    Tag,
    Team,
    User,
)
from app.domain import Actor
from app.services import access
from app.services.auditing import audit_log
from app.services.people import api_keys

VISIBLE: dict[str, tuple[Any, Callable[[Actor], Select[Any]]]] = {
    "Image": (Image, access.visible_images),
    "Tag": (Tag, access.visible_tags),
    "Collection": (Collection, access.visible_collections),
    "BulkJob": (BulkJob, access.visible_bulk_jobs),
    "Dataset": (Dataset, access.visible_datasets),
    "Team": (Team, access.visible_teams),
    "User": (User, access.visible_users),
    "Membership": (Membership, access.visible_memberships),
    "ApiKey": (ApiKey, api_keys.visible),
    "AuditEvent": (AuditEvent, audit_log.visible),
}


async def kinds(session: AsyncSession, actor: Actor, ids: Sequence[UUID]) -> list[str | None]:
    """The type name of each id, None for one that the actor cannot see."""
    looks = [
        visible(actor)
        .with_only_columns(literal(kind).label("kind"), model.id.label("id"))
        .where(_named(model, ids))
        for kind, (model, visible) in VISIBLE.items()
    ]
    rows = await session.execute(union_all(*looks))
    found = {row.id: row.kind for row in rows}
    return [found.get(one) for one in ids]


def _named(model: Any, ids: Sequence[UUID]) -> ColumnElement[bool]:
    if model is AuditEvent:
        return audit_log.named(ids)
    named: ColumnElement[bool] = model.id.in_(ids)
    return named
