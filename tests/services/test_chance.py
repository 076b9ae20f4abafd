"""The statistics of relevance, on scores whose law is known."""

from statistics import NormalDist

import numpy as np
import pytest

from app.services.searching import chance
from app.services.searching.chance import Bests, Chance
from tests.services import planted

KNOWN = Chance(0.2, 0.02)


def drawn(count: int, location: float = 0.2, spread: float = 0.02, seed: int = 0) -> Bests:
    whole = np.random.default_rng(seed).normal(location, spread, count)
    return Bests(whole, whole)


def test_relevance_and_score_are_inverse() -> None:
    for relevance in (0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999):
        assert KNOWN.relevance(KNOWN.score(relevance)) == pytest.approx(relevance, abs=1e-6)
    assert KNOWN.score(0.5) == pytest.approx(0.2)
    assert KNOWN.score(0.95) == pytest.approx(NormalDist(0.2, 0.02).inv_cdf(0.95))


def test_relevance_rises_from_none_to_all() -> None:
    told = [KNOWN.relevance(score) for score in np.linspace(-1, 1, 400)]
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] == 1
    assert KNOWN.score(0) == -1
    assert KNOWN.relevance(KNOWN.score(1)) == 1
    assert KNOWN.score(1) < 0.3


def test_a_hit_at_the_floor_has_the_relevance_that_was_asked_for() -> None:
    for step in range(1, 1000):
        asked = step / 1000
        assert KNOWN.relevance(KNOWN.score(asked)) >= asked


def test_a_hit_reaches_the_relevance_that_is_told_of_it() -> None:
    for score in np.linspace(0.12, 0.28, 1_000):
        assert KNOWN.score(KNOWN.relevance(score)) <= score


def test_fit_finds_the_law() -> None:
    told = chance.fit([drawn(5_000)], sampled=100, images=100)
    assert told.location == pytest.approx(0.2, abs=0.002)
    assert told.spread == pytest.approx(0.02, abs=0.001)


def test_questions_that_a_picture_answers_after_all_hardly_count() -> None:
    scores = drawn(400).whole
    scores[:16] = 0.9
    told = chance.fit([Bests(scores, scores)], sampled=100, images=100)
    assert told.score(0.95) == pytest.approx(KNOWN.score(0.95), abs=0.006)


def test_the_nearest_kind_decides() -> None:
    low, high = drawn(2_000, 0.1), drawn(2_000, 0.2)
    told = chance.fit([low, high], sampled=100, images=100)
    assert told.score(0.95) == pytest.approx(KNOWN.score(0.95), abs=0.004)
    wide = drawn(2_000, 0.19, 0.06)
    told = chance.fit([wide, high], sampled=100, images=100)
    assert told.score(0.5) == pytest.approx(0.2, abs=0.004)
    assert told.score(0.95) == pytest.approx(Chance(0.19, 0.06).score(0.95), abs=0.01)


def test_a_part_stands_for_the_whole() -> None:
    """Among 16 times as many images the best score is higher; the fit knows from one sixteenth by how much."""
    images, questions = planted.random(16_000, 1, 128), planted.random(400, 2, 128)

    def bests(count: int) -> Bests:
        scores = (questions @ images[:count].T).astype(float)
        return Bests(scores.max(axis=1), scores[:, : count // 2].max(axis=1))

    told = chance.fit([bests(1_000)], sampled=1_000, images=16_000)
    true = chance.fit([bests(16_000)], sampled=16_000, images=16_000)
    naive = chance.fit([bests(1_000)], sampled=1_000, images=1_000)
    assert abs(told.score(0.95) - true.score(0.95)) < (true.score(0.95) - naive.score(0.95)) / 2


def test_equal_scores_have_a_law_too() -> None:
    flat = Bests(np.full(50, 0.3), np.full(50, 0.3))
    told = chance.fit([flat], sampled=50, images=50)
    assert told.relevance(0.3) == pytest.approx(0.5, abs=1e-3)
    assert told.relevance(0.31) == 1
    assert told.relevance(0.29) == 0


@pytest.mark.parametrize("motifs", [1, 2, 3, 10])
def test_a_picture_is_relevant_to_itself_in_any_library(motifs: int) -> None:
    """Few motifs, each many times: what chance makes of them is as near to them as they are to each other."""
    middles = planted.unit(planted.random(1, 6, 64) + 0.3 * planted.random(motifs, 3, 64))
    noise = 0.1 * planted.random(60, 4, 64) if motifs > 2 else np.zeros((60, 64), np.float32)
    library = planted.unit(np.resize(middles, (60, 64)) + noise)
    scores = (chance.phantoms(library, 256) @ library.T).astype(float)
    bests = Bests(scores.max(axis=1), scores[:, ::2].max(axis=1))
    told = chance.fit([bests], sampled=60, images=75)
    # As it is stored, and as a copy of other bytes has it.
    stored = library[0].astype(np.float16).astype(np.float32)
    for itself in (float(stored @ stored), float(stored @ library[0])):
        assert told.relevance(itself) == 1
        for asked in (0.5, 0.95, 0.99, 1):
            assert told.score(asked) <= itself


def test_phantoms_look_like_the_library_and_like_none_of_its_pictures() -> None:
    middles = planted.random(20, 3, 64)
    noise = 0.4 * planted.random(400, 4, 64)
    library = planted.unit(np.repeat(middles, 20, axis=0) + noise + 0.8 * planted.random(1, 5, 64))
    found = chance.phantoms(library, 300)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.mean(axis=0), library.mean(axis=0), atol=0.05)
    scores = library @ library.T
    np.fill_diagonal(scores, -1)
    assert np.median((found @ library.T).max(axis=1)) < np.median(scores.max(axis=1))
    np.testing.assert_array_equal(found, chance.phantoms(library, 300))
