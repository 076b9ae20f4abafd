"""Seeded draws: an order of images by chance that anybody can make again, from the seed, the ids and the weights.

docs/draws.md tells how, with the same in Python; whoever changes the key breaks what was checked by it.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    LargeBinary,
    Select,
    Text,
    Uuid,
    cast,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import DrawHead, Image
from app.domain import Actor, ImageFilter, Window
from app.errors import bad_input
from app.services import filters, paging
from app.services.draws import recency
from app.services.filters import Match

MAX_SEED_LENGTH: Final = 200
HEX_DIGITS: Final = 13
BITS: Final = 4 * HEX_DIGITS
"""As many as a double holds with a half added, so that SQL and anybody else reckon with the very same number."""

PLAN_ANEW: Final = text("set local plan_cache_mode = 'force_custom_plan'")
"""Before everything that matches is read: a plan that knows nothing of the filter's values took 20 times as long."""


@dataclass(frozen=True, slots=True)
class Shuffle:
    """The images that match, each once, in the order in which this seed draws them without replacement."""

    seed: str
    wanted: ImageFilter
    half_life_days: float | None = None

    @property
    def salt(self) -> bytes:
        """BAD_USER_INPUT for a seed that is empty, too long, or no text."""
        if not 1 <= len(self.seed) <= MAX_SEED_LENGTH:
            raise bad_input("seed", f"A seed has 1 to {MAX_SEED_LENGTH} characters.")
        try:
            return self.seed.encode()
        except UnicodeEncodeError as error:
            raise bad_input("seed", "This is not Unicode text.") from error

    def key(self) -> ColumnElement[Any]:
        """The smallest is drawn first: -ln(u) / weight, the exponential race of Efraimidis and Spirakis (2006).

        An image's key depends on its own id, weight and date alone: a change of another one does not move it.
        """
        digest = func.sha256(literal(self.salt, LargeBinary()).op("||")(func.uuid_send(Image.id)))
        digits = func.substr(func.encode(digest, "hex"), 1, HEX_DIGITS, type_=Text())
        number = cast(cast(literal("x", Text()).concat(digits), BIT(BITS)), BigInteger)
        u = (cast(number, Double()) + literal(0.5, Double())) / literal(float(1 << BITS), Double())
        key = -func.ln(u, type_=Double()) / cast(Image.draw_weight, Double())
        if self.half_life_days is None:
            return key
        # Its logarithm has the same order, and no date is too far for it.
        return func.ln(key) - recency.gain(self.half_life_days)

    def keyset(self) -> paging.Keyset:
        """The order that cursors are bound to: another seed, filter or half-life is another list."""
        # What lies in the trash is never drawn, so that both kinds and none of it are the same.
        wanted = replace(self.wanted.canonical(), trashed=bool(self.wanted.trashed))
        facts = repr((self.seed, wanted, self.half_life_days)).encode("utf-8", "replace")
        name = hashlib.blake2b(facts, digest_size=8).hexdigest()
        return paging.Keyset(
            f"shuffle.{name}",
            (
                paging.Key(self.key(), lambda row: row.key, float),
                paging.Key(Image.id, lambda row: row.Image.id, UUID),
            ),
        )


async def page(
    session: AsyncSession, actor: Actor, asked: Shuffle, window: Window
) -> paging.Page[Image]:
    """A part of the order, forward. Weight 0 and the trash are never in it, whatever the filter says.

    One scan of everything that matches: a key that nobody knew before has no index.
    """
    recency.check(asked.half_life_days)
    keyset = asked.keyset()
    match = await matching(session, actor, asked.wanted)
    if match.empty:
        return paging.nothing(keyset, window)
    paging.check(window)
    if match.lists is None:
        await session.execute(PLAN_ANEW)
    rows = (await session.execute(_rows(asked, match, keyset, window))).all()
    more, rows = len(rows) > window.limit, rows[: window.limit]
    return paging.Page(
        rows=[row.Image for row in rows],
        cursors=[keyset.cursor(row) for row in rows],
        has_next=more,
        has_previous=window.cursor is not None,
    )


async def count(session: AsyncSession, actor: Actor, asked: Shuffle) -> int:
    """How many images the whole order has: from the kept counters where they are exact, else counted."""
    match = await matching(session, actor, asked.wanted)
    if match.empty:
        return 0
    if match.lists is None:
        return await paging.count(session, _drawable(match))
    drawable = select(func.coalesce(func.sum(DrawHead.n), 0)).where(filters.in_lists(match.lists))
    return int(await session.scalar(drawable) or 0)


async def matching(session: AsyncSession, actor: Actor, wanted: ImageFilter) -> Match:
    """What a draw may take of what the filter lets through: nothing that lies in the trash."""
    match = await filters.resolve(session, actor, replace(wanted, trashed=False))
    return replace(match, team_ids=()) if wanted.trashed else match


def _drawable(match: Match) -> Select[Image]:
    return match.images().where(Image.draw_weight > 0)


def _rows(asked: Shuffle, match: Match, keyset: paging.Keyset, window: Window) -> Select[Image]:
    """The page's images and one more, each with its key.

    Ids and keys are sorted first, for whole rows are ten times as wide. With a cursor, OFFSET keeps the planner
    from reckoning each key twice.
    """
    keyed = _drawable(match).with_only_columns(Image.id, asked.key().label("key"))
    if window.cursor is not None:
        keyed = keyed.offset(0)
    keys = keyed.subquery("keys")
    first = select(keys).order_by(keys.c.key, keys.c.id).limit(window.limit + 1)
    if window.cursor is not None:
        key, image_id = keyset.parse(window.cursor, field="after")
        place = tuple_(literal(key, Double()), literal(image_id, Uuid()))
        first = first.where(tuple_(keys.c.key, keys.c.id) > place)
    chosen = first.subquery("chosen")
    return (
        select(Image, chosen.c.key)
        .join(chosen, chosen.c.id == Image.id)
        .order_by(chosen.c.key, chosen.c.id)
    )
