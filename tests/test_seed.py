"""The made-up library of the benchmarks is what the triggers would have made of it, and the same every time."""

import numpy as np
from sqlalchemy import text

from benchmarks import library
from tests import truth
from tests.database import Database
from tests.fixtures.library import seeded

IMAGES = 1_500
COUNTS = {
    "image": IMAGES,
    "image_tag": 3 * IMAGES,
    "image_vector": IMAGES,
    "team": library.TEAMS,
    "tag": library.TEAMS * library.TAGS,
}


async def filled(url: str) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The rows of each table, and what is wrong in which team, before and after the triggers were at work again."""
    db = Database(url, pool_size=1)
    async with db.transaction() as session:
        counts = {
            table: int(await session.scalar(text(f"select count(*) from {table}")) or 0)
            for table in COUNTS
        }
        teams = dict(list(await session.execute(text("select slug, id from team"))))
    wrong = {f"{slug} as seeded": await truth.faults(db, one) for slug, one in teams.items()}
    async with db.transaction() as session:
        for change in (
            "update image set weight = weight * 2, title = 'Changed' where get_byte(sha256, 0) < 50",
            "update image set trashed_at = now() where get_byte(sha256, 1) < 50",
            "delete from image_tag where get_byte(uuid_send(image_id), 15) < 50",
        ):
            await session.execute(text(change))
    wrong |= {f"{slug} as changed": await truth.faults(db, one) for slug, one in teams.items()}
    await db.close()
    return counts, {name: faults for name, faults in wrong.items() if faults}


def test_a_seeded_library_is_as_triggers_keep_it(database_url: str) -> None:
    with seeded(database_url, IMAGES, vectors=True) as place:
        counts, wrong = place.run(filled(place.url))
    assert counts == COUNTS
    assert wrong == {}


def test_a_seed_makes_one_library() -> None:
    first, again, other = (library.generate(IMAGES, seed) for seed in (1, 1, 2))

    assert (first.ids == again.ids).all()
    assert (first.tags == again.tags).all()
    assert (first.ids != other.ids).any(axis=1).all()
    assert (np.sort(first.tags, axis=1)[:, 1:] > np.sort(first.tags, axis=1)[:, :-1]).all()
    assert set(first.team.tolist()) == set(range(library.TEAMS))
    spaces = [library.space_of(one) for one in (first, again)]
    assert (spaces[0].vectors(first, 0, IMAGES) == spaces[1].vectors(again, 0, IMAGES)).all()


def test_texts_stand_apart_from_pictures() -> None:
    made = library.generate(20_000)
    space = library.space_of(made)
    pictures = space.vectors(made, 0, made.size)
    nearest = {}
    for texts in (False, True):
        asked = space.questions(100, texts=texts)
        assert np.allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
        nearest[texts] = float(np.median((asked @ pictures.T).max(axis=1)))
    assert 0.84 < nearest[False] < 0.93
    assert 0.67 < nearest[True] < 0.77
