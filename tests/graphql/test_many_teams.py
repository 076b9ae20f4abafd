"""The widest filter by tags that its cost lets pass: fifty names in each of two hundred teams. Every root field answers it."""

import secrets
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import event, text

from app.db.prepared import DIALECT
from app.domain import (
    MAX_TAGS_PER_CALL,
    NO_ID,
    Actor,
    ImageFilter,
    ImageOrder,
    ImageOrderField,
    Role,
    TagFilter,
    Window,
)
from app.resources import Resources
from app.services import embedding_models, filters, images, match_counts
from app.services.filters import Match
from app.services.merging import Plan, Reading, Source
from app.services.reach import Edges
from app.services.searching.candidates import Candidates
from app.services.searching.vector_look import Look
from app.services.searching.vector_plan import Plan as LookPlan
from tests import make
from tests.database import Database
from tests.graphql.conftest import Client
from tests.services import planted

TEAMS: Final = 200
MOST_PARAMETERS: Final = 2_000
"""Ids of teams may be one each; those of tags may not."""
NAMES: Final = [f"carried {n}" for n in range(MAX_TAGS_PER_CALL)]
OTHERS: Final = [f"idle {n}" for n in range(MAX_TAGS_PER_CALL)]
ORDERS: Final = (ImageOrderField.TITLE, ImageOrderField.TAKEN_AT)
WIDEST: Final[dict[str, dict[str, Any]]] = {
    "all": {"tags": {"all": NAMES}},
    "any and none": {"tags": {"any": NAMES, "none": OTHERS}},
}
TAGS: Final = text(
    "insert into tag (team_id, name, key)"
    " select team, name, name from unnest(cast(:teams as uuid[])) team, unnest(cast(:names as text[])) name"
)
IMAGES: Final = text(
    "insert into image (team_id, state, object_key, sha256, size_bytes, format, width, height, title, filename, created_at)"
    " select team, 'STORED', 'k', uuid_send(uuidv7()), n, 'JPEG', 1, 1, 'A boat', 'boat.jpg', now() - n * interval '1 hour'"
    " from unnest(cast(:teams as uuid[])) with ordinality as t (team, n) returning id"
)
TAGGED: Final = text(
    "insert into image_tag (team_id, image_id, tag_id, created_at)"
    " select i.team_id, i.id, t.id, i.created_at from image i join tag t using (team_id)"
    " where i.team_id = any(:teams) and t.key = any(:names)"
)
FOUND: Final = {
    "the newest": "images(filter: $filter, first: 3) { totalCount nodes { tags { name } } }",
    **{
        f"by {one}": f"images(filter: $filter, first: 3, orderBy: {{field: {one}, direction: ASC}}) {{ nodes {{ id }} }}"
        for one in ORDERS
    },
    "a search": 'searchImages(query: {text: "boat"}, filter: $filter, first: 3) { nodes { id } }',
    "a draw": "randomImages(filter: $filter, count: 3) { id }",
    "a seeded draw": 'randomImages(filter: $filter, count: 3, seed: "monday") { id }',
    "facets": "imageFacets(filter: $filter) { total tags(first: 3) { count } formats { count } }",
    "a timeline": "imageTimeline(filter: $filter, by: YEAR) { count }",
}
FIRST: Final = "images(filter: $filter, first: 1) { totalCount nodes { id } }"
CHANGES: Final = {
    "a bulk job": 'prepareBulkJob(input: {teamId: $team, filter: $filter, change: {addTags: ["x"]}}) { total }',
    "a dataset": 'exportDataset(input: {teamId: $team, name: "x", filter: $filter}) { id }',
}


@pytest.fixture
async def actor(db: Database, resources: Resources) -> Actor:
    """Of all the teams; each has an image with fifty tags, and as many tags more."""
    embedder = resources.embedder
    await embedder.warm()
    # Of the teams to come, PostgreSQL knows as little as soon after an upload: the worst for its plans.
    (stranger,) = (await make.actor(db)).team_ids
    for _ in range(20):
        await make.image(db, stranger, tags=("a", "b", "c"))
    async with db.transaction() as session:
        await session.execute(text("analyze image, image_tag, tag, image_vector, draw_head"))
    user_id = await make.user(db)
    slugs = [f"t-{secrets.token_hex(6)}" for _ in range(TEAMS)]
    new = text(
        "insert into team (name, slug) select 'T', slug from unnest(cast(:slugs as text[])) slug returning id"
    )
    async with db.transaction() as session:
        model = await embedding_models.ensure(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
        )
        await embedding_models.activate(session, model)
        teams = list(await session.scalars(new, {"slugs": slugs}))
        await session.execute(TAGS, {"teams": teams, "names": [*NAMES, *OTHERS]})
        ids = list(await session.scalars(IMAGES, {"teams": teams}))
        await session.execute(TAGGED, {"teams": teams, "names": NAMES})
    (row,) = await embedder.texts(["boat"])
    await planted.vectors(db, model.id, dict.fromkeys(ids, row))
    return Actor(user_id, dict.fromkeys(teams, Role.EDITOR))


@pytest.fixture
def widths(db: Database) -> Iterator[list[int]]:
    """How many parameters each statement has."""
    seen: list[int] = []

    def note(_conn: Any, _cursor: Any, _statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append(len(parameters or ()))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)


async def test_every_root_field_answers(
    client: Client, db: Database, actor: Actor, widths: list[int]
) -> None:
    widths.clear()
    found: dict[str, Any] = {}
    for kind, wanted in WIDEST.items():
        data = {
            name: await client.get(
                actor, f"query($filter: ImageFilter) {{ {field} }}", filter=wanted
            )
            for name, field in FOUND.items()
        }
        for name, field in CHANGES.items():
            asked = f"mutation($filter: ImageFilter, $team: ID!) {{ {field} }}"
            data[name] = await client.get(actor, asked, filter=wanted, team=str(actor.team_ids[0]))
        found[kind] = {name: next(iter(one.values())) for name, one in data.items()}
    assert max(widths) < MOST_PARAMETERS
    for data in found.values():
        newest = data["the newest"]
        assert newest["totalCount"] == TEAMS
        assert [len(one["tags"]) for one in newest["nodes"]] == [len(NAMES)] * 3
        assert {len(data[f"by {one}"]["nodes"]) for one in ORDERS} == {3}
        assert len(data["a search"]["nodes"]) == 3
        assert len(data["a draw"]) == len(data["a seeded draw"]) == 3
        assert data["facets"]["total"] == TEAMS
        assert data["facets"]["formats"] == [{"count": TEAMS}]
        assert sum(one["count"] for one in data["a timeline"]) == TEAMS
        assert data["a bulk job"] == {"total": 1}
    assert found["all"]["by TITLE"] == found["any and none"]["by TITLE"]
    assert found["all"]["a seeded draw"] == found["any and none"]["a seeded draw"]
    # All of the names but one, and one of the others.
    newest_id = str(await make.image(db, actor.team_ids[-1], tags=(*NAMES[1:], OTHERS[0])))
    tags = {"all": NAMES}, {"any": NAMES}, {"none": OTHERS}
    asked = f"query($filter: ImageFilter) {{ {FIRST} }}"
    pages = [(await client.get(actor, asked, filter={"tags": one}))["images"] for one in tags]
    assert [one["totalCount"] for one in pages] == [TEAMS, TEAMS + 1, TEAMS]
    assert [one["nodes"][0]["id"] == newest_id for one in pages] == [False, True, False]


def parameters(statement: Any) -> int:
    made = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return len(made.positiontup)


@pytest.mark.parametrize("kind", ["all", "any"])
def test_branches_have_no_parameter_for_each_tag(kind: str) -> None:
    """Thirty teams with a graph each, thirty that are counted, and five groups of teams that are sorted."""
    team_ids = tuple(uuid4() for _ in range(TEAMS))
    tags = {one: tuple(uuid4() for _ in NAMES) for one in team_ids}
    none: dict[UUID, tuple[UUID, ...]] = dict.fromkeys(team_ids, ())
    match = Match(
        wanted=ImageFilter(tags=TagFilter(all=tuple(NAMES))),
        team_ids=team_ids,
        all_tags=tags if kind == "all" else none,
        any_tags=tags if kind == "any" else None,
        rest=(filters.STORED, filters.NOT_TRASHED),
        few_words=False,
        only_tags=False,
        beside=False,
    )
    large, others = team_ids[:30], team_ids[30:]
    assert parameters(match_counts._of_any_filter(match, dict.fromkeys(large, 100))) < 4_000
    look = Look(Candidates(match, 1), np.ones(32, np.float32), 20, None, None)
    assert parameters(look._with_images(LookPlan(others, large, {}, {}), 30)) < 4_000
    keyset = images.keyset(ImageOrder(ImageOrderField.TITLE))
    groups = [others[n : n + 30] for n in range(0, 150, 30)]
    plan = Plan(Source.TEAM, [(one, NO_ID) for one in large], groups)
    read = Reading(match, Source.TEAM, keyset, Window(limit=20), Edges())
    assert parameters(read.rows(plan)) < 4_000
