"""What is asked before vectors are looked through: whose they are, the sizes of the filter's lists, which teams have a graph.
And how PostgreSQL is to plan what follows. What is made of it is in vector_plan."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Integer,
    Text,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.prepared import Prepared
from app.domain import NO_ID
from app.services.embedding_models import Answering
from app.services.filters import Match
from app.services.remembered import Remembered, about
from app.services.searching import graphs
from app.services.searching.directions import Identity

CUSTOM: Final = "force_custom_plan"
KEPT: Final = "force_generic_plan"
SETTINGS: Final = {
    "enable_sort": "off",
    "hnsw.iterative_scan": "relaxed_order",
    "hnsw.max_scan_tuples": "20000",
    "hnsw.scan_mem_multiplier": "2",
}
"""What is decided is done: nothing but a graph gives its order without sorting. The look itself, which must sort, ends with that. And
the best plan of what follows depends on how many images the filter lets through, unless nothing but graphs is looked at, which one plan
that is KEPT can do."""
NO_SORTS: Final = text("select set_config('enable_sort', 'off', true)")
_SET: Final = ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in SETTINGS.items()
)
_KEPT: Final = Remembered[bool](1_000)
"""Whether the plan of such a look was kept the last time."""
FACTS: Final = Prepared(
    text(  # Put together of our own words.
        f"""
    select m.id, m.name, m.revision, h.team_id, h.tag_id, h.images, h.tag_id = :whole and coalesce((
      select indisvalid from pg_index
      where indexrelid = to_regclass(:graph || m.id || '_' || replace(h.team_id::text, '-', ''))
    ), false) as has_graph,
    set_config('plan_cache_mode', :planning, true), {_SET}
    from (select) settings
    left join embedding_model m on m.id = :model_id
      or m.name = :name and m.revision = :revision and (m.state = 'ACTIVE' or m.retired_at is not null)
    left join (
      select d.team_id, d.tag_id, sum(d.images)::bigint as images
      from unnest(:teams, :tags) l (team_id, tag_id) join draw_head d using (team_id, tag_id)
      group by 1, 2
    ) h on true
    """  # noqa: S608
    ).bindparams(
        bindparam("teams", type_=ARRAY(Uuid())),
        bindparam("tags", type_=ARRAY(Uuid())),
        bindparam("whole", type_=Uuid()),
        bindparam("graph", type_=Text()),
        bindparam("planning", type_=Text()),
        bindparam("model_id", type_=Integer()),
        bindparam("name", type_=Text()),
        bindparam("revision", type_=Text()),
    )
)
"""By name a model answers only if its vectors are whole, as embedding_models.WHOLE has it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`model`: None where no such model answers. `sizes`: how many live images each list of the filter has, of each team
    (`NO_ID`) and of each tag that it names. `with_graph`: these teams have one. `kept`: how the look is planned, unless `plan` says otherwise."""

    model: Answering | None
    sizes: Mapping[tuple[UUID, UUID], int]
    with_graph: Sequence[UUID]
    kept: bool


async def read(session: AsyncSession, match: Match, model: int | Identity) -> Facts:
    """Of the model with this id, or the one of that name if it answers. Sets how what follows is planned, up to the end of a look."""
    lists = [
        (team, one) for team in match.team_ids for one in (NO_ID, *match.all_tags.get(team, ()))
    ]
    model_id, (name, revision) = (model, ("", "")) if isinstance(model, int) else (None, model)
    values: dict[str, Any] = {
        "teams": [team for team, _ in lists],
        "tags": [tag for _, tag in lists],
        "whole": NO_ID,
        "graph": graphs.PREFIX,
        "planning": KEPT if (kept := match.beside and bool(_KEPT.get(_asked(match)))) else CUSTOM,
        "model_id": model_id,
        "name": name,
        "revision": revision,
    }
    rows = await FACTS.rows(session, values)
    id_, name, revision = rows[0][:3]
    return Facts(
        model=None if id_ is None else Answering(id_, name, revision),
        sizes={(row[3], row[4]): int(row[5]) for row in rows if row[3] is not None},
        with_graph=[row[3] for row in rows if row[6]],
        kept=kept,
    )


async def plan(session: AsyncSession, match: Match, known: Facts, *, kept: bool) -> None:
    """How the look is planned; a statement, where that is not as it was the last time."""
    if kept != known.kept:
        mode = text(f"select set_config('plan_cache_mode', '{KEPT if kept else CUSTOM}', true)")
        await session.execute(mode)
        _KEPT.note(_asked(match), kept)


def settings(*, kept: bool) -> dict[str, str]:
    """Of another transaction, that takes part in the look."""
    return SETTINGS | {"plan_cache_mode": KEPT if kept else CUSTOM}


def _asked(match: Match) -> Hashable:
    return match.team_ids, tuple(match.all_tags.values()), about(match.created_at)
