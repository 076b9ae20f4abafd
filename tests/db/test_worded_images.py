"""Full text by its index, with the owner's rights: never another team's images, whatever is asked for."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.database import Entrance, counted_statements, sqlstate
from app.domain import Actor, ImageFilter, ImageOrder, ImageState, Role, SearchMode, Window
from app.services import full_text, images
from app.services.searching import search
from tests import make
from tests.database import Database
from tests.services import planted

REFUSED = "42501"


async def worded(entrance: Entrance, words: str, teams: list[UUID], most: int = 100) -> Any:
    async with entrance.transaction() as session:
        return await session.scalar(
            text("select worded_images(:words, :teams, :most)"),
            {"words": words, "teams": teams, "most": most},
        )


async def test_only_images_of_the_transaction_s_teams_are_found(db: Database) -> None:
    actor, stranger = await make.actor(db), await make.actor(db)
    (mine,), (theirs,) = actor.team_ids, stranger.team_ids
    own = await make.image(db, mine, title="Grey herons")
    foreign = await make.image(db, theirs, title="Grey herons")
    await make.image(db, mine, title="Herons", state=ImageState.PENDING)
    both = Actor(actor.user_id, {mine: Role.VIEWER, theirs: Role.VIEWER})
    nobody = Actor(actor.user_id, {})
    operator = Actor(actor.user_id, {}, is_operator=True)
    for words in ("heron", "HERONS", "grey -blue", "heron or egret"):
        assert await worded(db.acting(actor), words, [mine]) == [own]
        assert await worded(db.acting(actor), words, [mine, theirs]) == [own]
        assert await worded(db.acting(actor), words, [theirs]) == []
        assert set(await worded(db.acting(both), words, [mine, theirs])) == {own, foreign}
        assert await worded(db.acting(both), words, [theirs]) == [foreign]
        for who in (nobody, operator):
            assert await worded(db.acting(who), words, [mine, theirs]) == []
        # Without a transaction's teams it knows nothing, not even that there is nothing.
        assert await worded(db.owner, words, [mine, theirs]) is None


async def test_more_than_were_asked_for_are_not_told(db: Database) -> None:
    actor = await make.actor(db)
    (team_id,) = actor.team_ids
    ids = {await make.image(db, team_id, title="heron") for _ in range(5)}
    assert set(await worded(db.acting(actor), "heron", [team_id], 5)) == ids
    assert await worded(db.acting(actor), "heron", [team_id], 4) is None
    for nothing in ("egret", "", "!! &", "the"):
        found = await worded(db.acting(actor), nothing, [team_id])
        assert found == []


async def test_no_other_role_may_ask(db: Database) -> None:
    for entrance in (db.login, db.worker, db.audit):
        with pytest.raises(DBAPIError) as refusal:
            await worded(entrance, "heron", [])
        assert sqlstate(refusal.value) == REFUSED


@pytest.fixture
async def model_id(db: Database) -> AsyncIterator[int]:
    async with planted.instead(db) as id:
        yield id


@pytest.mark.parametrize("most", [0, 5_000])
async def test_lists_and_searches_find_the_same_either_way(
    db: Database, model_id: int, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(full_text, "MOST_BY_INDEX", most)
    actor, stranger = await make.actor(db), await make.actor(db)
    (team_id,) = actor.team_ids
    herons = [await make.image(db, team_id, title="A heron", tags=("lake",)) for _ in range(3)]
    others = [await make.image(db, team_id, title="An egret") for _ in range(3)]
    await make.image(db, stranger.team_ids[0], title="A heron")
    rows = planted.random(6)
    await planted.vectors(db, model_id, dict(zip([*herons, *others], rows, strict=True)))
    asked = search.Search(planted.direction(rows[5]), mode=SearchMode.HYBRID, words="herons")
    async with db.acting(actor).transaction() as session:
        page = await images.page(
            session, actor, ImageFilter(text="herons lake"), ImageOrder(), Window(10)
        )
        count = await images.count(session, actor, ImageFilter(text="herons"))
        without = await images.count(session, actor, ImageFilter(text="-heron"))
        hits = await search.page(session, actor, asked, Window(10))
    assert {row.id for row in page.rows} == set(herons)
    assert (count, without) == (3, 3)
    assert {hit.image.id for hit in hits.hits} == {*herons, *others}
    assert {hit.image.id for hit in hits.hits[:4]} == {*herons, others[2]}


async def test_words_that_many_have_are_not_counted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index finds them, and to count them takes as long as the page."""
    monkeypatch.setattr(full_text, "MOST_BY_INDEX", 0)
    actor = await make.actor(db)
    heron = await make.image(db, actor.team_ids[0], title="A heron")
    await make.image(db, actor.team_ids[0], title="An egret")
    async with db.acting(actor).transaction() as session:
        with counted_statements(db) as statements:
            wanted = ImageFilter(text="heron")
            page = await images.page(session, actor, wanted, ImageOrder(), Window(10))
    assert [row.id for row in page.rows] == [heron]
    assert len(statements) == 3


async def test_a_list_by_words_takes_three_statements_more(db: Database) -> None:
    actor = await make.actor(db)
    await make.image(db, actor.team_ids[0], title="A heron")
    for wanted, expected in (
        (ImageFilter(), 1),
        (ImageFilter(text="heron"), 4),
        (ImageFilter(text=" "), 1),
    ):
        async with db.acting(actor).transaction() as session:
            with counted_statements(db) as statements:
                await images.page(session, actor, wanted, ImageOrder(), Window(10))
        assert len(statements) == expected, statements
