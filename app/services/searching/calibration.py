"""What the worker measures of each team, so that relevance can be told: how near unrelated questions come to its images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import DrawHead, EmbeddingModel, RelevanceFit, Team
from app.domain import NO_ID, Modality, ModelState
from app.services.searching.chance import Bests, Chance, Rows

MIN_IMAGES: Final = 50
"""Below, one picture more or less decides too much."""
GROWN: Final = 1.25
"""A team that has grown by this factor is measured anew. What is measured holds up to there."""
SHRUNK: Final = 0.5
SAMPLE: Final = 20_000
"""Of a larger team about so many images are looked at: what a measurement costs has a bound."""
ALL_OF: Final = "image_vector v"
SOME_OF: Final = "image_vector v tablesample system (:percent) repeatable (7)"
"""The same pages every time, so that all questions are put to the same images."""
ITS: Final = """
v.team_id = :team_id and v.model_id = :model_id
and (select i.trashed_at from image i where i.id = v.image_id) is null
"""
"""What is compared. Each image is looked up by its id: joined with a trash of which PostgreSQL knows nothing yet, each vector
would be held against all of it."""
COUNT: Final = f"select count(*) from {ALL_OF} where {ITS}"  # noqa: S608  two constants
PICTURES: Final = """
select v.embedding::text from {source} where {its}
order by uuid_hash(v.image_id) limit :most
"""
BESTS: Final = """
with sample as materialized (
  select v.embedding, uuid_hash(v.image_id) & 1 = 0 as is_half from {source} where {its}
), question as materialized (
  select place, cast(vector as halfvec) as vector
  from unnest(cast(:vectors as text[])) with ordinality as given (vector, place)
)
select place, max(-(embedding <#> vector)), max(-(embedding <#> vector)) filter (where is_half), count(*)
from question cross join sample group by place
"""
"""Of each question: its place among them, its best score, that among one half of the images, and how many images there were."""
HASHED: Final = text("set local enable_sort = off")
"""Where PostgreSQL knows nothing of the team yet, it takes the sample for one image, and sorted a vector for each image and
question: of 20,000 images 2.6 GB, on the disk."""


@dataclass(frozen=True, slots=True)
class Library:
    """A team's vectors of one model, without those in the trash: `images` of them. Of many, a part stands for all."""

    team_id: UUID
    model_id: int
    images: int

    def query(self, template: str) -> tuple[Any, dict[str, Any]]:
        """The statement, and what is bound to it."""
        source = ALL_OF if self.images <= SAMPLE else SOME_OF
        bound = {"team_id": self.team_id, "model_id": self.model_id}
        if source is SOME_OF:
            bound["percent"] = 100.0 * SAMPLE / self.images
        return text(template.format(source=source, its=ITS)), bound


async def forget(session: AsyncSession) -> None:
    """What was measured of teams that have lost half of their images, and are too small by now to be measured again."""
    images = (
        select(func.coalesce(func.sum(DrawHead.images), 0))
        .where(DrawHead.team_id == RelevanceFit.team_id, DrawHead.tag_id == NO_ID)
        .scalar_subquery()
    )
    await session.execute(
        delete(RelevanceFit).where(images < MIN_IMAGES, images <= SHRUNK * RelevanceFit.images)
    )


async def due(session: AsyncSession, model_id: int) -> list[UUID]:
    """The teams that may have to be measured with this model, told from their counters; `library` knows."""
    images = func.sum(DrawHead.images)
    fitted = func.min(RelevanceFit.images)
    of_model = (
        (RelevanceFit.team_id == DrawHead.team_id)
        & (RelevanceFit.model_id == model_id)
        & (RelevanceFit.modality == Modality.TEXT)
    )
    found = await session.scalars(
        select(DrawHead.team_id)
        .join(Team, Team.id == DrawHead.team_id)
        .outerjoin(RelevanceFit, of_model)
        .where(DrawHead.tag_id == NO_ID, Team.deleted_at.is_(None))
        .group_by(DrawHead.team_id)
        .having(
            images >= MIN_IMAGES,
            or_(fitted.is_(None), images >= GROWN * fitted, images <= SHRUNK * fitted),
        )
        .order_by(DrawHead.team_id)
    )
    return list(found)


async def is_wanted(session: AsyncSession, model_id: int) -> bool:
    """Whether the model answers, or is to answer soon."""
    state = await session.scalar(select(EmbeddingModel.state).where(EmbeddingModel.id == model_id))
    return state in (ModelState.ACTIVE, ModelState.BUILDING)


async def library(session: AsyncSession, team_id: UUID, model_id: int) -> Library | None:
    """The team's vectors, if they are enough and have not been measured at this size. Without a vector no image counts."""
    its = {"team_id": team_id, "model_id": model_id}
    images = await session.scalar(text(COUNT), its) or 0
    fitted = await session.scalar(
        select(func.min(RelevanceFit.images)).where(
            RelevanceFit.team_id == team_id, RelevanceFit.model_id == model_id
        )
    )
    known = fitted is not None and SHRUNK * fitted < images < GROWN * fitted
    return None if known or images < MIN_IMAGES else Library(team_id, model_id, images)


async def pictures(session: AsyncSession, its: Library, most: int) -> Rows:
    """Some of the library's vectors, float32[n, dimension]: `most` of them, or all."""
    statement, bound = its.query(PICTURES)
    found = await session.scalars(statement, bound | {"most": most})
    return np.array([np.fromstring(one[1:-1], np.float32, sep=",") for one in found], np.float32)


async def bests(session: AsyncSession, its: Library, questions: Rows) -> tuple[Bests, int]:
    """The best score of each of the questions float32[n, dimension], and among how many images. A few dozen at once."""
    statement, bound = its.query(BESTS)
    vectors = [str(one.tolist()) for one in questions]
    await session.execute(HASHED)
    found = await session.execute(statement, bound | {"vectors": vectors})
    rows = [row[1:] for row in sorted(found)]
    whole = np.array([best for best, _, _ in rows], np.float64)
    half = np.array([best if half is None else half for best, half, _ in rows], np.float64)
    return Bests(whole, half), min((count for _, _, count in rows), default=0)


async def keep(
    session: AsyncSession, its: Library, chances: Mapping[Modality, Chance], questions: int
) -> None:
    """Puts what was measured in place of what was known before. A team that is gone by now has none."""
    if await session.get(Team, its.team_id) is None:
        return
    new = insert(RelevanceFit).values(
        [
            {
                "team_id": its.team_id,
                "model_id": its.model_id,
                "modality": modality,
                "questions": questions,
                "images": its.images,
                "location": chance.location,
                "spread": chance.spread,
            }
            for modality, chance in chances.items()
        ]
    )
    changed = {
        name: new.excluded[name] for name in ("questions", "images", "location", "spread")
    } | {"fitted_at": func.now()}
    await session.execute(
        new.on_conflict_do_update(index_elements=["team_id", "model_id", "modality"], set_=changed)
    )
