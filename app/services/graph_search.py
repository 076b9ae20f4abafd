"""The part of a ranking that graphs give, as text: of twenty teams, SQLAlchemy's constructs alone would cost more than the search."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Float, Select, Uuid, bindparam, column, select, text

from app.db.models import ImageVector
from app.embedding import Vectors
from app.services.filters import Match

# The constants are ours. They stand in the text because a partial index is found by them, and by nothing unknown.
BRANCH: Final = """
(select image_id, team_id, greatest(-1.0, least(1.0, -distance)) as score from (
  select image_id, team_id, embedding::halfvec({dimension}) <#> cast(:vector as halfvec) as distance
  from image_vector where team_id = '{team}' and model_id = {model} {rest}
  order by embedding::halfvec({dimension}) <#> cast(:vector as halfvec) limit {most}
) t{number})
"""


def nearest(
    match: Match,
    model_id: int,
    teams: Sequence[UUID],
    vector: Vectors,
    most: int,
    without: UUID | None,
) -> Select[Any]:
    """image_id, team_id and score of the `most` nearest of each team, for a filter that is `beside`.

    Those in the trash are among them.
    """
    values: dict[str, Any] = {}
    common = "" if without is None else f" and image_id <> '{without}'"
    dates = (("start", ">=", match.created_at.start), ("end", "<", match.created_at.end))
    for name, compared, moment in dates:
        if moment is not None:
            values[name] = moment
            common += f" and created_at {compared} :{name}"
    branches = [
        BRANCH.format(
            dimension=len(vector),
            team=team,
            model=int(model_id),
            rest=_tagged(match.all_tags.get(team, ())) + common,
            most=int(most),
            number=number,
        )
        for number, team in enumerate(teams)
    ]
    found = (
        text(" union all ".join(branches))
        .bindparams(
            bindparam("vector", vector, type_=ImageVector.embedding.type),
            *(
                bindparam(name, value, type_=ImageVector.created_at.type)
                for name, value in values.items()
            ),
        )
        .columns(column("image_id", Uuid), column("team_id", Uuid), column("score", Float))
        .subquery("by_graph")
    )
    return select(found.c.image_id, found.c.team_id, found.c.score)


def _tagged(tags: Sequence[UUID]) -> str:
    return f" and tag_ids @> '{{{','.join(map(str, tags))}}}'::uuid[]" if tags else ""
