"""The embedder: a real model, loaded late, on its own thread; texts stay texts; a useless model is refused by name."""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embedding import Embedder, SentenceEmbedder, embedder_from_name
from app.errors import AppError, ErrorCode
from tests.fixtures import tiny_model


@pytest.fixture
async def tiny() -> AsyncIterator[Embedder]:
    embedder = embedder_from_name(str(tiny_model.folder()))
    yield embedder
    await embedder.close()


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


async def test_texts_and_pictures_share_one_space(tiny: Embedder) -> None:
    texts = await tiny.texts(["a red square", "two dogs"])
    pictures = await tiny.pictures([noise(40, 60, seed) for seed in range(20)])
    assert texts.shape == (2, tiny_model.DIMENSION) == (2, tiny.dimension)
    assert pictures.shape == (20, tiny_model.DIMENSION)
    assert texts.dtype == pictures.dtype == np.float32
    for rows in (texts, pictures):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    alone = await tiny.pictures([noise(40, 60, 3)])
    np.testing.assert_allclose(alone[0], pictures[3], atol=1e-5)


async def test_nothing_gives_nothing(tiny: Embedder) -> None:
    await tiny.warm()
    assert (await tiny.texts([])).shape == (await tiny.pictures([])).shape == (0, 32)


async def test_an_address_is_a_text_and_is_never_fetched(tiny: Embedder) -> None:
    """A bare string of this kind would be loaded as a picture: from the network, or from our own disk."""
    hits: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hits.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    picture = tiny_model.folder() / "secret.png"
    picture.write_bytes(b"not even a picture")
    texts = [f"http://127.0.0.1:{port}/x.jpg", str(picture), "data:image/png;base64,AAAA"]
    rows = await tiny.texts(texts)
    server.close()
    assert rows.shape == (3, 32)
    assert hits == []


async def test_a_text_is_encoded_once_whatever_its_spaces(tiny: Embedder) -> None:
    first = await tiny.texts(["two  dogs "])
    await tiny.rest()
    again = await tiny.texts([" two dogs"])
    with pytest.raises(AppError, match="being loaded"):
        _ = tiny.dimension
    assert np.array_equal(first, again)


async def test_a_text_has_one_vector_whatever_is_read_with_it(tiny: Embedder) -> None:
    """Else the next page of a search would begin a little before its cursor, or behind it."""
    texts = [" ".join(["dog", "cat", "boat", "house"][: 1 + n % 4] * (1 + n)) for n in range(20)]
    together = await tiny.texts(texts)
    other = embedder_from_name(str(tiny_model.folder()))
    try:
        alone = [(await other.texts([text]))[0] for text in texts]
    finally:
        await other.close()
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal((await tiny.texts([texts[3], "another"]))[0], alone[3])


async def test_the_loop_runs_on_while_the_model_works(tiny: Embedder) -> None:
    await tiny.warm()
    ticks = 0
    work = asyncio.create_task(tiny.pictures([noise(480, 480, seed) for seed in range(48)]))
    while not work.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 5), (4, 4), (300, 1), (3, 500)])
async def test_mere_lines_are_pictures_too(tiny: Embedder, shape: tuple[int, int]) -> None:
    rows = await tiny.pictures([noise(*shape)])
    assert np.isfinite(rows).all()


async def test_a_flat_picture_keeps_its_colours(tiny: Embedder) -> None:
    """Three pixels high is not three channels: it must give what the same colours give at full height."""
    low = np.zeros((3, 40, 3), np.uint8)
    low[..., 0] = 250
    high = np.zeros((40, 40, 3), np.uint8)
    high[..., 0] = 250
    rows = await tiny.pictures([low, high])
    assert rows[0] @ rows[1] > 0.999


async def test_revision_tells_models_apart() -> None:
    one, same, other = (embedder_from_name(str(tiny_model.folder(seed))) for seed in (0, 0, 1))
    for embedder in (one, same, other):
        await embedder.warm()
    assert one.revision == same.revision != other.revision
    assert one.name.startswith("pictor-tiny-model")
    for embedder in (one, same, other):
        await embedder.close()


async def test_identity_is_unknown_before_the_load() -> None:
    embedder = embedder_from_name(str(tiny_model.folder()))
    with pytest.raises(AppError) as refused:
        _ = embedder.dimension
    assert refused.value.code is ErrorCode.UNAVAILABLE
    await embedder.close()


async def test_a_model_of_texts_alone_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "texts-only"
    shutil.copytree(tiny_model.folder(), folder)
    config = folder / "sentence_bert_config.json"
    content = json.loads(config.read_text())
    del content["modality_config"]["image"]
    config.write_text(json.dumps(content))
    embedder = embedder_from_name(str(folder))
    with pytest.raises(AppError, match=r"texts-only is of no use: .*texts and pictures alike"):
        await embedder.warm()
    with pytest.raises(AppError) as refused:
        await embedder.texts(["a dog"])
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert "texts-only" not in refused.value.message
    await embedder.close()


async def test_a_damaged_model_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model.folder(), folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    embedder = SentenceEmbedder(str(folder), str(folder))
    with pytest.raises(AppError):
        await embedder.texts(["a dog"])
    weights.write_bytes(whole)
    with pytest.raises(AppError):
        await embedder.texts(["a dog"])
    monkeypatch.setattr("app.embedding.embedder.RETRY_SECONDS", 0.0)
    assert (await embedder.texts(["a dog"])).shape == (1, 32)
    await embedder.close()


async def test_a_load_that_is_broken_off_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the end of a command that had no use for the model after all."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model.folder(), folder)
    (folder / "model.safetensors").write_bytes(b"of no use")
    embedder = SentenceEmbedder(str(folder), str(folder))
    loading = asyncio.create_task(embedder.warm())
    await asyncio.sleep(0.002)
    await embedder.close()
    await asyncio.gather(loading, return_exceptions=True)
    assert [one.message for one in caplog.records if one.levelno >= logging.ERROR] == []


async def test_a_model_of_the_hub_comes_from_the_cache_with_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--sentence-transformers--tiny-clip"
    shutil.copytree(tiny_model.folder(), repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    embedder = embedder_from_name("tiny-clip")
    await embedder.warm()
    assert (embedder.name, embedder.revision, embedder.dimension) == ("tiny-clip", commit, 32)
    await embedder.close()
