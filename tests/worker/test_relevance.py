"""Measuring relevance: nonsense finds next to nothing and true matches are found, whatever the model's geometry."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, func, insert, select, update

from app.db.models import Image, RelevanceFit
from app.domain import Actor, ImageFormat, ImageState, Modality, ModelState, Window
from app.embedding import Embedder, Known, Vectors
from app.resources import Resources
from app.services import reembedding
from app.services.searching import search
from app.services.searching.chance import Chance
from app.services.searching.search import Direction, Search
from app.worker import models
from app.worker.questions import COUNT
from app.worker.relevance import TEXTS, Calibration
from tests import make, nonsense
from tests.fixtures.geometry import CLIP_LIKE, WIDE, Geometry
from tests.services import planted

NONSENSE = nonsense.sentences(500)
MOST_FOUND = 35
"""Of 500, where each finds something with 5 %: 97.5 % of all such samples have at most so many."""


async def known(resources: Resources, embedder: Embedder, state: ModelState) -> Known:
    """The model's row, and the embedder loaded for it."""
    await planted.model(resources.db, embedder.name, embedder.dimension, state)
    await models.refresh(resources)
    found = resources.models.active if state is ModelState.ACTIVE else resources.models.building
    assert found is not None
    await resources.models.load(found)
    return found


async def library(
    resources: Resources, team_id: UUID, count: int, *geometries: tuple[int, Geometry]
) -> list[UUID]:
    """So many more images with vectors of those models."""
    async with resources.db.transaction() as session:
        values = [
            {
                "team_id": team_id,
                "state": ImageState.STORED,
                "object_key": f"t/{team_id}/{at}",
                "sha256": hashlib.sha256(f"{team_id}/{at}".encode()).digest(),
                "size_bytes": 1,
                "format": ImageFormat.PNG,
                "width": 1,
                "height": 1,
                "title": "",
                "filename": "",
                "weight": 1,
            }
            for at in range(count)
        ]
        rows = await session.scalars(insert(Image).returning(Image.id), values)
        images = sorted(rows)
    for model_id, geometry in geometries:
        vectors = {one: geometry.picture(at) for at, one in enumerate(images)}
        await planted.vectors(resources.db, model_id, vectors)
    return images


async def fits(resources: Resources, team_id: UUID, model_id: int) -> dict[Modality, RelevanceFit]:
    async with resources.db.transaction() as session:
        rows = await session.scalars(
            select(RelevanceFit).where(
                RelevanceFit.team_id == team_id, RelevanceFit.model_id == model_id
            )
        )
        return {row.modality: row for row in rows}


async def found(
    resources: Resources, actor: Actor, geometry: Geometry, texts: Sequence[str], limit: int = 1
) -> list[list[UUID]]:
    answers = []
    async with resources.db.acting(actor).transaction() as session:
        for words in texts:
            asked = Direction(geometry.text(words), (geometry.name, planted.REVISION), words)
            hits = await search.page(
                session, actor, Search(asked, min_relevance=0.95), Window(limit)
            )
            answers.append([hit.image.id for hit in hits.hits])
    return answers


@pytest.mark.parametrize("geometry", [CLIP_LIKE, WIDE], ids=lambda one: one.name)
async def test_nonsense_is_told_from_what_is_there(
    resources: Resources, geometry: Geometry
) -> None:
    resources = replace(resources, embedder=geometry)
    model = await known(resources, geometry, ModelState.ACTIVE)
    actor = await make.actor(resources.db)
    images = await library(resources, actor.team_ids[0], 200, (model.id, geometry))
    assert await Calibration(resources).turn() == 1
    measured = await fits(resources, actor.team_ids[0], model.id)
    assert measured.keys() == set(Modality)

    scores = (
        np.stack([geometry.text(one) for one in NONSENSE])
        @ np.stack([geometry.picture(at) for at in range(200)]).T
    )
    text = measured[Modality.TEXT]
    floor = Chance(text.location, text.spread).score(0.95)
    assert (scores.max(axis=1) >= floor).sum() <= MOST_FOUND
    some = NONSENSE[::25]
    expected = [bool(one) for one in scores[::25].max(axis=1) >= floor]
    assert [bool(one) for one in await found(resources, actor, geometry, some)] == expected

    true = await found(resources, actor, geometry, [f"picture {at}" for at in range(0, 200, 4)])
    right = [image in answer for image, answer in zip(images[::4], true, strict=True)]
    assert sum(right) >= 0.9 * len(right)


async def test_a_model_that_takes_over_is_measured_before(resources: Resources) -> None:
    resources = replace(resources, embedder=CLIP_LIKE)
    old = await known(resources, CLIP_LIKE, ModelState.ACTIVE)
    actor = await make.actor(resources.db)
    team_id = actor.team_ids[0]
    await library(resources, team_id, 60, (old.id, CLIP_LIKE))
    await Calibration(resources).turn()
    next_one = replace(resources, embedder=WIDE)
    model = await known(next_one, WIDE, ModelState.BUILDING)
    async with resources.db.transaction() as session:
        images = list(await session.scalars(select(Image.id).where(Image.team_id == team_id)))
    rows = {one: WIDE.picture(at) for at, one in enumerate(sorted(images))}
    await planted.vectors(resources.db, model.id, rows)

    assert await models.build(next_one, model)

    before, after = [await fits(resources, team_id, one.id) for one in (old, model)]
    assert after.keys() == before.keys() == set(Modality)
    assert after[Modality.TEXT].location != pytest.approx(before[Modality.TEXT].location, abs=0.05)
    for geometry in (CLIP_LIKE, WIDE):
        answers = await found(next_one, actor, geometry, ["picture 7", *NONSENSE[:9]])
        assert answers[0] == [sorted(images)[7]]
        assert sum(map(bool, answers[1:])) <= 3


@dataclass(kw_only=True)
class Interrupted(Geometry):
    """Something happens when it has read texts so often."""

    meanwhile: Callable[[], Awaitable[object]]
    at: int
    calls: int = 0

    async def texts(self, texts: Sequence[str]) -> Vectors:
        self.calls += 1
        if self.calls == self.at:
            await self.meanwhile()
        return await super().texts(texts)


@pytest.mark.parametrize("at", [1, 2 * COUNT // TEXTS], ids=["reading", "comparing"])
async def test_a_model_that_is_cancelled_is_measured_no_further(
    resources: Resources, at: int
) -> None:
    """Reading its texts, or comparing the images of any team with them, takes minutes."""

    async def cancel() -> None:
        await resources.db.worker.run(reembedding.cancel)

    its = Interrupted(**asdict(WIDE), meanwhile=cancel, at=at)
    resources = replace(resources, embedder=its)
    model = await known(resources, its, ModelState.BUILDING)
    teams = [await make.team(resources.db) for _ in range(2)]
    for team_id in teams:
        await library(resources, team_id, 60, (model.id, WIDE))
    await Calibration(resources).before_switch(model)
    assert its.calls == at
    assert [await fits(resources, team_id, model.id) for team_id in teams] == [{}, {}]


async def test_a_team_is_measured_again_when_it_has_grown(resources: Resources) -> None:
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    team_id = await make.team(resources.db)
    calibration = Calibration(resources)

    async def grown_to(count: int) -> int | None:
        """How many images the measurement stands on after one more turn."""
        async with resources.db.transaction() as session:
            await session.execute(delete(Image).where(Image.team_id == team_id))
        await library(resources, team_id, count, (model.id, WIDE))
        await calibration.turn()
        text = (await fits(resources, team_id, model.id)).get(Modality.TEXT)
        return None if text is None else text.images

    assert await grown_to(49) is None
    assert await grown_to(80) == 80
    assert await grown_to(99) == 80
    assert await grown_to(100) == 100
    assert await grown_to(51) == 100
    assert await grown_to(50) == 50
    # Images that no model can read are no growth.
    await library_without_vectors(resources, team_id, 40)
    assert await calibration.turn() == 0


async def library_without_vectors(resources: Resources, team_id: UUID, count: int) -> None:
    for _ in range(count):
        await make.image(resources.db, team_id)


async def trash(resources: Resources, ids: Sequence[UUID], *, trashed: bool = True) -> None:
    async with resources.db.transaction() as session:
        at = func.now() if trashed else None
        await session.execute(update(Image).where(Image.id.in_(ids)).values(trashed_at=at))


async def test_what_lies_in_the_trash_does_not_count(resources: Resources) -> None:
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    team_id = await make.team(resources.db)
    calibration = Calibration(resources)
    images = await library(resources, team_id, 120, (model.id, WIDE))
    await calibration.turn()
    every = (await fits(resources, team_id, model.id))[Modality.TEXT]
    await trash(resources, images[60:])
    assert await calibration.turn() == 1
    half = (await fits(resources, team_id, model.id))[Modality.TEXT]
    assert (every.images, half.images) == (120, 60)
    async with resources.db.transaction() as session:
        await session.execute(delete(Image).where(Image.id.in_(images[60:])))
        await session.execute(delete(RelevanceFit).where(RelevanceFit.team_id == team_id))
    await calibration.turn()
    alone = (await fits(resources, team_id, model.id))[Modality.TEXT]
    assert (half.location, half.spread) == (alone.location, alone.spread)
    assert half.location < every.location


async def test_of_a_team_that_has_shrunk_to_few_nothing_is_known(resources: Resources) -> None:
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    team_id, other = await make.team(resources.db), await make.team(resources.db)
    calibration = Calibration(resources)
    images = await library(resources, team_id, 90, (model.id, WIDE))
    await library(resources, other, 60, (model.id, WIDE))
    await calibration.turn()
    # Still nearer to what was measured than to what is shipped.
    await trash(resources, images[46:])
    await calibration.turn()
    assert (await fits(resources, team_id, model.id)).keys() == set(Modality)
    await trash(resources, images[45:])
    await calibration.turn()
    assert await fits(resources, team_id, model.id) == {}
    await trash(resources, images, trashed=False)
    assert await calibration.turn() == 1
    async with resources.db.transaction() as session:
        await session.execute(delete(Image).where(Image.id.in_(images)))
    await calibration.turn()
    assert await fits(resources, team_id, model.id) == {}
    assert (await fits(resources, other, model.id)).keys() == set(Modality)


async def test_of_a_large_team_a_part_is_enough(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    team_id = await make.team(resources.db)
    await library(resources, team_id, 1_000, (model.id, WIDE))
    await Calibration(resources).turn()
    whole = await fits(resources, team_id, model.id)
    async with resources.db.transaction() as session:
        await session.execute(delete(RelevanceFit).where(RelevanceFit.team_id == team_id))
    monkeypatch.setattr("app.services.searching.calibration.SAMPLE", 300)
    await Calibration(resources).turn()
    part = await fits(resources, team_id, model.id)
    for modality in Modality:
        tolerance = 2 * whole[modality].spread
        assert part[modality].images == 1_000
        assert part[modality].location == pytest.approx(whole[modality].location, abs=tolerance)


async def test_what_goes_wrong_in_one_team_holds_no_other_up(resources: Resources) -> None:
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    broken, sound = await make.team(resources.db), await make.team(resources.db)
    assert broken < sound
    images = await library(resources, broken, 60)
    nothing = {one: np.zeros(WIDE.dimension, np.float32) for one in images}
    await planted.vectors(resources.db, model.id, nothing)
    await library(resources, sound, 60, (model.id, WIDE))
    await Calibration(resources).turn()
    assert (await fits(resources, sound, model.id)).keys() == set(Modality)


async def test_where_there_is_nothing_to_measure_nothing_is_done(resources: Resources) -> None:
    assert await Calibration(resources).turn() == 0
    resources = replace(resources, embedder=WIDE)
    model = await known(resources, WIDE, ModelState.ACTIVE)
    assert await Calibration(resources).turn() == 0
    team_id = await make.team(resources.db)
    await library(resources, team_id, 60, (model.id, WIDE))
    both = await asyncio.gather(*(Calibration(resources).turn() for _ in range(2)))
    assert sum(both) == 1
    assert await Calibration(resources).turn() == 0
