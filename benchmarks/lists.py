"""What a page of images costs far down a list, in every order and under every filter, against the first one and OFFSET.

    python -m benchmarks.lists --url postgresql+asyncpg://… [--repeats 5]

of a database that benchmarks.seed filled. Asked in the service, through PostgreSQL's second wall, by a member of the
largest team and by one of all teams. The far page is the last full one, beyond the 10,000th where a list has so many,
and the end is what `last` answers. Read the ratios: the pages were asked in turns within one run. OFFSET is asked once,
in the order of creation.
"""

# ruff: noqa: T201  It prints a table.

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.database import Database
from app.db.models import Collection, Image, Membership, Team, User
from app.domain import (
    MAX_PAGE,
    Actor,
    DateTimeRange,
    ImageFilter,
    ImageFormat,
    ImageOrder,
    ImageOrderField,
    IntRange,
    ProcessingStatus,
    Role,
    TagFilter,
    Window,
)
from app.errors import AppError
from app.services import filters, images, paging
from benchmarks.seed import EVERYBODY

PAGE: Final = 50


async def shapes(session: AsyncSession, team_id: UUID) -> dict[str, ImageFilter]:
    """Every kind of condition: by name, and with what of this library it is about."""
    of_team = select(Membership.user_id).join(User).where(User.email == "p1.3@example.org")
    uploader = (await session.scalars(of_team)).one()
    in_team = select(Collection.id).where(Collection.team_id == team_id)
    half = (await session.scalars(in_team.where(Collection.name == "Half"))).one()
    few = (await session.scalars(in_team.where(Collection.name == "A few"))).one()
    last_years = DateTimeRange(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC))
    return {
        "none": ImageFilter(),
        "a tag (36 %)": ImageFilter(tags=TagFilter(all=("t1",))),
        "a tag (0.23 %)": ImageFilter(tags=TagFilter(all=("t199",))),
        "two tags": ImageFilter(tags=TagFilter(all=("t1", "t2"))),
        "two tags, one rare": ImageFilter(tags=TagFilter(all=("t1", "t150"))),
        "any of three tags": ImageFilter(tags=TagFilter(any=("t1", "t20", "t190"))),
        "none of two tags": ImageFilter(tags=TagFilter(none=("t1", "t2"))),
        "17 months": ImageFilter(created_at=last_years),
        "17 months of taking": ImageFilter(taken_at=last_years),
        "formats (11 %)": ImageFilter(formats=(ImageFormat.PNG, ImageFormat.GIF)),
        "sizes (10 %)": ImageFilter(size_bytes=IntRange(5_500_000, None)),
        "an uploader": ImageFilter(uploaded_by_id=uploader),
        "a collection (50 %)": ImageFilter(collection_id=half),
        "a collection (0.1 %)": ImageFilter(collection_id=few),
        "a word (5 %)": ImageFilter(text="harbour"),
        "the trash": ImageFilter(trashed=True),
        "not ready": ImageFilter(processing=(ProcessingStatus.PENDING, ProcessingStatus.FAILED)),
        "damaged": ImageFilter(damaged=True),
    }


async def actors(db: Database) -> dict[str, Actor]:
    async with db.owner.transaction() as session:
        rows = await session.execute(
            select(Membership.user_id, Membership.team_id)
            .join(User)
            .join(Team)
            .where(User.email == EVERYBODY)
            .order_by(func.length(Team.slug), Team.slug)
        )
        found = [(user_id, team_id) for user_id, team_id in rows]
    user_id, largest = found[0]
    roles = {team: Role.ADMIN for _, team in found}
    return {
        "one team": Actor(user_id=user_id, roles={largest: Role.ADMIN}),
        f"{len(roles)} teams": Actor(user_id=user_id, roles=roles),
    }


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Milliseconds, and the outcome."""
    began = time.perf_counter()
    outcome = await work()
    return (time.perf_counter() - began) * 1_000, outcome


class Asked:
    """One list of one actor."""

    def __init__(self, db: Database, actor: Actor, wanted: ImageFilter, order: ImageOrder) -> None:
        self._entrance = db.acting(actor)
        self._actor, self._wanted, self._order = actor, wanted, order

    async def page(self, window: Window) -> paging.Page[Image]:
        async with self._entrance.transaction() as session:
            return await images.page(session, self._actor, self._wanted, self._order, window)

    async def count(self) -> int:
        async with self._entrance.transaction() as session:
            return await images.count(session, self._actor, self._wanted)

    async def by_offset(self, offset: int) -> list[Image]:
        """As it would be done without cursors."""
        async with self._entrance.transaction() as session:
            match = await filters.resolve(session, self._actor, self._wanted)
            keyset = images.keyset(self._order)
            columns = [key.column for key in keyset.keys]
            rows = match.images().order_by(*paging.in_order(columns, keyset, Window()))
            return list(await session.scalars(rows.offset(offset).limit(PAGE)))


async def measured(asked: Asked, repeats: int) -> str:
    """Page 1, the last full one and the ratio, the end and its ratio."""
    first, backward = Window(PAGE), Window(PAGE, backward=True)
    end = await asked.page(Window(min(2 * PAGE, MAX_PAGE), backward=True))
    last = Window(PAGE, end.cursors[0] if end.cursors else None)
    took: dict[Window, list[float]] = {first: [], last: [], backward: []}
    for _ in range(repeats):
        for window, times in took.items():
            times.append((await timed(partial(asked.page, window)))[0])
    near, *others = (statistics.median(times) for times in took.values())
    return f"{near:9.1f}" + "".join(f" {one:9.1f} {one / near:7.2f}" for one in others)


async def naive(asked: Asked, total: int) -> str:
    """The last full page by OFFSET, and how long it takes."""
    try:
        took, _ = await timed(lambda: asked.by_offset(max(total - PAGE, 0)))
    except (AppError, DBAPIError, TimeoutError):
        return " > 60,000"
    return f"{took:9.0f}"


async def main(url: str, repeats: int, only: str, scopes: str) -> None:
    db = Database(url, pool_size=1)
    head = f"{'page 1':>9} {'last page':>9} {'ratio':>7} {'end':>9} {'ratio':>7} {'by OFFSET':>9} {'count':>9}"
    for scope, actor in (await actors(db)).items():
        if scopes not in scope:
            continue
        async with db.acting(actor).transaction() as session:
            wanted = await shapes(session, actor.team_ids[0])
        print(f"\n{scope + ', ms':<24} {'by':<11} {'matches':>9} {'pages':>7} {head}")
        for name, one in wanted.items():
            if only not in name:
                continue
            for field in ImageOrderField:
                asked, more = Asked(db, actor, one, ImageOrder(field)), ""
                if field is ImageOrderField.CREATED_AT:
                    counting, total = await timed(asked.count)
                    more = f"{await naive(asked, total)} {counting:9.1f}"
                line = await measured(asked, repeats)
                pages = -(-total // PAGE)
                print(f"{name:<24} {field:<11} {total:>9,} {pages:>7,} {line} {more}", flush=True)
    await db.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="of the filters, those with this in their name")
    parser.add_argument("--scope", default="", help="`one team` or `20 teams`")
    given = parser.parse_args()
    asyncio.run(main(given.url, given.repeats, given.only, given.scope))
