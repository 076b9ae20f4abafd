"""Questions of several parts, short lists that are sorted or spread, and pages of them that hold still."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, update

from app.db.database import counted_statements
from app.db.models import Image, Tag
from app.domain import (
    Actor,
    ImageFilter,
    ImageOrder,
    ImageOrderField,
    OrderDirection,
    Role,
    SearchMode,
    Window,
)
from app.errors import AppError, ErrorCode
from app.services.searching import diversity, questions, ranked, search
from app.services.searching.questions import Term
from tests import make
from tests.database import Database
from tests.services import planted

QUERY = planted.random(1, seed=999)[0]
ASKED = search.Search(planted.direction(QUERY))
SPREAD = replace(ASKED, diversity=0.5)
HYBRID = replace(ASKED, mode=SearchMode.HYBRID, words="grey heron")
Between = Callable[[int, list[UUID]], Awaitable[None]]
BY_TITLE = ImageOrder(ImageOrderField.TITLE, OrderDirection.ASC)


@pytest.fixture
async def model_id(db: Database) -> AsyncIterator[int]:
    async with planted.instead(db) as id:
        yield id


async def page(
    db: Database, actor: Actor, asked: search.Search, limit: int = 100, after: str | None = None
) -> search.Hits:
    async with db.transaction() as session:
        return await search.page(session, actor, asked, Window(limit, after))


def ids(hits: search.Hits) -> list[UUID]:
    return [hit.image.id for hit in hits.hits]


def beside(vector: planted.Rows, distance: float, count: int, seed: int = 0) -> planted.Rows:
    """Vectors at about this angle from it."""
    away = planted.random(count, seed, len(vector))
    return planted.unit(vector + distance * away)


async def put(
    db: Database, model_id: int, actor: Actor, rows: planted.Rows, **columns: object
) -> list[UUID]:
    first = await make.image(db, actor.team_ids[0], **columns)
    images = [first, *await make.copies(db, first, len(rows) - 1)]
    await planted.vectors(db, model_id, dict(zip(images, rows, strict=True)))
    return images


async def all_pages(
    db: Database, actor: Actor, asked: search.Search, limit: int, between: Between | None = None
) -> list[UUID]:
    """Every page to the end; `between` is awaited after each with its number and what was seen."""
    seen: list[UUID] = []
    after, turn = None, 0
    while True:
        hits = await page(db, actor, asked, limit, after)
        seen += ids(hits)
        if not hits.has_next:
            return seen
        after, turn = hits.cursors[-1], turn + 1
        if between is not None:
            await between(turn, seen)


async def test_near_copies_do_not_fill_the_page(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    copies = await put(db, model_id, actor, beside(QUERY, 0.1, 10))
    (other,) = await put(db, model_id, actor, beside(QUERY, 1.5, 1, seed=7))
    assert set(ids(await page(db, actor, ASKED, 10))) == set(copies)
    for spread in (0.4, 0.5, 0.8, 1.0):
        first = ids(await page(db, actor, replace(ASKED, diversity=spread), 2))
        assert first[0] in copies
        assert first[1] == other
    assert len(ids(await page(db, actor, SPREAD))) == 11


async def test_copies_do_not_fill_the_page_of_hybrid(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    copies = await put(db, model_id, actor, beside(QUERY, 0.1, 10), title="grey heron")
    (other,) = await put(db, model_id, actor, beside(QUERY, 1.5, 1, seed=7))
    assert other not in ids(await page(db, actor, HYBRID, 10))
    first = ids(await page(db, actor, replace(HYBRID, diversity=0.5), 2))
    assert other in first
    assert set(first) & set(copies)


async def test_no_diversity_is_the_ranking(db: Database, model_id: int) -> None:
    """Zero is the order by score, in the same pages and with the same cursors."""
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(20))
    plain = await page(db, actor, ASKED, 7)
    none = await page(db, actor, replace(ASKED, diversity=0.0), 7)
    assert (ids(none), none.cursors) == (ids(plain), plain.cursors)


def test_each_next_one_is_the_best_by_its_own_score_and_its_likeness() -> None:
    rows = planted.random(40, seed=5)
    scores = sorted((float(row @ QUERY) for row in rows), reverse=True)
    rows = rows[np.argsort(-(rows @ QUERY))]
    found = diversity.ordered(scores, list(rows), [3], diversity=0.3, count=39)
    width = scores[0] - scores[-1]
    chosen = [3]
    for _ in range(39):
        gains = {
            at: 0.7 * diversity.SPREAD * (scores[at] - scores[-1]) / width
            - 0.3
            * max(max(0.0, float(rows[at] @ rows[one])) ** diversity.SHARPNESS for one in chosen)
            for at in range(40)
            if at not in chosen
        }
        chosen.append(max(gains, key=lambda at: gains[at]))
    assert found == chosen[1:]
    assert diversity.ordered([], [], [], diversity=0.5, count=3) == []
    assert diversity.ordered([0.5], [rows[0]], [], diversity=0.5, count=3) == [0]
    assert diversity.ordered([0.5], [rows[0]], [0], diversity=0.5, count=3) == []


async def test_spread_pages_go_on_where_they_ended(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    await put(db, model_id, actor, np.concatenate([beside(QUERY, 0.2, 20), planted.random(25)]))
    whole = ids(await page(db, actor, SPREAD))
    assert len(whole) == 45
    assert await all_pages(db, actor, SPREAD, 7) == whole
    assert await all_pages(db, actor, SPREAD, 1) == whole


@pytest.mark.parametrize(
    "asked",
    [SPREAD, HYBRID, replace(HYBRID, diversity=0.5), replace(ASKED, order=BY_TITLE)],
    ids=["spread", "hybrid", "hybrid, spread", "sorted"],
)
async def test_short_lists_hold_still_while_images_come_and_go(
    db: Database, model_id: int, asked: search.Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the short list holds come in front of all others: what was in it is shown nevertheless."""
    monkeypatch.setattr("app.services.searching.shortlist.SHORTLIST", 30)
    monkeypatch.setattr("app.services.searching.fusion.FUSED", 30)
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(45), title="grey heron")
    before = ids(await page(db, actor, asked))
    gone: set[UUID] = set()

    async def between(turn: int, seen: list[UUID]) -> None:
        await put(
            db,
            model_id,
            actor,
            beside(QUERY, 0.1, 12, seed=turn),
            title="grey heron",
            tags=("grey heron",),
        )
        leaving = seen[-1] if turn % 2 else next(one for one in reversed(before) if one not in seen)
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id == leaving))
        gone.add(leaving)

    seen = await all_pages(db, actor, asked, 6, between)
    assert len(before) == 30
    assert len(seen) == len(set(seen))
    assert set(before) - gone <= set(seen)
    # What stood behind the list moves up where others left; what is new does not.
    assert len(set(seen) - set(before)) <= len(gone)


@pytest.mark.parametrize("asked", [SPREAD, HYBRID], ids=["spread", "hybrid"])
async def test_one_that_goes_while_a_page_is_read_does_not_end_the_list(
    db: Database, model_id: int, asked: search.Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its place in the ranking, and is deleted before the images of the page are read."""
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(9))
    first, *others = ids(await page(db, actor, asked))
    async with db.transaction() as session:
        scalars = session.scalars

        async def deleted_before(statement: Any, *bound: Any) -> Any:
            if statement is ranked.BY_ID:
                async with db.transaction() as other:
                    await other.execute(delete(Image).where(Image.id == first))
            return await scalars(statement, *bound)

        monkeypatch.setattr(session, "scalars", deleted_before)
        hits = await search.page(session, actor, asked, Window(4))
    assert ids(hits) == others[:4]
    assert hits.has_next
    rest = await page(db, actor, asked, after=hits.cursors[-1])
    assert {*ids(hits), *ids(rest)} == {*others}


async def test_a_deep_ranking_is_the_union_of_its_pages(db: Database, model_id: int) -> None:
    """Hundreds of hits, while as many come and some go: each old one that stays is shown once, in its place."""
    actor = await make.actor(db)
    rows = planted.random(420, seed=3)
    old = await put(db, model_id, actor, rows)
    scores = dict(zip(old, rows.astype(np.float16).astype(np.float32) @ QUERY, strict=True))
    gone: set[UUID] = set()

    async def between(turn: int, seen: list[UUID]) -> None:
        await put(db, model_id, actor, planted.random(6, seed=1000 + turn))
        leaving = [seen[-1], next(one for one in old if one not in seen and one not in gone)]
        async with db.transaction() as session:
            await session.execute(delete(Image).where(Image.id.in_(leaving)))
        gone.update(leaving)

    seen = await all_pages(db, actor, ASKED, 20, between)
    assert len(seen) == len(set(seen))
    staying = set(old) - gone
    assert staying <= set(seen)
    shown = [scores[one] for one in seen if one in staying]
    assert all(a >= b - 2e-3 for a, b in pairwise(shown))


async def test_an_order_sorts_what_is_relevant(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    rows = planted.random(30)
    images = {
        await make.image(
            db, team_id, title=f"{at * 7 % 30:02}", created_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=at % 5)
        ): row
        for at, row in enumerate(rows)
    }  # fmt: skip
    await planted.vectors(db, model_id, images)
    every = await page(db, actor, ASKED)
    least = every.hits[11].score
    relevant = {hit.image.id: hit for hit in every.hits[:12]}
    asked = replace(ASKED, min_score=least, order=BY_TITLE)
    hits = await page(db, actor, asked)
    assert ids(hits) == sorted(relevant, key=lambda one: relevant[one].image.title)
    assert {hit.image.id: hit.score for hit in hits.hits} == {
        one: hit.score for one, hit in relevant.items()
    }
    for order in (BY_TITLE, ImageOrder(), ImageOrder(ImageOrderField.TAKEN_AT, OrderDirection.ASC)):
        asked = replace(ASKED, min_score=least, order=order)
        assert await all_pages(db, actor, asked, 5) == ids(await page(db, actor, asked))
    assert len(ids(await page(db, actor, replace(ASKED, order=BY_TITLE)))) == 30
    hybrid = replace(HYBRID, order=BY_TITLE)
    assert ids(await page(db, actor, hybrid)) == sorted(
        images, key=lambda one: next(h.image.title for h in every.hits if h.image.id == one)
    )


async def test_without_a_score_the_best_are_sorted(
    db: Database, model_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.searching.shortlist.SHORTLIST", 8)
    monkeypatch.setattr("app.services.searching.shortlist.RELEVANT", 12)
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(20))
    best = ids(await page(db, actor, ASKED))
    for asked, count in (
        (replace(ASKED, order=BY_TITLE), 8),
        (replace(ASKED, order=BY_TITLE, min_score=-1.0), 12),
    ):
        assert set(await all_pages(db, actor, asked, 3)) == set(best[:count])


async def test_an_exact_tag_is_a_ranking_of_its_own(db: Database, model_id: int) -> None:
    """Words alone rank a title before a tag among others; meaning is against both."""
    actor = await make.actor(db)
    rows = planted.random(40)
    rows = rows[np.argsort(-(rows @ QUERY))]
    near = await put(db, model_id, actor, rows[:38])
    (titled,) = await put(db, model_id, actor, rows[38:39], title="Grey heron")
    (tagged,) = await put(db, model_id, actor, rows[39:], tags=("Grey Heron", "a", "lake"))
    hits = await page(db, actor, HYBRID)
    assert ids(hits)[:3] == [tagged, titled, near[0]]
    assert all(0 < hit.score <= 1 for hit in hits.hits)
    other_word = replace(HYBRID, words="Grey   HERON")
    assert ids(await page(db, actor, other_word))[0] == tagged


async def test_the_first_of_all_three_has_the_whole_score(db: Database, model_id: int) -> None:
    """One, and not the number before it: `minScore: 1` finds it."""
    actor = await make.actor(db)
    rows = planted.random(20)
    rows = rows[np.argsort(-(rows @ QUERY))]
    (first,) = await put(db, model_id, actor, rows[:1], title="Grey heron", tags=("Grey heron",))
    await put(db, model_id, actor, rows[1:])
    assert ids(await page(db, actor, replace(HYBRID, min_score=1.0))) == [first]


@pytest.mark.parametrize(
    ("words", "tag"),
    [
        ("a heron by the lake", "heron"),
        ("two herons", "heron"),
        ("the heron", "Herons"),
        ("hour of gold, golden hour", "golden-hour"),
        ("hour that is golden", "golden hour"),
        ("old cities", "city"),
        ("one clear golden_hour", "golden_hour"),
        ("two small herons", "heron (small)"),
        ("c++", "C++"),
        ("夕焼け", "夕焼け"),
        ("पहाड़ पर सूर्यास्त", "सूर्यास्त"),
        ("İstanbul by night", "İstanbul"),
        ("a #heron", "#Heron"),
        ("😀", "😀"),
        ("a 🐦 by the lake", "🐦"),
        ("one grey heron 🐦", "heron 🐦"),
        ("👩‍👩‍👧 at night", "👩‍👩‍👧"),
        ("a sea·side walk", "sea·side"),
        ("-", "-"),
    ],
)
async def test_a_tag_whose_words_are_in_the_question_lifts(
    db: Database, model_id: int, words: str, tag: str
) -> None:
    actor = await make.actor(db)
    rows = planted.random(30)
    rows = rows[np.argsort(-(rows @ QUERY))]
    near = await put(db, model_id, actor, rows[:29], tags=("heron statue", "other"))
    (tagged,) = await put(db, model_id, actor, rows[29:], tags=(tag,))
    found = ids(await page(db, actor, replace(HYBRID, words=words)))
    plain = [*near, tagged]
    assert found.index(tagged) < plain.index(tagged)
    assert set(found) == set(plain)


async def test_a_tag_without_words_lifts_nothing(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = planted.random(30)
    rows = rows[np.argsort(-(rows @ QUERY))]
    await put(db, model_id, actor, rows[:29])
    (tagged,) = await put(db, model_id, actor, rows[29:], tags=("_", "-", "___"))
    assert ids(await page(db, actor, replace(HYBRID, words="a heron")))[-1] == tagged


@pytest.mark.parametrize(
    ("words", "tag"),
    [
        ("a lake -heron", "heron"),
        ("a lake -herons", "heron"),
        ('a lake -"grey heron"', "grey heron"),
        ('a lake -"grey heron', "heron"),
        ("-heron", "heron"),
    ],
)
async def test_a_tag_that_is_not_wanted_lifts_nothing(
    db: Database, model_id: int, words: str, tag: str
) -> None:
    actor = await make.actor(db)
    rows = planted.random(30)
    rows = rows[np.argsort(-(rows @ QUERY))]
    near = await put(db, model_id, actor, rows[:29], title="snow")
    (tagged,) = await put(db, model_id, actor, rows[29:], title="snow", tags=(tag,))
    assert ids(await page(db, actor, replace(HYBRID, words=words))) == [*near, tagged]


@pytest.mark.parametrize(
    ("words", "tag", "share", "has_words"),
    [
        ("cha dance", "cha cha", 1 / 2, False),
        ("new york", "New York, New York", 1, True),
        ("cat among cats", "cat", 2 / 3, False),
        ("heron heron", "heron", 1, True),
        ("two herons", "heron herons", 1 / 2, False),
        ("heron 🐦", "heron", 1 / 2, True),
        ("lake -heron", "lake", 1 / 2, True),
        ("heron - lake", "heron", 1 / 2, True),
    ],
)
async def test_a_tag_counts_for_the_words_of_the_question_that_it_says(
    db: Database, model_id: int, words: str, tag: str, share: float, has_words: bool
) -> None:
    """The second by meaning, and perhaps the first by words."""
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.unit(QUERY[None]), title="snow")
    (tagged,) = await put(db, model_id, actor, planted.random(1), title="snow", tags=(tag,))
    hits = await page(db, actor, replace(HYBRID, words=words))
    (hit,) = (one for one in hits.hits if one.image.id == tagged)
    assert hit.score == pytest.approx((61 / 62 + has_words + share) / (2 + share))


async def test_each_of_two_hundred_takes_part_once(
    db: Database, model_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image with two tags that say as much is one of them, and leaves room for the others."""
    monkeypatch.setattr("app.services.searching.fusion.FUSED", 6)
    actor = await make.actor(db)
    rows = planted.random(12)
    rows = rows[np.argsort(-(rows @ QUERY))]
    near = await put(db, model_id, actor, rows[:6])
    older = await put(db, model_id, actor, rows[6:8], tags=("herons",))
    both = await put(db, model_id, actor, rows[8:], tags=("heron", "herons"))
    hits = await page(db, actor, replace(HYBRID, words="one heron"))
    assert set(ids(hits)) == {*near, *older, *both}


async def test_tags_of_another_team_lift_nothing(db: Database, model_id: int) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    mine = await put(db, model_id, actor, planted.random(5))
    theirs = await put(db, model_id, stranger, planted.random(5, seed=1), tags=("grey heron",))
    assert set(ids(await page(db, actor, HYBRID))) == set(mine)
    for asked in (SPREAD, replace(ASKED, order=BY_TITLE), replace(HYBRID, diversity=1.0)):
        assert set(ids(await page(db, actor, asked))) == set(mine)
    both = Actor(actor.user_id, {**actor.roles, stranger.team_ids[0]: Role.VIEWER})
    assert set(ids(await page(db, both, HYBRID))[:5]) == set(theirs)
    narrow = replace(HYBRID, wanted=ImageFilter(team_id=stranger.team_ids[0]))
    assert ids(await page(db, actor, narrow)) == []


async def test_terms_draw_and_push(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = planted.random(60)
    images = await put(db, model_id, actor, rows)
    best = ids(await page(db, actor, ASKED))
    term = planted.direction(rows[images.index(best[-1])], "the last")
    more = questions.combined(ASKED.query, more=[Term(term)])
    assert ids(await page(db, actor, search.Search(more))).index(best[-1]) < 5
    first = planted.direction(rows[images.index(best[0])], "the first")
    less = questions.combined(ASKED.query, less=[Term(first), Term(first, 2.0)])
    assert ids(await page(db, actor, search.Search(less))).index(best[0]) > 3
    for one in (more, less):
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-5)
    nothing = questions.combined(ASKED.query, more=[Term(term, 0.0)], less=[Term(first, 0.0)])
    np.testing.assert_allclose(nothing.vector, QUERY, atol=1e-6)
    assert questions.combined(ASKED.query) is ASKED.query


def test_a_push_never_turns_the_question_round() -> None:
    itself = [Term(ASKED.query, 10.0)] * 10
    assert questions.combined(ASKED.query, less=itself).vector @ QUERY == pytest.approx(1, abs=1e-5)
    many = [Term(planted.direction(row), 10.0) for row in planted.random(10, seed=4)]
    assert questions.combined(ASKED.query, less=many).vector @ QUERY > 0.4
    against = planted.direction(-QUERY)
    with pytest.raises(AppError) as refused:
        questions.combined(ASKED.query, more=[Term(against)])
    assert refused.value.field == "more"
    with pytest.raises(AppError) as unlike:
        questions.combined(ASKED.query, more=[Term(planted.direction(QUERY, model="other"))])
    assert unlike.value.code is ErrorCode.UNAVAILABLE


def test_a_picture_counts_less_than_a_text() -> None:
    (row,) = planted.random(1, seed=6)
    text = planted.direction(row)
    picture = replace(text, of_text=False)
    for side in ("more", "less"):
        of_text, of_picture = (
            abs(float(questions.combined(ASKED.query, **{side: [Term(one)]}).vector @ row - QUERY @ row))
            for one in (text, picture)
        )  # fmt: skip
        assert 0 < of_picture < of_text


async def test_cursors_know_their_terms_order_and_diversity(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = planted.random(12)
    await put(db, model_id, actor, rows)
    term = Term(planted.direction(rows[0], "one"))
    asked = [
        ASKED,
        SPREAD,
        replace(ASKED, diversity=0.6),
        replace(ASKED, order=BY_TITLE),
        replace(ASKED, order=ImageOrder()),
        search.Search(questions.combined(ASKED.query, more=[term])),
        search.Search(questions.combined(ASKED.query, less=[term])),
        search.Search(questions.combined(ASKED.query, less=[replace(term, weight=0.5)])),
    ]
    cursors = [(await page(db, actor, one, 3)).cursors[-1] for one in asked]
    for one in asked:
        for other, cursor in zip(asked, cursors, strict=True):
            if one is other:
                assert len(ids(await page(db, actor, one, 100, cursor))) == 9
                continue
            with pytest.raises(AppError) as refused:
                await page(db, actor, one, 3, cursor)
            assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "after"}


@pytest.mark.parametrize("asked", [SPREAD, HYBRID, replace(ASKED, order=BY_TITLE)])
async def test_what_is_no_cursor_of_a_short_list_is_refused(
    db: Database, model_id: int, asked: search.Search
) -> None:
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(5))
    cursor = (await page(db, actor, asked, 2)).cursors[-1]
    for broken in (
        "",
        "AAAA",
        "a" * 43,
        "🙂",
        cursor[:20],
        cursor[:-5],
        cursor + "A" * 11,
        cursor + cursor,
    ):
        with pytest.raises(AppError) as refused:
            await page(db, actor, asked, 2, broken)
        assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "after"}


@pytest.mark.parametrize("spread", [math.nan, -0.1, 1.01, math.inf, -math.inf])
async def test_a_diversity_lies_between_0_and_1(db: Database, model_id: int, spread: float) -> None:
    actor = await make.actor(db)
    with pytest.raises(AppError) as refused:
        await page(db, actor, replace(ASKED, diversity=spread))
    assert refused.value.extensions == {"code": "BAD_USER_INPUT", "field": "diversity"}


async def test_an_order_leaves_diversity_no_choice(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    with pytest.raises(AppError) as refused:
        await page(db, actor, replace(SPREAD, order=BY_TITLE))
    assert refused.value.field == "diversity"
    assert ids(await page(db, actor, replace(ASKED, order=BY_TITLE))) == []
    assert ids(await page(db, actor, SPREAD)) == []


@pytest.mark.parametrize(
    ("asked", "count"),
    [(SPREAD, 4), (replace(ASKED, order=BY_TITLE), 3), (HYBRID, 8), (replace(HYBRID, diversity=0.5), 9)],
    ids=["spread", "sorted", "hybrid", "hybrid, spread"],
)  # fmt: skip
async def test_a_page_takes_as_many_statements(
    db: Database, model_id: int, asked: search.Search, count: int
) -> None:
    actor = await make.actor(db)
    await put(db, model_id, actor, planted.random(20), title="grey heron", tags=("heron",))
    for limit in (5, 20):
        with counted_statements(db) as statements:
            await page(db, actor, asked, limit)
        assert len(statements) == count, statements


async def test_a_renamed_tag_is_found_by_its_new_name(db: Database, model_id: int) -> None:
    actor = await make.actor(db)
    rows = planted.random(20)
    rows = rows[np.argsort(-(rows @ QUERY))]
    await put(db, model_id, actor, rows[:19])
    (tagged,) = await put(db, model_id, actor, rows[19:], tags=("egret",))
    assert ids(await page(db, actor, HYBRID))[0] != tagged
    async with db.transaction() as session:
        renamed = update(Tag).where(Tag.team_id == actor.team_ids[0])
        await session.execute(renamed.values(name="Grey Heron", key="grey heron"))
    assert ids(await page(db, actor, HYBRID))[0] == tagged
