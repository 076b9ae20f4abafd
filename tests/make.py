"""Makes rows for tests, straight in the tables."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text

from app.db.models import Image, ImageTag, Team, UploadTicket, User
from app.domain import MICRO, Actor, ImageFormat, ImageState, Role, tag_key
from tests.database import Database

MEMBER: Final = text(
    "with new as (insert into team (name, slug) select 'Team', :slug where cast(:team as uuid) is null returning id),"
    " person as (insert into app_user (name, email) values ('Ada', :email) returning id),"
    " its as (select coalesce(:team, (select id from new)) as team_id, id as user_id from person)"
    " insert into membership (team_id, user_id, role) select team_id, user_id, :role from its returning team_id, user_id"
)
TAGS: Final = text(
    "with asked as (select * from unnest(cast(:names as text[]), cast(:keys as text[])) with ordinality as a (name, key, n)),"
    " new as (insert into tag (team_id, name, key) select cast(:team as uuid), name, key from asked order by n"
    " on conflict (team_id, key) do nothing returning id, key)"
    " select id from (select id, key from new union all select id, key from tag"
    " where team_id = :team and key = any(:keys)) found join asked using (key) order by n"
)
TAGGED: Final = text(
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select cast(:team as uuid), cast(:image as uuid), tag_id, cast(:created_at as timestamptz)"
    " from unnest(cast(:tags as uuid[])) with ordinality as t (tag_id, n) order by n"
)


async def team(db: Database, name: str = "Team") -> UUID:
    async with db.transaction() as session:
        row = Team(name=name, slug=f"t-{secrets.token_hex(6)}")
        session.add(row)
        await session.flush()
        return row.id


async def user(db: Database, name: str = "Ada", **columns: Any) -> UUID:
    async with db.transaction() as session:
        row = User(name=name, email=f"{secrets.token_hex(6)}@example.org", **columns)
        session.add(row)
        await session.flush()
        return row.id


async def actor(db: Database, team_id: UUID | None = None, role: Role = Role.ADMIN) -> Actor:
    """A new member of the team, or of a new team of their own."""
    values = {
        "team": team_id,
        "slug": f"t-{secrets.token_hex(6)}",
        "email": f"{secrets.token_hex(6)}@example.org",
        "role": role.value,
    }
    async with db.transaction() as session:
        row = (await session.execute(MEMBER, values)).one()
    return Actor(user_id=row.user_id, roles={row.team_id: role})


async def image(
    db: Database, team_id: UUID, *, tags: tuple[str, ...] = (), weight: float = 1, **columns: Any
) -> UUID:
    """A stored image without bytes, with its tags."""
    values: dict[str, Any] = {
        "state": ImageState.STORED,
        "object_key": f"t/{team_id}/{secrets.token_hex(8)}",
        "sha256": secrets.token_bytes(32),
        "size_bytes": 1000,
        "format": ImageFormat.JPEG,
        "width": 640,
        "height": 480,
        "title": "A picture",
        "filename": "picture.jpg",
        "created_at": datetime.now(UTC),
    }
    async with db.transaction() as session:
        row = Image(team_id=team_id, weight=round(weight * MICRO), **(values | columns))
        session.add(row)
        await session.flush()
        if tags:
            named = {"names": list(tags), "keys": [tag_key(name) for name in tags]}
            ids = list(await session.scalars(TAGS, {"team": team_id, **named}))
            its = {"team": team_id, "image": row.id, "created_at": row.created_at}
            await session.execute(TAGGED, {**its, "tags": ids})
        return row.id


async def copies(db: Database, image_id: UUID, count: int) -> list[UUID]:
    """So many images like this one, with its tags, in one transaction."""
    async with db.transaction() as session:
        one = await session.get_one(Image, image_id)
        same = (
            "team_id",
            "state",
            "size_bytes",
            "format",
            "width",
            "height",
            "title",
            "created_at",
        )
        values = {name: getattr(one, name) for name in same}
        rows = [
            Image(**values, object_key=secrets.token_hex(8), sha256=secrets.token_bytes(32))
            for _ in range(count)
        ]
        session.add_all(rows)
        await session.flush()
        tag_ids = list(
            await session.scalars(select(ImageTag.tag_id).where(ImageTag.image_id == image_id))
        )
        session.add_all(
            ImageTag(team_id=row.team_id, image_id=row.id, tag_id=tag_id, created_at=row.created_at)
            for row in rows
            for tag_id in tag_ids
        )
        return [row.id for row in rows]


async def images(db: Database, team_id: UUID, count: int) -> list[UUID]:
    """So many stored images without bytes and tags, the oldest first, in one statement."""
    rows = text(
        "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title, filename,"
        " created_at) select :team, 'STORED', 'k', uuid_send(uuidv7()), 1, 'JPEG', 1, 1, '', 'x',"
        " timestamptz '2024-01-01' + n * interval '1 minute' from generate_series(1, cast(:count as int)) n"
        " returning id"
    )
    async with db.transaction() as session:
        return list(await session.scalars(rows, {"team": team_id, "count": count}))


def ticket(actor: Actor, token: str, **columns: Any) -> UploadTicket:
    """The row of an upload ticket of the actor's team, good for an hour."""
    values: dict[str, Any] = {
        "direct": False,
        "filename": "picture.jpg",
        "title": "A picture",
        "description": "",
        "size_bytes": 1000,
        "sha256": secrets.token_bytes(32),
        "tags": [],
        "weight": 1.0,
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    }
    return UploadTicket(
        team_id=actor.team_ids[0],
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        token_hash=hashlib.sha256(token.encode()).digest(),
        **(values | columns),
    )
