"""Writers that change one team's images, tags and vectors at random, many at once."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import sqlstate
from app.db.models import Image, ImageTag, ImageVector, Tag
from app.domain import MICRO, NO_ID, ImageState
from tests.database import Database

NAMES = ("sea", "sun", "sky", "sand")
Act = Callable[[AsyncSession, random.Random], Awaitable[None]]


class Churn:
    """Each act is one transaction. `outcomes` counts those done, their tries, and refusals by SQLSTATE."""

    def __init__(self, db: Database, team_id: UUID, model_id: int) -> None:
        self.db = db
        self.team_id = team_id
        self.model_id = model_id
        self.acts: list[Act] = [
            *[self.upload] * 3,
            *[self.reweight] * 3,
            *[self.trash] * 2,
            *[self.tag] * 3,
            *[self.untag] * 2,
            self.retitle,
            *[self.embed] * 3,
            self.remove,
            self.forget_tag,
            self.rename_tag,
        ]
        self.outcomes: Counter[str] = Counter()

    async def run(self, *, writers: int, seconds: float) -> None:
        await asyncio.gather(*(self.write(number, seconds) for number in range(writers)))

    async def write(self, seed: int, seconds: float) -> None:
        rng = random.Random(seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            act = rng.choice(self.acts)
            try:
                await self.db.run(partial(self.once, act=act, rng=rng))
                self.outcomes["done"] += 1
            except DBAPIError as error:
                # A tag or an image went between its look-up and its use, or four deadlocks in a row.
                self.outcomes[str(sqlstate(error))] += 1

    async def once(self, session: AsyncSession, *, act: Act, rng: random.Random) -> None:
        self.outcomes["tries"] += 1
        await session.execute(text("set local deadlock_timeout = '10ms'"))
        await act(session, rng)

    async def some(self, session: AsyncSession, rng: random.Random, count: int) -> list[UUID]:
        """Some images. Several are locked in the order of their ids, as services do; one is not."""
        ids = list(await session.scalars(select(Image.id).where(Image.team_id == self.team_id)))
        ids = rng.sample(ids, min(count, len(ids)))
        if count > 1:
            locked = select(Image.id).where(Image.id.in_(ids)).order_by(Image.id)
            await session.execute(locked.with_for_update(key_share=True))
        return ids

    async def tag_id(self, session: AsyncSession, name: str) -> UUID:
        """The tag's id; it may be gone by the time it is used."""
        values = {"team_id": self.team_id, "name": name, "key": name}
        await session.execute(insert(Tag).values(values).on_conflict_do_nothing())
        query = select(Tag.id).where(Tag.team_id == self.team_id, Tag.key == name)
        return (await session.scalars(query)).one_or_none() or NO_ID

    async def upload(self, session: AsyncSession, rng: random.Random) -> None:
        tag_ids = [await self.tag_id(session, name) for name in sorted(rng.sample(NAMES, 2))]
        row = Image(
            team_id=self.team_id,
            state=rng.choice([ImageState.PENDING, ImageState.STORED]),
            object_key="k",
            sha256=rng.randbytes(8) + str(time.monotonic_ns()).encode(),
            size_bytes=1,
            format="JPEG",
            width=1,
            height=1,
            weight=rng.randrange(4) * MICRO,
        )
        session.add(row)
        await session.flush()
        await self.attach(session, [row.id], tag_ids)
        row.state = ImageState.STORED
        await session.flush()

    async def attach(
        self, session: AsyncSession, image_ids: list[UUID], tag_ids: list[UUID]
    ) -> None:
        await session.execute(
            text(
                "insert into image_tag (team_id, image_id, tag_id, created_at)"
                " select team_id, i.id, t.id, i.created_at from image i join tag t using (team_id)"
                " where i.id = any(:images) and t.id = any(:tags) on conflict do nothing"
            ),
            {"images": image_ids, "tags": tag_ids},
        )

    async def tag(self, session: AsyncSession, rng: random.Random) -> None:
        tag_id = await self.tag_id(session, rng.choice(NAMES))
        await self.attach(session, await self.some(session, rng, rng.choice([1, 3])), [tag_id])

    async def untag(self, session: AsyncSession, rng: random.Random) -> None:
        tag_id = await self.tag_id(session, rng.choice(NAMES))
        ids = await self.some(session, rng, rng.choice([1, 3]))
        await session.execute(
            delete(ImageTag).where(ImageTag.image_id.in_(ids), ImageTag.tag_id == tag_id)
        )

    async def reweight(self, session: AsyncSession, rng: random.Random) -> None:
        ids = await self.some(session, rng, rng.choice([1, 3]))
        weight = rng.choice([0, 1, 3, 10]) * MICRO
        await session.execute(update(Image).where(Image.id.in_(ids)).values(weight=weight))

    async def trash(self, session: AsyncSession, rng: random.Random) -> None:
        ids = await self.some(session, rng, 3)
        moment = rng.choice([None, datetime.now(UTC)])
        await session.execute(update(Image).where(Image.id.in_(ids)).values(trashed_at=moment))

    async def retitle(self, session: AsyncSession, rng: random.Random) -> None:
        ids = await self.some(session, rng, 1)
        title = f"title {rng.randrange(99)}"
        await session.execute(update(Image).where(Image.id.in_(ids)).values(title=title))

    async def embed(self, session: AsyncSession, rng: random.Random) -> None:
        for image_id in await self.some(session, rng, 1):
            await session.execute(delete(ImageVector).where(ImageVector.image_id == image_id))
            await session.execute(
                text(
                    "insert into image_vector (team_id, model_id, image_id, created_at, embedding)"
                    " select team_id, :model, id, created_at, '[1,0]' from image where id = :image"
                    " on conflict do nothing"
                ),
                {"model": self.model_id, "image": image_id},
            )

    async def remove(self, session: AsyncSession, rng: random.Random) -> None:
        ids = await self.some(session, rng, 2)
        await session.execute(delete(Image).where(Image.id.in_(ids)))

    async def forget_tag(self, session: AsyncSession, rng: random.Random) -> None:
        await session.execute(
            delete(Tag).where(Tag.team_id == self.team_id, Tag.key == rng.choice(NAMES))
        )

    async def rename_tag(self, session: AsyncSession, rng: random.Random) -> None:
        name = rng.choice(NAMES)
        await session.execute(
            update(Tag)
            .where(Tag.team_id == self.team_id, Tag.key == name)
            .values(name=f"{name} {rng.randrange(9)}")
        )
