"""A SentenceTransformer as one function from inputs to vectors. All that knows the library is here."""

import gc
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError, unavailable

BUILTIN: Final = "builtin"
BUILTIN_FOLDER: Final = Path(__file__).parent.parent / "builtin_model"
PICTURE_SIDE: Final = 480
"""Pixels of the longer side that a picture is best handed over with; models look at 64 to 336."""
BATCH: Final = 32
MAX_ASPECT: Final = 8
"""A processor scales the short side up: a line of 1 x 10,000 pixels would become a gigabyte."""
UNKNOWN: Final = "unknown"

Vectors = NDArray[np.float32]
Encode = Callable[[list[dict[str, Any]]], Any]


@dataclass(frozen=True)
class Model:
    encode: Encode
    revision: str
    dimension: int


def text_inputs(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Each marked as a text: a bare string that is an address or a path of a picture would be fetched."""
    return [{"text": text} for text in texts]


def picture_inputs(pictures: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
    return [{"image": _sturdy(picture)} for picture in pictures]


def _sturdy(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, its short side repeated where it is a mere line.

    Beyond MAX_ASPECT it would cost much memory; with a side of at most 4 it could be read as its channels.
    """
    height, width = picture.shape[:2]
    tall = max(1, -(-width // (MAX_ASPECT * height)), -(-5 // height))
    wide = max(1, -(-height // (MAX_ASPECT * width)), -(-5 // width))
    return np.ascontiguousarray(picture.repeat(tall, axis=0).repeat(wide, axis=1))


def unit(rows: Any) -> Vectors:
    """Rows of length 1; ValueError where the model answered with no direction."""
    vectors = np.asarray(rows, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("the model answered with a vector that has no direction")
    return np.ascontiguousarray(vectors / lengths, np.float32)


def load(name: str, source: str, revision: str | None = None) -> Model:
    """Takes seconds, and minutes where it must be fetched. UNAVAILABLE, naming the model, if it is no use.

    `revision`: the commit that a model of the hub is wanted in; else the one that is here, or the newest.
    """
    # The one late import: torch and transformers take seconds and 300 MB, and most commands need neither.
    with _lasting():
        import torch  # noqa: PLC0415
        from huggingface_hub import resolve_revision  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415

    folder = Path(source).is_dir()
    if name == BUILTIN and not folder:
        raise _unusable(name, "the built-in model is missing from this installation")
    if Path(source).is_absolute() and not folder:
        raise _unusable(name, "there is no such folder on this host")
    wanted = None if folder or revision == UNKNOWN else revision
    transformers_logging.disable_progress_bar()
    # Half of the cores: the rest serves requests, the database and the decoder.
    torch.set_num_threads(max(1, min(8, (os.cpu_count() or 2) // 2)))
    try:
        model = _local_first(partial(SentenceTransformer, source, revision=wanted), folder=folder)
    except Exception as error:
        # Whatever the libraries raise: no such model, no network, a damaged folder.
        raise _unusable(name, "it cannot be loaded", error) from error

    def encode(inputs: list[dict[str, Any]]) -> Any:
        with torch.inference_mode():
            return model.encode(inputs, batch_size=BATCH, show_progress_bar=False)

    organization = (
        "" if "/" in source else f"{SentenceTransformer.default_huggingface_organization}/"
    )
    loaded = (
        _folder_revision(Path(source))
        if folder
        else wanted or _hub_revision(organization + source, resolve_revision)
    )
    return Model(encode, loaded, _dimension(name, encode))


@contextmanager
def _lasting() -> Iterator[None]:
    """What is imported here the first time is garbage never, so it is not looked through for any.

    Three thousand modules make 670,000 objects: looking through them takes a fifth of the import, and 0.4 s of every
    full collection ever after.
    """
    first, collecting = "sentence_transformers" not in sys.modules, gc.isenabled()
    if first:
        gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
            if collecting:
                gc.enable()


def _local_first(load: Callable[..., Any], *, folder: bool) -> Any:
    """A model of the hub comes from this machine's cache where it is whole, and from the network otherwise.

    A newer revision is thus never taken unasked, and with no network a start does not wait out five retries
    for each of a dozen files.
    """
    try:
        return load(local_files_only=True)
    except Exception:
        # Whatever the libraries raise for a file that is not there.
        if folder:
            raise
        return load()


def _dimension(name: str, encode: Encode) -> int:
    """The length of its vectors, once it has put a text and a picture into the same space."""
    picture = np.full((32, 32, 3), (200, 60, 40), np.uint8)
    try:
        text = unit(encode(text_inputs(["a red square"])))
        image = unit(encode(picture_inputs([picture])))
    except Exception as error:
        # Whatever the libraries raise for an input they have no route for.
        raise _unusable(name, "it must take texts and pictures alike", error) from error
    if text.shape != image.shape:
        sizes = f"its texts have {text.shape[1]} dimensions, its pictures {image.shape[1]}"
        raise _unusable(name, sizes)
    return int(text.shape[1])


def _unusable(name: str, problem: str, cause: Exception | None = None) -> AppError:
    why = "" if cause is None else " ".join(f" ({type(cause).__name__}: {cause})".split())
    return unavailable(f"The embedding model {name} is of no use: {problem}{why and ' ' + why}.")


def _folder_revision(folder: Path) -> str:
    """What the folder's vectors depend on, weights and configuration: 12 hex digits of their SHA-256."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".safetensors", ".bin", ".json", ".txt"} and path.name != "card.json":
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _hub_revision(repository: str, resolve: Callable[..., Any]) -> str:
    """The commit that the cached weights came from; UNKNOWN where the hub's library does not tell it."""
    try:
        return str(resolve(repository, local_files_only=True).resolved)
    except Exception:
        # Whatever the library raises: the cache lies elsewhere, or has no name for the commit.
        return UNKNOWN
