"""A look through vectors for a filter that is `beside`, as text. SQLAlchemy's constructs alone would cost more than the search,
so a statement is made once for each shape of a question, and what differs within a shape are its values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    REAL,
    DateTime,
    Double,
    Integer,
    Text,
    Uuid,
)
from sqlalchemy.types import TypeEngine

from app.db.prepared import IMAGES, Prepared

GRAPH: Final = """
(select image_id, team_id, greatest(-1.0, least(1.0, -distance)) as score
from (select set_config('hnsw.ef_search', :breadth_{n}, true) as breadth offset 0) its cross join lateral (
  select image_id, team_id, {embedding} <#> {vector} as distance from image_vector
  where team_id = {team} and model_id = {model} and its.breadth is not null {tags} {dates} {without}
  order by {embedding} <#> {vector} limit :depth_{n}
) near)
"""
"""What is cast as the index has it. The index is found because these statements are planned for their values. Its breadth is set
when its turn comes, for the graph's own size: what is joined laterally is not begun before."""
TASTE: Final = """
(select case when true {tags} {dates} {without} then image_id end as image_id, team_id, greatest(-1.0, least(1.0, -distance)) as score
from (select set_config('hnsw.ef_search', :breadth_{n}, true) as breadth offset 0) its cross join lateral (
  select image_id, team_id, tag_ids, created_at, {embedding} <#> {vector} as distance from image_vector
  where team_id = {team} and model_id = {model} and its.breadth is not null
  order by {embedding} <#> {vector} limit :depth_{n}
) near)
"""
"""The nearest, whether they match or not: those that do not have no id."""
SCAN: Final = """
(select image_id, team_id, score from (
  select v.image_id, v.team_id, greatest(-1.0, least(1.0, -(v.embedding <#> {vector}))) as score
  from {source} and v.model_id = {model} {dates} {without} {order} offset 0
) every where {wanted} order by score desc, image_id limit :most)
"""
"""Each of them compared. The offset is a fence: no condition on the score is ever tried on a vector of another model,
which may have another length."""
ALL: Final = "image_vector v where v.team_id = any(:scanned)"
TAGGED: Final = """
image_vector v where v.team_id = :scanned_{n} and v.image_id = any(array(
  select t.image_id from image_tag t where t.team_id = :scanned_{n} and t.tag_id = :rarest_{n} {tag_dates}
))
"""
"""By the tag that fewest have: with all ids as one array, PostgreSQL walks the leaves of the index once, where a join
descends for each. It cannot take the array for a filter, whatever statistics say: their order would have to be sorted."""
BEST: Final = """
with found as materialized ({branches}), top as materialized (
  select image_id, team_id, score from found where {wanted} order by score desc, image_id limit :most
)
(select top.image_id, top.team_id, top.score, 0::bigint as reached {columns}
from top cross join lateral (
  select i.* from image i where i.team_id = top.team_id and i.id = top.image_id and i.live offset 0
) i
order by top.score desc, top.image_id limit :page)
"""
"""The offset is a fence: one look for each of the best, until there are enough, where PostgreSQL may make a table of all that
are live first."""
EXTENTS: Final = """
union all
select null, team_id, min(score), count(*) {nulls} from found where team_id = any(:by_graph) group by team_id
"""
"""How far each graph was followed."""
AS_EVER: Final = """
union all
select null, null, null, (select count(*) from top) {nulls}
where set_config('enable_sort', 'on', true) = 'on'
  and set_config('plan_cache_mode', 'force_custom_plan', true) is not null
"""
"""What comes after this statement may sort, and is planned for its own values."""
IDS: Final = ARRAY(Uuid())
TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "most": Integer(),
    "page": Integer(),
    "by_graph": IDS,
    "scanned": IDS,
    "start": DateTime(timezone=True),
    "end": DateTime(timezone=True),
    "without": Uuid(),
    "vector": ARRAY(REAL()),
    "floor": Double(),
    "floors": ARRAY(Double()),
    "floor_teams": IDS,
    "last_score": Double(),
    "last_id": Uuid(),
}
TYPES_OF_TEAM: Final[dict[str, TypeEngine[Any]]] = {
    "by_graph": Uuid(),
    "scanned": Uuid(),
    "rarest": Uuid(),
    "tags": IDS,
    "others": IDS,
    "depth": Integer(),
    "breadth": Text(),
}
"""Of values that each team has of its own: `tags_0`, `tags_1`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text. `scanned`: how many teams have a branch each; without tags one has them all.

    `tags`: how many each match carries. `dimension`: of the vectors of this model. `has_images`: the page brings them along.
    """

    model_id: int
    dimension: int
    by_graph: int
    tasted: bool
    scanned: int
    tags: int
    has_start: bool
    has_end: bool
    has_without: bool
    floor: Literal["none", "one", "each"]
    has_after: bool
    has_images: bool


@lru_cache(maxsize=512)
def statement(shape: Shape) -> Prepared:
    """Rows of image_id, team_id, score, 0 of live images; then, of each team whose graph was followed, null, its id,
    the worst score reached, how many were reached; and one of null, null, null, how many there were to choose from.

    With images, each row goes on with the columns of its image, or nulls.
    """
    return _made(shape, [f":by_graph_{n}" for n in range(shape.by_graph)])


@lru_cache(maxsize=64)
def kept(shape: Shape, teams: Sequence[UUID]) -> Prepared:
    """The same, with the teams of its graphs written out: PostgreSQL finds the graphs whatever the values are, so one plan is enough."""
    return _made(shape, [f"'{team.hex}'" for team in teams])


def _made(shape: Shape, graphs: Sequence[str]) -> Prepared:
    """`graphs`: the team of each."""
    wanted = " and ".join(_wanted(shape)) or "true"
    columns = IMAGES.columns if shape.has_images else ()
    parts = {
        "branches": " union all ".join(_branches(shape, wanted, graphs)),
        "wanted": wanted,
        "columns": "".join(f", i.{one.name}" for one in columns),
        "nulls": ", null" * len(columns),
    }
    asked = BEST + (EXTENTS if shape.by_graph else "") + AS_EVER
    return Prepared.of_text(asked.format(**parts), _type_of)


def _type_of(name: str) -> TypeEngine[Any]:
    return TYPES[name] if name in TYPES else TYPES_OF_TEAM[name.rpartition("_")[0]]


def _branches(shape: Shape, wanted: str, graphs: Sequence[str]) -> Iterator[str]:
    parts = {
        "model": int(shape.model_id),
        "wanted": wanted,
        "without": "and image_id <> :without" if shape.has_without else "",
        "embedding": f"embedding::halfvec({int(shape.dimension)})",
        "vector": "cast(:vector as halfvec)",
    }
    for n, team in enumerate(graphs):
        tags = f"and tag_ids @> :tags_{n}" if shape.tags else ""
        graph = TASTE if shape.tasted else GRAPH
        yield graph.format(n=n, team=team, tags=tags, dates=_dates(shape, "created_at"), **parts)
    parts["without"] = "and v.image_id <> :without" if shape.has_without else ""
    parts["dates"] = _dates(shape, "v.created_at")
    if shape.scanned and not shape.tags:
        yield SCAN.format(source=ALL, order="", **parts)
        return
    for n in range(shape.scanned):
        source = TAGGED.format(n=n, tag_dates=_dates(shape, "t.created_at"))
        others = f"and v.tag_ids @> :others_{n}" if shape.tags > 1 else ""
        yield SCAN.format(source=source + others, order="order by v.image_id", **parts)


def _dates(shape: Shape, column: str) -> str:
    start = f"and {column} >= :start" if shape.has_start else ""
    return f"{start} and {column} < :end" if shape.has_end else start


def _wanted(shape: Shape) -> Iterator[str]:
    """Behind the cursor, and near enough; a team without a floor of its own has no hits."""
    if shape.tasted:
        yield "image_id is not null"
    if shape.floor == "one":
        yield "score >= :floor"
    elif shape.floor == "each":
        yield "score >= (:floors)[array_position(:floor_teams, team_id)]"
    if shape.has_after:
        yield "(score < :last_score or score = :last_score and image_id > :last_id)"
