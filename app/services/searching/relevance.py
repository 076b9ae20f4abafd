"""How relevant a score is, in each team: read from what calibration has measured, or from figures that are shipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import Float, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import ImageVector, RelevanceFit
from app.domain import Actor, Modality
from app.embedding import Vectors
from app.errors import bad_input
from app.services import access, arrays
from app.services.embedding_models import Answering
from app.services.searching.chance import Chance
from app.services.searching.directions import Blend, Direction
from app.services.searching.nearest import Candidates

Key: TypeAlias = tuple[UUID, int, Modality]
"""A team, a model's id, and what the question is made of."""
# At 50 images. Those of the built-in model are the means over teams drawn from its evaluation's pictures
# (python -m benchmarks.relevance); those of CLIP are estimates, on the strict side.
BUILTIN: Final = {Modality.TEXT: Chance(0.026, 0.067), Modality.IMAGE: Chance(0.703, 0.063)}
CLIP: Final = {Modality.TEXT: Chance(0.215, 0.021), Modality.IMAGE: Chance(0.68, 0.06)}


@dataclass(frozen=True, slots=True)
class Measure:
    """By what the scores of an answer are judged. `team_ids`: whose images were searched. `blend`: as the question's."""

    model_id: int
    model: str
    modality: Modality
    team_ids: Sequence[UUID]
    blend: Blend | None = None

    def keys(self, team_id: UUID) -> list[Key]:
        """What has to be known of a team: one measurement, or one for its words and one for its pictures."""
        return [(team_id, self.model_id, one) for one in self._modalities]

    def chance(self, measured: Sequence[Chance | None]) -> Chance:
        """What the scores in a team stand against; `measured`: what is known for its keys.

        A question of words and pictures is judged by both: pictures alone are nearer to all others than words are to any.
        """
        each = [one or self.prior(of) for one, of in zip(measured, self._modalities, strict=True)]
        if self.blend is None:
            return each[0]
        words, pictures = each
        return words.beside(pictures, self.blend.words, self.blend.pictures)

    def prior(self, modality: Modality) -> Chance:
        """For a team that has not been measured, or has too few images for it. An unknown model is taken for a CLIP."""
        shipped = BUILTIN if self.model == "builtin" else CLIP
        return shipped[modality]

    @property
    def _modalities(self) -> tuple[Modality, ...]:
        return (self.modality,) if self.blend is None else (Modality.TEXT, Modality.IMAGE)


NOTHING: Final = Measure(0, "", Modality.IMAGE, ())
"""Of an answer for which no vector was looked at."""


def measure_of(query: Direction, model: Answering, team_ids: Sequence[UUID]) -> Measure:
    """By what a question's scores are judged in these teams."""
    modality = Modality.TEXT if query.of_text else Modality.IMAGE
    return Measure(model.id, model.name, modality, tuple(team_ids), query.blend)


def check_score(min_score: float | None, field: str = "minScore") -> None:
    """BAD_USER_INPUT for what no hit can have. NaN lies between nothing."""
    if min_score is not None and not -1 <= min_score <= 1:
        raise bad_input(field, "A score lies between -1 and 1.")


def check(min_relevance: float | None, field: str = "minRelevance") -> None:
    """BAD_USER_INPUT for what is no share. NaN lies between nothing."""
    if min_relevance is not None and not 0 <= min_relevance <= 1:
        raise bad_input(field, "A relevance lies between 0 and 1.")


async def by_key(session: AsyncSession, actor: Actor, keys: Sequence[Key]) -> list[Chance | None]:
    """What is measured for each; None where nothing is, or the team is not the actor's."""
    if not keys:
        return []
    team_ids, models, modalities = (set(part) for part in zip(*keys, strict=True))
    # Whatever these have together, a few rows a team. Asked for key by key, PostgreSQL runs out of stack.
    rows = await session.scalars(
        select(RelevanceFit).where(
            access.in_teams(RelevanceFit.team_id, actor.team_ids),
            arrays.one_of(RelevanceFit.team_id, team_ids),
            RelevanceFit.model_id.in_(models),
            RelevanceFit.modality.in_(modalities),
        )
    )
    found = {
        (row.team_id, row.model_id, row.modality): Chance(row.location, row.spread) for row in rows
    }
    return [found.get(key) for key in keys]


async def chances(
    session: AsyncSession, actor: Actor, measure: Measure
) -> Mapping[UUID, list[Chance | None]]:
    """What is measured of each team that is searched, in the order of its keys."""
    keys = [key for team_id in measure.team_ids for key in measure.keys(team_id)]
    found = dict(zip(keys, await by_key(session, actor, keys), strict=True))
    return {one: [found[key] for key in measure.keys(one)] for one in measure.team_ids}


async def floors(
    session: AsyncSession,
    actor: Actor,
    measure: Measure,
    min_relevance: float,
    min_score: float | None,
) -> Mapping[UUID, float]:
    """The least score of a hit in each team that is searched, so that it has the relevance, and the score too."""
    found = await chances(session, actor, measure)
    least = -1.0 if min_score is None else min_score
    return {
        team_id: max(measure.chance(known).score(min_relevance), least)
        for team_id, known in found.items()
    }


async def cosines(
    session: AsyncSession, candidates: Candidates, vector: Vectors, image_ids: Sequence[UUID]
) -> dict[UUID, float]:
    """How near these candidates are, by whatever else they were found. One that has lost its vector is left out."""
    if not image_ids:
        return {}
    distance = ImageVector.embedding.op("<#>", return_type=Float())(
        cast(vector, ImageVector.embedding.type)
    )
    rows = candidates.rows().add_columns((-distance).label("cosine"))
    found = await session.execute(rows.where(ImageVector.image_id.in_(image_ids)))
    return {row[0]: max(-1.0, min(1.0, row[1])) for row in found}
