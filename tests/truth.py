"""Compares what triggers keep (lines, heads, words, tags beside vectors) with the rows they keep it from."""

from typing import Final
from uuid import UUID

from sqlalchemy import text

from tests.database import Database

OWED: Final = """
with member as (
  select i.id as image_id, list.tag_id, draw_lane(i.id) as lane, i.draw_weight as weight
  from image i cross join lateral (
    select cast('00000000-0000-0000-0000-000000000000' as uuid) as tag_id
    union all
    select tag_id from image_tag t where t.team_id = i.team_id and t.image_id = i.id
  ) list
  where i.team_id = :team and i.state = 'STORED' and i.trashed_at is null
)
"""
FAULTS: Final = {
    "lines": f"""{OWED}, owed as (
        select tag_id, lane, image_id, weight from member where weight > 0
    ), kept as (
        select tag_id, lane, image_id, weight from draw_line where team_id = :team
    )
    (table owed except table kept) union all (table kept except table owed)""",
    "heads": f"""{OWED}, owed as (
        select tag_id, lane, sum(weight)::bigint, count(*) filter (where weight > 0), count(*)
        from member group by tag_id, lane
    ), kept as (
        select tag_id, lane, live, n, images from draw_head where team_id = :team
    )
    (table owed except table kept) union all (table kept except table owed)""",
    "holes": """select * from draw_head where team_id = :team
        and (total < live or total > 2 * live or least(total, live, n, images) < 0)""",
    "overlaps": """select * from (
        select pos, lag(pos + weight) over lane as free, pos + weight as past, h.total
        from draw_line l left join draw_head h using (team_id, tag_id, lane) where team_id = :team
        window lane as (partition by tag_id, lane order by pos)
    ) l where pos < free or past > total or total is null or pos < 0""",
    "words": """select id from image where team_id = :team and words <> case when state = 'STORED'
        then image_words(team_id, id, title, description, filename) else '' end""",
    "vectors": """select v.image_id from image_vector v join image i on i.id = v.image_id
        where v.team_id = :team and i.state = 'STORED' and v.tag_ids <> array(
          select tag_id from image_tag t where t.image_id = v.image_id order by tag_id)""",
}


async def faults(db: Database, team_id: UUID) -> dict[str, int]:
    """How many rows are wrong, by kind; empty where all is right."""
    async with db.transaction() as session:
        counts = {
            kind: await session.scalar(
                text(f"select count(*) from ({query}) wrong"), {"team": team_id}
            )
            for kind, query in FAULTS.items()
        }
    return {kind: count for kind, count in counts.items() if count}
