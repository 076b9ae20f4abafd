"""Graphs of vectors (HNSW), one for each large team and model: their names, which are there, which are wanted or left over.

A graph is a partial index on the team's partition: smaller than one of all teams, it is searched faster and misses less, and
no other team's vectors lie in the way. PostgreSQL's catalogue is the only list of them. Building is in worker/graphs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import (
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import NO_ID

PREFIX: Final = "image_vector_graph_"
MOST_DIMENSIONS: Final = 4_000
"""What pgvector indexes of a halfvec."""
NEIGHBOURS: Final = 16
BREADTH: Final = 200
"""m and ef_construction: with pgvector's own 64, whole questions never get into the right cluster."""
BYTES_A_VECTOR: Final = 460
BYTES_A_DIMENSION: Final = 2
SLACK: Final = 1.15
"""What a build holds in memory, measured; without it, it goes on on the disk and takes hours."""


@dataclass(frozen=True, slots=True)
class Graph:
    model_id: int
    team_id: UUID

    @property
    def name(self) -> str:
        return f"{prefix(self.model_id)}{self.team_id.hex}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A graph that is to be built on this partition, of about so many vectors."""

    graph: Graph
    partition: str
    dimension: int
    vectors: int

    @property
    def definition(self) -> str:
        """Nothing in it was typed by anybody."""
        graph = self.graph
        return (
            f"create index concurrently {graph.name} on {self.partition}"
            f" using hnsw ((embedding::halfvec({self.dimension})) halfvec_ip_ops)"
            f" with (m = {NEIGHBOURS}, ef_construction = {BREADTH})"
            f" where model_id = {graph.model_id} and team_id = '{graph.team_id}'"
        )

    @property
    def memory_bytes(self) -> int:
        return int(SLACK * self.vectors * (BYTES_A_VECTOR + BYTES_A_DIMENSION * self.dimension))


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is to be done about graphs. `left_over`: names of indexes that nobody is served by."""

    wanted: Sequence[Wanted]
    left_over: Sequence[str]


WANTED: Final = text(
    """
    select m.id as model_id, t.id as team_id, m.dimension, of_team.partition, t.images
    from (
      select t.id, (
        select coalesce(sum(images), 0)::bigint from draw_head h where h.team_id = t.id and h.tag_id = :whole
      ) as images
      from team t where t.deleted_at is null
    ) t
    cross join embedding_model m
    cross join lateral (
      select v.tableoid::regclass::text as partition from image_vector v
      where v.team_id = t.id and v.model_id = m.id limit 1
    ) of_team
    where t.images >= :fewest and m.state in ('ACTIVE', 'BUILDING') and m.dimension <= :dimensions
      and (cast(:model_id as int) is null or m.id = cast(:model_id as int))
      and to_regclass(cast(:prefix as text) || m.id || '_' || replace(t.id::text, '-', '')) is null
      and :fewest <= (
        select count(*) from (
          select from image_vector v where v.team_id = t.id and v.model_id = m.id limit cast(:fewest as bigint)
        ) at_least
      )
    order by m.state, t.images
    """
)
"""The active model's first, small ones first: most teams are served soonest."""

LEFT_OVER: Final = text(
    r"""
    select c.relname from pg_class c join pg_index i on i.indexrelid = c.oid
    where c.relname like replace(cast(:prefix as text), '_', '\_') || '%' and pg_table_is_visible(c.oid)
      and not (i.indisvalid and exists (
        select from embedding_model m
        where (m.state <> 'RETIRED' or m.retired_at is not null)
          and c.relname like replace(cast(:prefix as text), '_', '\_') || m.id || '\_%'
      ) and exists (
        select from team t
        where t.deleted_at is null and replace(t.id::text, '-', '') = right(c.relname::text, 32)
          and 2 * (
            select coalesce(sum(images), 0) from draw_head h where h.team_id = t.id and h.tag_id = :whole
          ) >= :fewest
      ))
      and not exists (select from pg_stat_progress_create_index p where p.index_relid = c.oid)
    order by c.relname
    """
)
"""Of a build that broke off, of a model whose vectors were dropped, of a team that went or shrank; not what is being built. For the owner,
who alone sees what that is."""

PRESENT: Final = text(
    r"""
    select c.relname::text, i.indisvalid from pg_class c join pg_index i on i.indexrelid = c.oid
    where c.relname like replace(cast(:prefix as text), '_', '\_') || '%' and pg_table_is_visible(c.oid)
    order by c.relname
    """
)
PROGRESS: Final = text(
    r"""
    select p.tuples_done from pg_stat_progress_create_index p join pg_class c on c.oid = p.index_relid
    where c.relname like replace(cast(:prefix as text), '_', '\_') || '%'
    """
)
IS_OWNER: Final = text(
    "select pg_has_role(session_user, relowner, 'USAGE') from pg_class where oid = 'image_vector'::regclass"
)


def prefix(model_id: int) -> str:
    """What the names of the model's graphs begin with; their team's id follows, without hyphens."""
    return f"{PREFIX}{model_id}_"


async def due(session: AsyncSession, *, fewest: int, model_id: int | None = None) -> Upkeep:
    """What there is to do, for one model or for all. `fewest`: vectors from which on a graph is worth its room; a team
    that has less than half as many images left loses it."""
    sizes = {"whole": NO_ID, "fewest": fewest, "prefix": PREFIX}
    rows = await session.execute(
        WANTED, {**sizes, "dimensions": MOST_DIMENSIONS, "model_id": model_id}
    )
    wanted = [
        Wanted(Graph(row.model_id, row.team_id), row.partition, row.dimension, row.images)
        for row in rows
    ]
    left_over = await session.scalars(LEFT_OVER, sizes)
    return Upkeep(wanted, list(left_over))


async def present(session: AsyncSession) -> list[tuple[str, bool]]:
    """The name of each, and whether it may be searched."""
    rows = await session.execute(PRESENT, {"prefix": PREFIX})
    return [(row.relname, row.indisvalid) for row in rows]


async def progress(session: AsyncSession) -> int | None:
    """Vectors that the build that runs has behind it. For the owner."""
    done: int | None = await session.scalar(PROGRESS, {"prefix": PREFIX})
    return done


async def may_build(session: AsyncSession) -> bool:
    """Whether whoever logged in owns the tables: indexes are made by nobody else."""
    return bool(await session.scalar(IS_OWNER))
