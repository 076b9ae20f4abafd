"""Relevance from end to end: drawn pictures, the built-in model, a measurement by the worker, and GraphQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete

from app.db.models import ImageVector, RelevanceFit
from app.domain import Actor, Role
from app.services import embedding_models
from app.worker import models
from app.worker.relevance import Calibration
from tests import make, nonsense
from tests.graphql.conftest import Client
from tests.services import planted
from tools.builtin_model import heldout
from tools.builtin_model.vocabulary import COMMONEST

WORDS = COMMONEST[:90]
SEARCH = """
query($text: String!, $least: Float, $mode: SearchMode, $team: ID, $more: [SearchTerm!]) {
  searchImages(query: {text: $text}, more: $more, minRelevance: $least, mode: $mode, filter: {teamId: $team}) {
    relevanceBasis edges { relevance score node { title } }
  }
}"""
SIMILAR = """
query($id: ID!, $least: Float) {
  image(id: $id) { similar(minRelevance: $least) { relevanceBasis edges { relevance node { title } } } }
}"""
NONSENSE = nonsense.sentences(40, seed=11)
MOST_FOUND = 5
"""Of 40, with 97.5 %."""
DRAWN: list[planted.Rows] = []
"""Vectors of the pictures, made once."""


@dataclass
class World:
    actor: Actor
    images: list[UUID]


@pytest.fixture
async def world(client: Client) -> AsyncIterator[World]:
    """A team with one picture of each of WORDS, titled so, and read by the built-in model; it has not been measured."""
    resources, db = client.resources, client.resources.db
    embedder = resources.embedder
    await embedder.warm()
    async with db.transaction() as session:
        model = await embedding_models.ensure(
            session,
            name=embedder.name,
            revision=embedder.revision,
            dimension=embedder.dimension,
        )
        await embedding_models.activate(session, model)
        # Whatever other tests have left there would be measured along.
        await session.execute(delete(ImageVector).where(ImageVector.model_id == model.id))
    if not DRAWN:
        pixels = [np.asarray(one.image) for one in heldout.things_on_plain(1, WORDS)]
        DRAWN.extend(await embedder.pictures(pixels))
    actor = await make.actor(db)
    team_id = actor.team_ids[0]
    images = [await make.image(db, team_id, title=word) for word in WORDS]
    await planted.vectors(db, model.id, dict(zip(images, DRAWN, strict=True)))
    known = await models.refresh(resources)
    assert known.active is not None
    await known.load(known.active)
    yield World(actor, images)
    async with db.transaction() as session:
        await session.execute(delete(RelevanceFit))


async def titles(client: Client, actor: Actor, text: str, **variables: object) -> list[str]:
    data = await client.get(actor, SEARCH, text=text, **variables)
    return [edge["node"]["title"] for edge in data["searchImages"]["edges"]]


async def test_nonsense_finds_next_to_nothing_and_what_is_there_is_found(
    client: Client, world: World
) -> None:
    await Calibration(client.resources).turn()
    false = [await titles(client, world.actor, text, least=0.95) for text in NONSENSE]
    assert sum(map(bool, false)) <= MOST_FOUND
    true = {word: await titles(client, world.actor, word, least=0.95) for word in WORDS[::3]}
    assert sum(word in found for word, found in true.items()) >= 0.9 * len(true)
    for text in NONSENSE[:3]:
        assert len(await titles(client, world.actor, text)) == 10


async def test_relevance_is_told_of_each_hit(client: Client, world: World) -> None:
    prior = (await client.get(world.actor, SEARCH, text="dog"))["searchImages"]
    assert prior["relevanceBasis"] == "PRIOR"
    await Calibration(client.resources).turn()
    for mode in ("SEMANTIC", "HYBRID"):
        found = (await client.get(world.actor, SEARCH, text="dog", mode=mode))["searchImages"]
        assert found["relevanceBasis"] == "TEAM"
        edges = found["edges"]
        assert edges[0]["node"]["title"] == "dog"
        assert edges[0]["relevance"] > 0.95 > edges[-1]["relevance"] >= 0
        if mode == "SEMANTIC":
            told = [edge["relevance"] for edge in edges]
            assert told == sorted(told, reverse=True)
    cut = (await client.get(world.actor, SEARCH, text="dog", least=0.95))["searchImages"]
    assert all(edge["relevance"] >= 0.95 for edge in cut["edges"])
    nothing = (await client.get(world.actor, SEARCH, text=NONSENSE[0], least=1.0))["searchImages"]
    assert nothing == {"relevanceBasis": "TEAM", "edges": []}
    unknown = 'query($text: String!) { searchImages(query: {text: $text}, filter: {tags: {all: ["no such"]}}) { relevanceBasis edges { cursor } } }'
    nowhere = (await client.get(world.actor, unknown, text="dog"))["searchImages"]
    assert nowhere == {"relevanceBasis": "TEAM", "edges": []}


async def test_nonsense_beside_pictures_finds_next_to_nothing(client: Client, world: World) -> None:
    """Pictures are nearer to each other than words are to any: by the measure of words, half of the team was relevant."""
    await Calibration(client.resources).turn()
    for at, text in enumerate(NONSENSE[:10]):
        more = [{"imageId": str(world.images[at + n]), "weight": 1} for n in (0, 30, 60)]
        found = await titles(client, world.actor, text, least=0.95, more=more)
        assert len(found) <= 3
    dog = [{"imageId": str(world.images[WORDS.index("dog")])}]
    data = await client.get(world.actor, SEARCH, text="dog", least=0.95, more=dog)
    found = data["searchImages"]
    assert found["relevanceBasis"] == "TEAM"
    assert found["edges"][0]["node"]["title"] == "dog"
    assert all(edge["relevance"] >= 0.95 for edge in found["edges"])


async def test_similar_can_be_cut_as_well(client: Client, world: World) -> None:
    await Calibration(client.resources).turn()
    image_id = str(world.images[WORDS.index("dog")])
    every = (await client.get(world.actor, SIMILAR, id=image_id))["image"]["similar"]
    cut = (await client.get(world.actor, SIMILAR, id=image_id, least=0.95))["image"]["similar"]
    assert every["relevanceBasis"] == cut["relevanceBasis"] == "TEAM"
    assert len(every["edges"]) == 10
    assert cut["edges"] == [one for one in every["edges"] if one["relevance"] >= 0.95]


async def test_a_team_that_is_not_measured_makes_the_basis_a_guess(
    client: Client, world: World
) -> None:
    await Calibration(client.resources).turn()
    db, measured = client.resources.db, world.actor.team_ids[0]
    small = await make.team(db)
    both = replace(world.actor, roles={measured: Role.VIEWER, small: Role.VIEWER})

    async def basis(text: str, least: float, team: UUID | None = None) -> str:
        data = await client.get(both, SEARCH, text=text, least=least, team=team and str(team))
        told: str = data["searchImages"]["relevanceBasis"]
        return told

    assert await basis("dog", 0.95) == "TEAM"
    assert await basis("zzz", 1.0) == "PRIOR"
    assert await basis("zzz", 1.0, measured) == "TEAM"
    assert await basis("zzz", 1.0, small) == "PRIOR"


async def test_what_is_no_share_is_refused(client: Client, world: World) -> None:
    image_id = str(world.images[0])
    for wrong in (-0.1, 1.5, 1e308):
        refused = ("BAD_USER_INPUT", "minRelevance")
        assert await client.code(world.actor, SEARCH, text="dog", least=wrong) == refused
        assert await client.code(world.actor, SIMILAR, id=image_id, least=wrong) == refused
    for wrong in (float("nan"), float("inf")):
        answer = await client.ask(world.actor, SEARCH, text="dog", least=wrong)
        assert answer.data is None
        assert len(answer.errors) == 1


async def test_relevance_takes_one_statement_and_only_where_it_is_asked_for(
    client: Client, world: World
) -> None:
    plain = """query { searchImages(query: {text: "dog"}) { edges { score } } }"""
    told = """query { searchImages(query: {text: "dog"}) { relevanceBasis edges { relevance } } }"""
    cut = """query { searchImages(query: {text: "dog"}, minRelevance: 0.5) { edges { score } } }"""
    more = f'{{imageId: "{world.images[0]}"}}'
    both = f"""query {{ searchImages(query: {{text: "dog"}}, more: {more}) {{ relevanceBasis edges {{ relevance }} }} }}"""
    counts = [len(await client.statements(world.actor, one)) for one in (plain, told, cut, both)]
    assert counts == [2, 3, 3, 5]


async def test_strangers_find_and_learn_nothing(client: Client, world: World) -> None:
    await Calibration(client.resources).turn()
    stranger = await make.actor(client.resources.db)
    found = (await client.get(stranger, SEARCH, text="dog", least=0.1))["searchImages"]
    assert found == {"relevanceBasis": "PRIOR", "edges": []}
    image_id = str(world.images[0])
    assert (await client.get(stranger, SIMILAR, id=image_id, least=0.1))["image"] is None
