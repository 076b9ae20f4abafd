"""Relevance in search: a floor for each team, what hybrid search makes of it, and pages that hold still when it moves."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import delete, insert, text, update

from app.db.database import counted_statements
from app.db.models import Image, RelevanceFit
from app.domain import Actor, ImageFilter, Modality, Role, SearchMode, Window
from app.errors import AppError
from app.services.searching import calibration, relevance, search
from app.services.searching.chance import Chance
from app.services.searching.questions import Term, combined
from tests import make
from tests.database import Database
from tests.services import planted

QUERY = planted.random(1, seed=999)[0]
ASKED = search.Search(planted.direction(QUERY), min_relevance=0.95)
COSINES = (0.9, 0.7, 0.5, 0.3, 0.1)


@pytest.fixture
async def model_id(db: Database) -> AsyncIterator[int]:
    async with planted.instead(db) as id:
        yield id


def at_cosines(cosines: tuple[float, ...] = COSINES) -> list[planted.Rows]:
    """Vectors with these very cosines with QUERY."""
    aside = planted.random(1, seed=5)[0]
    aside = planted.unit(aside - (aside @ QUERY) * QUERY)
    return [
        planted.unit(cosine * QUERY + math.sqrt(1 - cosine**2) * aside)
        for cosine in map(np.float32, cosines)
    ]


async def library(db: Database, model_id: int, team_id: UUID, **columns: object) -> list[UUID]:
    """An image at each of COSINES, in that order."""
    rows = {await make.image(db, team_id, **columns): row for row in at_cosines()}
    await planted.vectors(db, model_id, rows)
    return list(rows)


async def measured(
    db: Database,
    model_id: int,
    team_id: UUID,
    location: float,
    spread: float = 0.05,
    modality: Modality = Modality.TEXT,
) -> None:
    async with db.transaction() as session:
        its = calibration.Library(team_id, model_id, 100)
        await calibration.keep(session, its, {modality: Chance(location, spread)}, 384)


async def page(
    db: Database,
    actor: Actor,
    asked: search.Search = ASKED,
    limit: int = 100,
    after: str | None = None,
) -> search.Hits:
    async with db.transaction() as session:
        return await search.page(session, actor, asked, Window(limit, after))


def ids(hits: search.Hits) -> list[UUID]:
    return [hit.image.id for hit in hits.hits]


async def test_only_the_relevant_are_found(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    images = await library(db, model_id, actor.team_ids[0])
    await measured(db, model_id, actor.team_ids[0], 0.4)
    assert ids(await page(db, actor)) == images[:3]
    assert ids(await page(db, actor, replace(ASKED, min_relevance=0.99))) == images[:2]
    assert ids(await page(db, actor, replace(ASKED, min_relevance=0.0))) == images
    assert ids(await page(db, actor, replace(ASKED, min_relevance=None))) == images
    assert ids(await page(db, actor, replace(ASKED, min_score=0.6))) == images[:2]
    assert ids(await page(db, actor, replace(ASKED, min_score=0.2))) == images[:3]


async def test_where_nothing_is_relevant_the_page_is_empty(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await library(db, model_id, actor.team_ids[0])
    await measured(db, model_id, actor.team_ids[0], 0.95)
    for mode in SearchMode:
        hits = await page(db, actor, replace(ASKED, mode=mode, words="heron"))
        assert (ids(hits), hits.has_next) == ([], False)


async def test_every_team_has_its_own_floor(db: Database, model_id: int) -> None:
    actor, other = await make.actor(db), await make.actor(db)
    strict, lenient = actor.team_ids[0], other.team_ids[0]
    mine = await library(db, model_id, strict)
    theirs = await library(db, model_id, lenient)
    await measured(db, model_id, strict, 0.8, 0.03)
    await measured(db, model_id, lenient, 0.2)
    both = Actor(actor.user_id, {strict: Role.VIEWER, lenient: Role.VIEWER})
    hits = await page(db, both)
    assert set(ids(hits)) == {mine[0], *theirs[:4]}
    assert [hit.score for hit in hits.hits] == sorted(
        (hit.score for hit in hits.hits), reverse=True
    )
    one = replace(ASKED, wanted=ImageFilter(team_id=strict))
    assert ids(await page(db, both, one)) == mine[:1]


async def test_what_was_measured_of_another_team_is_not_told(db: Database, model_id: int) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    team_id = actor.team_ids[0]
    await measured(db, model_id, team_id, 0.4)
    key = (team_id, model_id, Modality.TEXT)
    async with db.transaction() as session:
        assert await relevance.by_key(session, actor, [key]) == [Chance(0.4, 0.05)]
        assert await relevance.by_key(session, stranger, [key]) == [None]
    # Nor by the database itself, whoever the service believes to ask.
    async with db.acting(stranger).transaction() as session:
        assert await relevance.by_key(session, actor, [key]) == [None]


async def test_many_teams_at_once(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await measured(db, model_id, actor.team_ids[0], 0.4)
    others = [uuid4() for _ in range(20_000)]
    keys = [(one, model_id, Modality.TEXT) for one in (actor.team_ids[0], *others)]
    async with db.transaction() as session:
        found = await relevance.by_key(session, actor, keys)
        assert found == [Chance(0.4, 0.05), *[None] * len(others)]
        assert await relevance.by_key(session, actor, []) == []


async def test_texts_and_pictures_are_measured_apart(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    images = await library(db, model_id, team_id)
    await measured(db, model_id, team_id, 0.2)
    await measured(db, model_id, team_id, 0.58, modality=Modality.IMAGE)
    by_picture = replace(ASKED, query=replace(ASKED.query, of_text=False))
    assert ids(await page(db, actor)) == images[:4]
    assert ids(await page(db, actor, by_picture)) == images[:2]
    async with db.transaction() as session:
        like_first = await search.similar(
            session, actor, images[0], ImageFilter(), None, Window(5), 0.95
        )
    assert like_first.measure.modality is Modality.IMAGE
    assert ids(like_first) == images[1:4]


async def test_words_and_pictures_together_are_judged_by_both(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    rows = planted.random(60, seed=7)
    images = {await make.image(db, team_id): row for row in rows}
    await planted.vectors(db, model_id, images)
    words, pictures = Chance(0.05, 0.03), Chance(0.4, 0.04)
    await measured(db, model_id, team_id, words.location, words.spread)
    await measured(db, model_id, team_id, pictures.location, pictures.spread, Modality.IMAGE)
    of_text = ASKED.query
    of_picture = replace(planted.direction(rows[0], "a picture"), of_text=False)
    for query, more, parts in (
        (of_text, [Term(of_picture, 2)], (1, 1)),
        (of_picture, [Term(of_text, 3), Term(of_text, 1)], (4, 1)),
        (of_text, [Term(of_text), Term(of_picture)], (2, 0.5)),
    ):
        asked = replace(ASKED, query=combined(query, more, [Term(of_picture)]))
        length = float(np.linalg.norm(parts[0] * QUERY + parts[1] * rows[0]))
        its, theirs = (one / length for one in parts)
        both = Chance(
            its * words.location + theirs * pictures.location,
            math.hypot(its * words.spread, theirs * pictures.spread),
        )
        every = await page(db, actor, replace(asked, min_relevance=None))
        hits = await page(db, actor, asked)
        assert ids(hits) == [
            hit.image.id for hit in every.hits if both.relevance(hit.score) >= 0.95
        ]
        assert hits.measure.chance([words, pictures]).location == pytest.approx(both.location)
    for query, more in (
        (of_text, [Term(of_text, 2)]),
        (of_picture, [Term(of_picture)]),
        (of_text, [Term(of_picture, 0)]),
    ):
        assert combined(query, more, [Term(of_picture), Term(of_text)]).blend is None


async def test_unmeasured_teams_have_the_shipped_figures(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    images = await library(db, model_id, actor.team_ids[0])
    assert ids(await page(db, actor)) == images[:4]
    shipped = {
        name: relevance.Measure(1, name, Modality.TEXT, ()).chance([None])
        for name in ("builtin", "clip-ViT-B-32", "never heard of")
    }
    assert shipped["builtin"] != shipped["clip-ViT-B-32"] == shipped["never heard of"]


@pytest.mark.parametrize("wrong", [-0.01, 1.01, math.nan, math.inf, -math.inf])
async def test_what_is_no_share_is_refused(db: Database, model_id: int, wrong: float) -> None:
    actor = await make.actor(db)
    image_id = (await library(db, model_id, actor.team_ids[0]))[0]
    with pytest.raises(AppError) as refused:
        await page(db, actor, replace(ASKED, min_relevance=wrong))
    assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "minRelevance"}
    async with db.transaction() as session:
        with pytest.raises(AppError) as refused:
            await search.similar(session, actor, image_id, ImageFilter(), None, Window(), wrong)
    assert refused.value.field == "minRelevance"


async def test_hybrid_keeps_what_has_all_the_words(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    images = await library(db, model_id, actor.team_ids[0])
    await measured(db, model_id, actor.team_ids[0], 0.6)
    async with db.transaction() as session:
        titled = update(Image).where(Image.id == images[-1]).values(title="Grey herons")
        await session.execute(titled)
    asked = replace(ASKED, mode=SearchMode.HYBRID, words="grey heron")
    hits = await page(db, actor, asked)
    assert set(ids(hits)) == {*images[:2], images[-1]}
    for hit in hits.hits:
        assert hit.cosine == pytest.approx(COSINES[images.index(hit.image.id)], abs=2e-3)
        assert 0 < hit.score <= 1
    none = await page(db, actor, replace(asked, words="green heron"))
    assert set(ids(none)) == set(images[:2])


async def test_a_new_measurement_between_two_pages_repeats_and_reorders_none(
    db: Database, model_id: int
) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    images = await library(db, model_id, team_id)
    for mode in SearchMode:
        asked = replace(ASKED, mode=mode, words="heron")
        await measured(db, model_id, team_id, 0.2)
        first = await page(db, actor, asked, limit=2)
        assert first.has_next
        await measured(db, model_id, team_id, 0.0)
        longer = await page(db, actor, asked, after=first.cursors[-1])
        await measured(db, model_id, team_id, 0.4)
        shorter = await page(db, actor, asked, after=first.cursors[-1])
        await measured(db, model_id, team_id, 0.8)
        ended = await page(db, actor, asked, after=first.cursors[-1])
        # HYBRID chooses from a short list that takes up nothing newer than what it began with.
        assert ids(first) + ids(longer) == images[: 4 if mode is SearchMode.HYBRID else 5]
        assert ids(first) + ids(shorter) == images[:3]
        assert (ids(ended), ended.has_next) == ([], False)


async def test_a_cursor_is_bound_to_the_relevance(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await library(db, model_id, actor.team_ids[0])
    cursor = (await page(db, actor, limit=1)).cursors[-1]
    for other in (None, 0.0, 0.94):
        with pytest.raises(AppError) as refused:
            await page(db, actor, replace(ASKED, min_relevance=other), after=cursor)
        assert refused.value.field == "after"


async def test_the_floor_takes_one_statement_for_all_teams(db: Database, model_id: int) -> None:
    actor, other = await make.actor(db), await make.actor(db)
    both = Actor(actor.user_id, {**actor.roles, **other.roles})
    for team_id in both.team_ids:
        await library(db, model_id, team_id)
        await measured(db, model_id, team_id, 0.3)
    for asked, expected in ((replace(ASKED, min_relevance=None), 2), (ASKED, 3)):
        with counted_statements(db) as statements:
            await page(db, both, asked)
        assert len(statements) == expected, statements


async def test_measurements_go_with_their_team(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    await measured(db, model_id, team_id, 0.3)
    async with db.transaction() as session:
        await session.execute(delete(RelevanceFit).where(RelevanceFit.team_id != team_id))
        key = (team_id, model_id, Modality.TEXT)
        assert await relevance.by_key(session, actor, [key]) == [Chance(0.3, 0.05)]
    gone = await make.team(db)
    async with db.transaction() as session:
        await session.execute(
            insert(RelevanceFit).values(
                team_id=gone, model_id=model_id, modality=Modality.TEXT, questions=1, images=50,
                location=0.1, spread=0.1,
            )
        )  # fmt: skip
        team = await session.get_one(make.Team, gone)
        await session.delete(team)
    async with db.transaction() as session:
        await calibration.keep(
            session, calibration.Library(gone, model_id, 50), {Modality.TEXT: Chance(0, 1)}, 1
        )
        assert await session.get(RelevanceFit, (gone, model_id, Modality.TEXT)) is None


async def test_a_measurement_needs_no_room_on_the_disk(db: Database) -> None:
    """PostgreSQL knows nothing of the team yet; sorted, its pictures with each question would take 130 MB."""
    team_id, dimension = await make.team(db), 256
    async with planted.put_back(db):
        model_id = await planted.model(db, "wide-planted", dimension)
        rows = planted.random(4_000, seed=1, dimension=dimension)
        await planted.library(db, team_id, model_id, rows)
    questions = planted.random(64, seed=2, dimension=dimension)
    async with db.transaction() as session:
        await session.execute(text("set local temp_file_limit = '8MB'"))
        its = calibration.Library(team_id, model_id, len(rows))
        found, count = await calibration.bests(session, its, questions)
    assert count == len(rows)
    np.testing.assert_allclose(found.whole, (questions @ rows.T).max(axis=1), atol=1e-3)
