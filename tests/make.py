"""Makes rows for tests, straight in the tables."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from app.db.models import Image, ImageTag, Membership, Tag, Team, UploadTicket, User
from app.domain import MICRO, Actor, ImageFormat, ImageState, Role, tag_key
from tests.database import Database


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
    team_id = team_id or await team(db)
    user_id = await user(db)
    async with db.transaction() as session:
        session.add(Membership(team_id=team_id, user_id=user_id, role=role))
    return Actor(user_id=user_id, roles={team_id: role})


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
        for name in tags:
            tag_id = await session.scalar(
                select(Tag.id).where(Tag.team_id == team_id, Tag.key == tag_key(name))
            )
            if tag_id is None:
                tag_row = Tag(team_id=team_id, name=name, key=tag_key(name))
                session.add(tag_row)
                await session.flush()
                tag_id = tag_row.id
            session.add(
                ImageTag(team_id=team_id, image_id=row.id, tag_id=tag_id, created_at=row.created_at)
            )
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
