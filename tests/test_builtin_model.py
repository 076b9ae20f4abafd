"""The shipped model: opens offline from its folder, encodes what comes, and finds held-out drawings."""

import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.embedding import embedder_from_name
from tools.builtin_model import heldout
from tools.builtin_model.heldout import Picture

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FOLDER = Path(__file__).parent.parent / "app" / "builtin_model"
MEBIBYTE = 2**20
SEARCHED = ("cat", "dog", "car")


@pytest.fixture(scope="module")
def model() -> "Iterator[SentenceTransformer]":
    """The model, opened while every connection is refused."""
    # Takes seconds, which else each process of the tests would take to find them.
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    def refuse(*_: object) -> None:
        raise OSError("the built-in model must not need the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield SentenceTransformer(str(FOLDER), device="cpu")


def encode(model: "SentenceTransformer", inputs: Sequence[object]) -> NDArray[np.float32]:
    return model.encode(list(inputs), show_progress_bar=False)


def best_first(model: "SentenceTransformer", query: str, pictures: list[Picture]) -> list[int]:
    scores = encode(model, [p.image for p in pictures]) @ encode(model, [query])[0]
    return np.argsort(-scores).tolist()


def test_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.safetensors")) <= 8 * MEBIBYTE


def test_folder_holds_data_only() -> None:
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} == {
        ".json",
        ".safetensors",
    }


async def test_card_describes_these_weights() -> None:
    embedder = embedder_from_name(str(FOLDER))
    await embedder.warm()
    described = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
    assert described["name"] == "builtin"
    assert described["dimension"] == 512
    assert described["revision"] == embedder.revision
    await embedder.close()
    assert 0 < described["nonsense_threshold"] < 1


def test_texts_and_pictures_become_rows_of_length_one(model: "SentenceTransformer") -> None:
    for inputs in (["a cat", "the sea"], [Image.new("RGB", (300, 200), "red")]):
        rows = encode(model, inputs)
        assert rows.dtype == np.float32
        assert rows.shape == (len(inputs), 512)
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "text", ["", " ", "a cat on a mat " * 500, "кошка и 猫 و قطة", "😀", "\x00"]
)
def test_any_text_is_encoded(model: "SentenceTransformer", text: str) -> None:
    assert np.isfinite(encode(model, [text])).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
@pytest.mark.parametrize("size", [(300, 200), (1, 1), (5, 900)])
def test_any_picture_is_encoded(
    model: "SentenceTransformer", mode: str, size: tuple[int, int]
) -> None:
    assert np.isfinite(encode(model, [Image.new(mode, size)])).all()


def test_a_picture_is_encoded_alike_alone_and_in_company(model: "SentenceTransformer") -> None:
    images = [p.image for p in heldout.scenes(1, ["beach", "space", "forest"])]
    together, alone = encode(model, images), encode(model, images[:1])
    assert np.allclose(together[0], alone[0], atol=1e-4)


@pytest.mark.parametrize(
    ("query", "thing"),
    [("cat", "cat"), ("kitty", "cat"), ("a photo of a puppy", "dog"), ("automobile", "car")],
)
def test_finds_things(model: "SentenceTransformer", query: str, thing: str) -> None:
    pictures = [p for word in SEARCHED for p in heldout.things_on_plain(4, [word])]
    found = best_first(model, query, pictures)[:3]
    assert {SEARCHED[i // 4] for i in found} == {thing}


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("sunset over the sea", "sunset sea"),
        ("woods", "forest"),
        ("town at night", "night city"),
        ("snowy mountains", "snowy mountains"),
    ],
)
def test_finds_scenes(model: "SentenceTransformer", query: str, kind: str) -> None:
    kinds = ["sunset sea", "forest", "night city", "snowy mountains"]
    found = best_first(model, query, list(heldout.scenes(3, kinds)))[:2]
    assert {kinds[i // 3] for i in found} == {kind}


@pytest.mark.parametrize(("color", "shape"), [("red", "circle"), ("blue", "square")])
def test_finds_colored_shapes(model: "SentenceTransformer", color: str, shape: str) -> None:
    pictures = list(heldout.shapes(2, ["circle", "square"], ["red", "blue"]))
    found = best_first(model, f"{color} {shape}", pictures)[:2]
    assert all(f"{color}|{shape}" in pictures[i].truth.met for i in found)


@pytest.mark.parametrize("nonsense", ["asdf qwer zxcv", "quarterly tax legislation", "zzzzzz"])
def test_nonsense_scores_below_what_is_there(model: "SentenceTransformer", nonsense: str) -> None:
    pictures = [
        *heldout.scenes(1, ["beach", "forest", "space"]),
        *heldout.things_on_plain(1, SEARCHED),
    ]
    images = encode(model, [p.image for p in pictures])
    true, false = encode(model, ["beach", "forest", "space", *SEARCHED]), encode(model, [nonsense])
    assert (images @ false[0]).max() < np.diag(images @ true.T).min()
