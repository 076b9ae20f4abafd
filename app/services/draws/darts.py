"""Darts: images hit by chance in the lists that cover a filter, one after the other, until enough of them match."""

import math
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Select,
    Uuid,
    all_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Image, ImageTag
from app.db.prepared import IMAGES, Prepared
from app.domain import NO_ID
from app.services.draws import recency, spans
from app.services.draws.values import MOMENT, UUIDS, array, value
from app.services.filters import ALWAYS, FIRST_INSTANT, LAST_INSTANT, Match

MAX_DARTS: Final = 2_000
"""All of them missing, they take a tenth of what the scan of a list of 278,000 images takes."""
IMAGES_A_DART: Final = 40
"""A scan reads about this many images in twice the time that one dart takes."""
ROUNDS: Final = 3
"""The driver sends it as infinity, and the first one as -infinity."""

# Of each team the lightest list is taken, and all of these are put end to end: `whole` integers, of which a dart hits
# one, by 62 random bits. That is an image's, or a hole's. Darts come in blocks of 16; whoever takes no more rows has no
# more thrown. After the first blocks, the index of dates tells whether a range of them has so many images that the next
# are worth it. Most segments begin within four times the average weight before what is aimed at: looked for there first,
# PostgreSQL does not read the index's page to its end, which took a third of a dart.
DARTS: Final = (
    text(
        """
        select nth, coin, size, image_id
        from (
          select array_agg(team_id order by past) as teams, array_agg(tag_id order by past) as tags,
            array_agg(lane order by past) as lanes, array_agg(past - total order by past) as starts,
            array_agg(4 * (total / n) order by past) as reaches,
            max(past) as whole, sum(images)::bigint as size
          from (
            select h.*, sum(h.total) over (order by h.team_id, h.tag_id, h.lane)::bigint as past
            from (
              select distinct on (asked.team_id) asked.team_id, asked.tag_id
              from unnest((select :teams), (select :tags)) as asked (team_id, tag_id)
              left join lateral (
                select sum(w.live) as live from draw_head w
                where (w.team_id, w.tag_id) = (asked.team_id, asked.tag_id)
              ) weight on true
              order by asked.team_id, coalesce(weight.live, 0)
            ) lightest
            join draw_head h on (h.team_id, h.tag_id) = (lightest.team_id, lightest.tag_id)
            where h.live > 0
          ) head
          having count(*) > 0
        ) line
        cross join generate_series(0, greatest(:least, least(:most, size / :images_a_dart)) / 16) as block
        cross join lateral (
          select nth, coin, coalesce((
            select case when aim < l.pos + l.weight then l.image_id end from draw_line l
            where (l.team_id, l.tag_id, l.lane) = (the_team, the_tag, the_lane) and l.pos <= aim and l.pos > aim - reach
            order by l.pos desc limit 1
          ), (
            select case when aim < l.pos + l.weight then l.image_id end from draw_line l
            where (l.team_id, l.tag_id, l.lane) = (the_team, the_tag, the_lane) and l.pos <= aim
            order by l.pos desc limit 1
          )) as image_id
          from (
            select nth, coin, teams[at] as the_team, tags[at] as the_tag, lanes[at] as the_lane,
              spot - starts[at] as aim, reaches[at] as reach
            from (
              select nth, coin, bits % whole as spot, width_bucket(bits % whole, starts) as at
              from (
                select block * 16 + generate_series(1, 16) as nth, 1 - random() as coin,
                  floor(random() * 2147483648)::bigint << 31 | floor(random() * 2147483648)::bigint as bits
              ) thrown
              where bits - bits % whole <= (1::bigint << 62) - whole
              offset 0
            ) placed
            offset 0
          ) aimed
          offset 0
        ) dart
        where image_id is not null and (block < (select :sure) or exists (
          select from image
          where team_id = any((select :teams)::uuid[]) and created_at >= (select :since) and created_at < (select :until)
          offset (select :few)
        ))
        """
    )
    .bindparams(
        bindparam("teams", type_=UUIDS),
        bindparam("tags", type_=UUIDS),
        bindparam("least", type_=Integer()),
        bindparam("most", type_=Integer()),
        bindparam("images_a_dart", type_=Integer()),
        bindparam("sure", type_=Integer()),
        bindparam("few", type_=Integer()),
        bindparam("since", type_=MOMENT),
        bindparam("until", type_=MOMENT),
    )
    .columns(nth=Integer(), coin=Double(), size=BigInteger(), image_id=Uuid())
    .subquery("dart")
)

NEWEST: Final = func.least(
    recency.newest(value("teams", UUIDS)), value("until", MOMENT), type_=MOMENT
)
"""A moment that no image is younger than."""


async def draw(
    session: AsyncSession, match: Match, *, count: int, half_life_days: float | None = None
) -> list[Image]:
    """The first of `count` images that are drawn from what matches: as many as darts find for half of what a scan costs.

    One statement, so that lists and filter are read as of one moment; one or two more where few images have most of the
    weight, and the same ones are hit again and again.
    """
    aged = half_life_days is not None
    asked = values(match, count, half_life_days)
    if spans.are_few(match, count) is False:
        asked["few"] = 0
    drawn: list[Image] = []
    for _ in range(ROUNDS):
        wanted = count - len(drawn)
        hits = wanted + _spare(match, wanted, half_life_days)
        asked |= {"drawn": [one.id for one in drawn], "count": wanted, "hits": hits}
        rows = await _rows(session, match, asked, aged=aged)
        drawn += [image for image, *_ in rows]
        if len(drawn) == count or not rows:
            break
        _, found, thrown, size = rows[0]
        if found < hits or thrown * IMAGES_A_DART > size:
            break
    return drawn


def _spare(match: Match, wanted: int, half_life_days: float | None) -> int:
    """So many hits more are taken in case that some are of one image: many where each dart is a hit."""
    if wanted == 1:
        return 0
    cheap = match.lists is not None and half_life_days is None
    return 8 + wanted // 4 if cheap else wanted // 50


def values(match: Match, count: int, half_life_days: float | None) -> dict[str, Any]:
    """What the statements here and in scans ask with."""
    lists = [(team, tag) for team, tags in match.all_tags.items() for tag in tags or (NO_ID,)]
    undated = match.created_at == ALWAYS
    asked = {
        "teams": [team for team, _ in lists],
        "tags": [tag for _, tag in lists],
        "names": len(next(iter(match.all_tags.values()))),
        "least": 32 + 4 * count,
        "most": MAX_DARTS if undated else min(MAX_DARTS, 600 + 30 * count),
        "images_a_dart": IMAGES_A_DART,
        "sure": 1 + count // 4,
        "few": 0 if undated else spans.few(match, count),
        "since": match.created_at.start or FIRST_INSTANT,
        "until": match.created_at.end or LAST_INSTANT,
        "count": count,
    }
    if half_life_days is not None:
        asked["gain"] = -math.log(2) / (recency.DAY_SECONDS * half_life_days)
    return asked


def _answers(images: Select[Image], *, aged: bool) -> Select[Any]:
    """The first of the images hit that match and are not drawn yet, in the order of the hits; how many darts were thrown
    for how many hits, and how many images the lists have.

    Of the hits of an old image only a share counts, by the dart's coin from (0, 1].
    Nothing may come between darts and limit that reads the darts to their end, or changes their order: with OFFSET, PostgreSQL
    can but try each hit by itself. It also keeps it from a way that would be quick for other values than these.
    """
    match = images.with_only_columns(Image.id).where(Image.id == DARTS.c.image_id)
    if aged:
        match = match.where(
            func.ln(DARTS.c.coin)
            <= value("gain", Double())
            * (recency.seconds(NEWEST) - recency.seconds(Image.created_at))
        )
    hits = (
        select(DARTS.c.image_id, DARTS.c.nth, DARTS.c.size)
        .where(
            DARTS.c.image_id != all_(array("drawn")),
            match.offset(literal_column("0")).correlate(DARTS).exists(),
        )
        .limit(value("hits", Integer()))
        .cte("hits")
        .prefix_with("materialized")
    )
    firsts = (
        select(hits.c.image_id, func.min(hits.c.nth).label("nth"))
        .group_by(hits.c.image_id)
        .order_by("nth")
        .limit(value("count", Integer()))
        .subquery("firsts")
    )
    whole = select(
        func.count().label("hits"),
        func.max(hits.c.nth).label("thrown"),
        func.max(hits.c.size).label("size"),
    ).subquery("whole")
    return (
        select(Image, whole.c.hits, whole.c.thrown, whole.c.size)
        .select_from(firsts)
        .join(Image, Image.id == firsts.c.image_id)
        .join(whole, true())
        .order_by(firsts.c.nth)
    )


def _team_images() -> Select[Image]:
    """What lies in the lists, which are trusted for tag and trash: found by its key alone, however many a tag has."""
    return select(Image).where(Image.team_id == any_(array("teams")), Image.live)


def carried(image: Any) -> Any:
    """How many of the filter's tags are on it."""
    return (
        select(func.count())
        .where(
            ImageTag.team_id == image.c.team_id,
            ImageTag.image_id == image.c.id,
            ImageTag.tag_id == any_(array("tags")),
        )
        .correlate(image)
        .scalar_subquery()
    )


def _tagged_and_dated() -> Select[Image]:
    """All tags and dates, without a statement of their own to put together. One tag is known from the list already.

    IS TRUE keeps the dates from being looked for in their index, which has them by the thousand.
    """
    names = value("names", Integer())
    return _team_images().where(
        (Image.created_at >= value("since", MOMENT)).is_(true()),
        (Image.created_at < value("until", MOMENT)).is_(true()),
        or_(names < 2, carried(Image.__table__) == names),
    )


LISTED: Final = tuple(Prepared(_answers(_team_images(), aged=aged)) for aged in (False, True))
TAGGED_AND_DATED: Final = tuple(
    Prepared(_answers(_tagged_and_dated(), aged=aged)) for aged in (False, True)
)
"""To make one anew takes twice as long as to run it."""


async def _rows(
    session: AsyncSession, match: Match, asked: Mapping[str, Any], *, aged: bool
) -> list[tuple[Image, int, int, int]]:
    if match.lists is None and not match.beside:
        made = _answers(match.images(), aged=aged)
        return [(*row,) for row in await session.execute(made, asked)]
    statement = (TAGGED_AND_DATED if match.lists is None else LISTED)[aged]
    of_image = len(IMAGES.columns)
    rows = await statement.rows(session, asked)
    return [(IMAGES.of(row), *row[of_image:]) for row in rows]
