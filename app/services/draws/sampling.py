"""Chance: images drawn in exact proportion to their weights, among those that a filter lets through."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image
from app.domain import Actor, ImageFilter, Window
from app.errors import bad_input
from app.services.draws import darts, recency, scans, shuffles, spans
from app.services.draws.shuffles import Shuffle
from app.services.filters import ALWAYS

MAX_COUNT: Final = 100


async def draw(
    session: AsyncSession,
    actor: Actor,
    wanted: ImageFilter,
    *,
    count: int = 1,
    seed: str | None = None,
    half_life_days: float | None = None,
) -> list[Image]:
    """`count` different images that match, in the order they were drawn; fewer where fewer match.

    Each is drawn with probability weight / (sum of the weights of those that match and are not yet drawn).
    `half_life_days`: a weight counts half where the image is so much older. `seed`: the same images in the same
    order each time. Weight 0 and the trash are never drawn, whatever the filter says. BAD_USER_INPUT outside
    1 to 100.

    Why it is exact: darts at lists that cover the filter hit each image in proportion to its weight. The
    first that matches and is new is then proportional among the rest, and which one that is does not
    depend on how many darts missed. So they may be given up after any number, as long as no image still to
    come has a say in it, and the next be drawn from the same rest in another exact way: by a scan. Of the
    hits of an old image only a share counts, by a coin for each dart: what counts is then in proportion to
    weight and age.
    """
    if not 1 <= count <= MAX_COUNT:
        raise bad_input("count", f"Between 1 and {MAX_COUNT} images.", limit=MAX_COUNT)
    recency.check(half_life_days)
    if seed is not None:
        asked = Shuffle(seed, wanted, half_life_days)
        return [*(await shuffles.page(session, actor, asked, Window(limit=count))).rows]
    match = await shuffles.matching(session, actor, wanted)
    if match.empty:
        return []
    is_dated = match.beside and match.created_at != ALWAYS
    if is_dated and spans.are_few(match, count):
        few = await scans.dated(session, match, [], count=count, half_life_days=half_life_days)
        if few is not None:
            return few
    drawn: list[Image] = []
    if wanted.ids is None:
        drawn += await darts.draw(session, match, count=count, half_life_days=half_life_days)
    if is_dated and len(drawn) < count:
        few = await scans.dated(session, match, drawn, count=count, half_life_days=half_life_days)
        if few is not None:
            return drawn + few
    if len(drawn) < count:
        left = count - len(drawn)
        drawn += await scans.draw(session, match, drawn, count=left, half_life_days=half_life_days)
    return drawn
