"""Search by meaning: the exact order, only what the actor may see, like with like, and pages that hold still."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, update

from app.db.database import counted_statements
from app.db.models import Image
from app.domain import (
    Actor,
    DateTimeRange,
    ImageFilter,
    ModelState,
    Role,
    SearchMode,
    TagFilter,
    Window,
)
from app.embedding import embedder_from_name
from app.errors import AppError, ErrorCode
from app.services.searching import questions, search
from tests import make
from tests.database import Database
from tests.services import planted

QUERY = planted.random(1, seed=999)[0]
ASKED = search.Search(planted.direction(QUERY))


@pytest.fixture
async def model_id(db: Database) -> AsyncIterator[int]:
    async with planted.instead(db) as id:
        yield id


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


async def library(
    db: Database, model_id: int, team_id: UUID, count: int, seed: int = 0, **columns: object
) -> dict[UUID, planted.Rows]:
    rows = planted.random(count, seed)
    images = {await make.image(db, team_id, **columns): row for row in rows}
    await planted.vectors(db, model_id, images)
    return images


def by_cosine(rows: dict[UUID, planted.Rows], query: planted.Rows = QUERY) -> list[UUID]:
    """The order by hand, in the stored precision."""
    half = query.astype(np.float16).astype(np.float32)
    scores = {
        one: float(row.astype(np.float16).astype(np.float32) @ half) for one, row in rows.items()
    }
    return sorted(rows, key=lambda one: -scores[one])


async def test_the_order_is_exact_and_the_score_is_the_cosine(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 90)
    hits = await page(db, actor)
    assert ids(hits) == by_cosine(rows)
    for hit in hits.hits:
        assert hit.score == pytest.approx(float(rows[hit.image.id] @ QUERY), abs=2e-3)
    assert hits.model == planted.NAME
    assert not hits.has_next


async def test_filters_narrow_the_candidates(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    old = await library(db, model_id, team_id, 20, created_at=datetime(2020, 5, 1, tzinfo=UTC))
    tagged = await library(db, model_id, team_id, 10, seed=1, tags=("cat",))
    trashed = await library(db, model_id, team_id, 5, seed=2, trashed_at=datetime.now(UTC))
    in_2020 = DateTimeRange(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    for wanted, expected in (
        (ImageFilter(), old | tagged),
        (ImageFilter(tags=TagFilter(all=("Cat",))), tagged),
        (ImageFilter(created_at=in_2020), old),
        (ImageFilter(trashed=True), trashed),
        (ImageFilter(tags=TagFilter(all=("unknown",))), {}),
    ):
        asked = replace(ASKED, wanted=wanted)
        hits = await page(db, actor, asked)
        assert ids(hits) == by_cosine(expected)
        async with db.transaction() as session:
            assert await search.candidate_count(session, actor, asked) == len(expected)


async def test_another_team_is_never_seen(db: Database, model_id: int) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    mine = await library(db, model_id, actor.team_ids[0], 5)
    theirs = await library(db, model_id, stranger.team_ids[0], 5)
    assert set(ids(await page(db, actor))) == set(mine)
    both = Actor(actor.user_id, {**actor.roles, stranger.team_ids[0]: Role.VIEWER})
    assert set(ids(await page(db, both))) == set(mine) | set(theirs)
    narrow = replace(ASKED, wanted=ImageFilter(team_id=stranger.team_ids[0]))
    assert ids(await page(db, actor, narrow)) == []


async def test_pages_hold_still_while_images_come_and_go(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    rows = await library(db, model_id, team_id, 60)
    seen: list[UUID] = []
    gone: set[UUID] = set()
    after, turn = None, 0
    while True:
        hits = await page(db, actor, limit=7, after=after)
        seen += ids(hits)
        assert hits.has_previous == (turn > 0)
        if not hits.has_next:
            break
        after, turn = hits.cursors[-1], turn + 1
        await library(db, model_id, team_id, 5, seed=100 + turn)
        leaving = seen[-1] if turn % 2 else by_cosine(rows)[-turn]
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id == leaving))
        gone.add(leaving)
    assert len(seen) == len(set(seen))
    assert set(rows) - gone <= set(seen)


async def test_equal_scores_are_paged_by_id(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    images = {await make.image(db, actor.team_ids[0]): QUERY for _ in range(9)}
    await planted.vectors(db, model_id, images)
    seen: list[UUID] = []
    after = None
    for _ in range(5):
        hits = await page(db, actor, limit=2, after=after)
        seen += ids(hits)
        after = hits.cursors[-1]
    assert seen == sorted(images)
    assert all(hit.score <= 1 for hit in hits.hits)


async def test_min_score_cuts(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 40)
    every = await page(db, actor)
    least = every.hits[9].score
    hits = await page(db, actor, replace(ASKED, min_score=least))
    assert ids(hits) == by_cosine(rows)[:10]


async def test_not_pushes_away(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 40)
    best = ids(await page(db, actor))[0]
    unwanted = planted.direction(rows[best], "that one")
    query = questions.combined(ASKED.query, less=[questions.Term(unwanted)])
    np.testing.assert_allclose(np.linalg.norm(query.vector), 1, rtol=1e-5)
    hits = await page(db, actor, search.Search(query))
    assert ids(hits) == by_cosine(rows, query.vector)
    assert ids(hits).index(best) > 0
    other = planted.direction(QUERY, model="other")
    with pytest.raises(AppError) as refused:
        questions.combined(ASKED.query, less=[questions.Term(other)])
    assert refused.value.code is ErrorCode.UNAVAILABLE


async def test_like_is_compared_with_like(db: Database, model_id: int) -> None:
    """A model of another dimension: one operator on a vector of each would be an error of the database."""
    actor = await make.actor(db)
    mine = await library(db, model_id, actor.team_ids[0], 10)
    unread = await make.image(db, actor.team_ids[0])
    other_id = await planted.model(db, planted.OTHER, 8, ModelState.BUILDING)
    others = [*mine, unread]
    rows = dict(zip(others, planted.random(len(others), dimension=8), strict=True))
    await planted.vectors(db, other_id, rows)
    asked = replace(ASKED, min_score=-1.0)
    assert ids(await page(db, actor, asked)) == by_cosine(mine)
    question = search.Search(
        planted.direction(planted.random(1, dimension=8)[0], model=planted.OTHER)
    )
    with pytest.raises(AppError) as refused:
        await page(db, actor, question)
    assert refused.value.code is ErrorCode.UNAVAILABLE
    await planted.model(db, planted.OTHER, 8)
    assert set(ids(await page(db, actor, question))) == set(others)
    with pytest.raises(AppError):
        await page(db, actor)


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "a" * 43, "🙂", "=" * 5])
async def test_what_is_no_cursor_is_refused(db: Database, model_id: int, cursor: str) -> None:
    actor = await make.actor(db)
    for mode in SearchMode:
        with pytest.raises(AppError) as refused:
            await page(db, actor, replace(ASKED, mode=mode, words="cat"), after=cursor)
        assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "after"}


async def test_a_cursor_of_another_search_is_refused(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await library(db, model_id, actor.team_ids[0], 5)
    cursor = (await page(db, actor, limit=2)).cursors[-1]
    assert len(ids(await page(db, actor, after=cursor))) == 3
    same = replace(ASKED, wanted=ImageFilter(tags=TagFilter(all=(), none=()), text=" "))
    assert len(ids(await page(db, actor, same, after=cursor))) == 3
    for other in (
        search.Search(planted.direction(QUERY, "another text")),
        replace(ASKED, wanted=ImageFilter(tags=TagFilter(none=("cat",)))),
        replace(ASKED, min_score=0.1),
        replace(ASKED, mode=SearchMode.HYBRID, words="cat"),
    ):
        with pytest.raises(AppError) as refused:
            await page(db, actor, other, after=cursor)
        assert refused.value.field == "after"


async def test_an_image_asks_with_its_stored_vector(db: Database, model_id: int) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 12)
    image_id = next(iter(rows))
    async with db.transaction() as session:
        query = await search.by_image(session, actor, image_id)
    hits = await page(db, actor, search.Search(query))
    assert ids(hits)[0] == image_id
    assert hits.hits[0].score == pytest.approx(1, abs=1e-3)
    unread = await make.image(db, actor.team_ids[0])
    async with db.transaction() as session:
        with pytest.raises(AppError) as foreign:
            await search.by_image(session, stranger, image_id)
        with pytest.raises(AppError) as unknown:
            await search.by_image(session, stranger, unread)
        with pytest.raises(AppError) as early:
            await search.by_image(session, actor, unread)
    assert foreign.value.code is unknown.value.code is ErrorCode.NOT_FOUND
    assert foreign.value.field == "query.imageId"
    assert early.value.code is ErrorCode.CONFLICT


async def test_similar_leaves_the_image_itself_out(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 12)
    unread = await make.image(db, actor.team_ids[0])
    image_id = by_cosine(rows)[0]
    async with db.transaction() as session:
        hits = await search.similar(session, actor, image_id, ImageFilter(), None, Window(5))
        count = await search.similar_count(session, actor, image_id, ImageFilter())
        nothing = await search.similar(session, actor, unread, ImageFilter(), None, Window(5))
    assert ids(hits) == by_cosine(rows, rows[image_id])[1:6]
    assert count == 11
    assert ids(nothing) == []
    assert nothing.model == planted.NAME


async def test_hybrid_lifts_images_whose_words_match(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 30)
    last = by_cosine(rows)[-1]
    async with db.transaction() as session:
        await session.execute(update(Image).where(Image.id == last).values(title="Grey herons"))
    asked = replace(ASKED, mode=SearchMode.HYBRID, words="heron")
    hits = await page(db, actor, asked)
    assert ids(hits)[0] == last
    assert ids(hits)[1:] == by_cosine(rows)[:-1]
    assert all(0 < hit.score <= 1 for hit in hits.hits)
    assert ids(await page(db, actor, replace(asked, words="!! &"))) == by_cosine(rows)
    cut = await page(db, actor, replace(asked, min_score=hits.hits[3].score))
    assert ids(cut) == ids(hits)[:4]
    with pytest.raises(AppError) as refused:
        await page(db, actor, replace(asked, words=None))
    assert refused.value.field == "mode"


async def test_hybrid_gives_one_to_the_first_of_both(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = await library(db, model_id, actor.team_ids[0], 3)
    async with db.transaction() as session:
        best = by_cosine(rows)[0]
        await session.execute(update(Image).where(Image.id == best).values(title="heron"))
    hits = await page(db, actor, replace(ASKED, mode=SearchMode.HYBRID, words="heron"))
    assert hits.hits[0].score == 1


async def test_hybrid_pages_hold_still_while_ranks_move(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    rows = await library(db, model_id, team_id, 20, title="heron")
    rows |= await library(db, model_id, team_id, 20, seed=1)
    asked = replace(ASKED, mode=SearchMode.HYBRID, words="heron")
    seen: list[UUID] = []
    gone: set[UUID] = set()
    after, turn = None, 0
    while True:
        hits = await page(db, actor, asked, limit=6, after=after)
        seen += ids(hits)
        if not hits.has_next:
            break
        after, turn = hits.cursors[-1], turn + 1
        await library(db, model_id, team_id, 3, seed=100 + turn, title="heron")
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id == seen[-3]))
        gone.add(seen[-3])
    assert len(seen) == len(set(seen))
    assert set(rows) - gone <= set(seen)


async def test_a_search_takes_two_statements(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await library(db, model_id, actor.team_ids[0], 20)
    for limit in (5, 20):
        with counted_statements(db) as statements:
            await page(db, actor, limit=limit)
        assert len(statements) == 2, statements


async def test_nothing_and_novels_are_no_questions() -> None:
    embedder = embedder_from_name("builtin")
    for words in ("", " \n ", "x" * 1001):
        with pytest.raises(AppError) as refused:
            await search.by_text(embedder, words)
        assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "query.text"}
    await embedder.close()
