"""Measures an exported folder on held-out pictures: precision, recall, and scores of nonsense."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from app.demo.colors import COLOR_NAMES
from app.demo.glyphs import glyph_names
from app.demo.objects import SHAPES
from app.demo.patterns import PATTERNS
from app.demo.scenes import SCENES
from tools.builtin_model import demo_queries, heldout
from tools.builtin_model.heldout import Picture
from tools.builtin_model.truth import Text, judge
from tools.builtin_model.vocabulary import COMMONEST, plain_name, words_of

Scores = NDArray[np.float32]
THRESHOLD = "threshold"

TRUE_QUERIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a photo of a cat", ("cat",)),
    ("puppy", ("dog",)),
    ("kitty", ("cat",)),
    ("automobile", ("car",)),
    ("ocean", ("sea",)),
    ("town at night", ("city", "night")),
    ("sunset over the sea", ("sunset", "sea")),
    ("red circle", ("red|circle",)),
    ("blue square", ("blue|square",)),
    ("green triangle", ("green|triangle",)),
    ("snowy mountains", ("snow", "mountain")),
    ("autumn forest", ("autumn", "forest")),
    ("northern lights", ("aurora",)),
    ("living room", ("living room",)),
    ("bar chart", ("bar chart",)),
    ("a slice of pizza", ("pizza",)),
    ("sunflowers", ("sunflower",)),
    ("a bunch of grapes", ("grapes",)),
    ("fireworks", ("fireworks",)),
    ("lighthouse", ("lighthouse",)),
    ("fish under water", ("underwater",)),
    ("elephants", ("elephant",)),
    ("penguin", ("penguin",)),
    ("old steam train", ("train",)),
    ("soccer ball", ("soccer ball",)),
    ("birthday cake with candles", ("cake",)),
    ("thunderstorm", ("thunderstorm",)),
    ("desert with cactus", ("desert",)),
    ("a castle", ("castle",)),
    ("yellow star", ("yellow|star",)),
    ("rocket", ("rocket",)),
    ("guitar", ("guitar",)),
    ("stripes", ("stripes",)),
    ("wooden boards", ("wood",)),
    ("volcano", ("volcano",)),
    ("hot air balloons", ("hot air balloon",)),
    ("rainbow", ("rainbow",)),
    ("waterfall", ("waterfall",)),
    ("an owl", ("owl",)),
    ("butterflies", ("butterfly",)),
)
"""Queries that have an answer, with what must be true of it; the counterpart of NONSENSE."""

NONSENSE: tuple[str, ...] = (
    "asdf qwer zxcv",
    "quarterly tax legislation",
    "annual accounting statement",
    "regulatory framework",
    "bankruptcy lawsuit",
    "kubernetes deployment",
    "monetary theory",
    "epistemology",
    "sociology curriculum",
    "customs tariff",
    "municipal ordinance",
    "backlog grooming",
    "xkcdqq",
    "lorem ipsum dolor sit amet",
    "wqpoe iruty",
    "zzzzzz",
    "qwertz",
    "blorfing the snarkle",
    "invoice 2024-118",
    "DSC_00417",
    "re: re: fwd: minutes",
    "terms and conditions apply",
    "the quick ratio of liabilities",
    "human resources onboarding",
    "statistical significance",
    "object oriented programming",
    "thermodynamic equilibrium",
    "parliamentary procedure",
    "constitutional amendment",
    "macroeconomic outlook",
    "vggbhn jjkm",
    "pneumonoultramicroscopic",
    "фывапролдж",
    "亜唖娃阿",
    "7781203",
    "https://example.org/index.php?id=3",
    "null pointer exception",
    "double entry bookkeeping",
    "grammatical gender",
    "peer review",
)
"""Queries that nothing drawn answers; 29 of them share no word with the nonsense of the training."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and how many queries and pictures it stands on."""

    name: str
    value: float
    queries: int
    pictures: int


class Model:
    """The exported model, opened offline."""

    def __init__(self, folder: Path) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        self._model = SentenceTransformer(str(folder), device="cpu")

    def encode(self, inputs: Sequence[object]) -> Scores:
        """float32[n, 512], rows of length 1, for texts or for pictures."""
        rows = self._model.encode(list(inputs), batch_size=64, show_progress_bar=False)
        return cast(Scores, rows)


class Gallery:
    """Pictures with their rows, and how well queries find them."""

    def __init__(self, model: Model, pictures: Iterable[Picture]) -> None:
        self._model = model
        kept = list(pictures)
        self._truths = [picture.truth for picture in kept]
        self._rows = model.encode([picture.image for picture in kept])

    def precision(self, name: str, queries: list[Text], *, first: int = 5) -> Figure:
        """Mean share of fitting pictures among the first; queries with fewer answers are out."""
        fits, _ = judge(self._truths, queries)
        kept = [i for i in range(len(queries)) if fits[:, i].sum() >= first]
        hits = self._hits(fits[:, kept], [queries[i] for i in kept], first)
        return Figure(name, float(hits.mean()), len(kept), len(self._truths))

    def recall(self, name: str, queries: list[Text], *, first: int) -> Figure:
        """Share of queries with a fitting picture among the first."""
        fits, _ = judge(self._truths, queries)
        hits = self._hits(fits, queries, first).any(axis=0)
        return Figure(name, float(hits.mean()), len(queries), len(self._truths))

    def scores(self, texts: Sequence[str]) -> Scores:
        """float32[pictures, texts], cosines."""
        return self._rows @ self._model.encode(texts).T

    def _hits(self, fits: NDArray[np.bool_], queries: list[Text], first: int) -> NDArray[np.bool_]:
        """bool[first, queries]: whether the picture at each rank fits."""
        scores = self.scores([query.words for query in queries])
        best = np.argsort(-scores, axis=0, kind="stable")[:first]
        return np.take_along_axis(fits, best, axis=0)


def named(words: Iterable[str]) -> list[Text]:
    """A query for each word, as it stands."""
    return [Text(word, (word,)) for word in words]


def measure(folder: Path) -> list[Figure]:
    """All figures, a few minutes of one core."""
    model = Model(folder)
    return [
        *_scene_figures(model),
        *_shape_figures(model),
        *_thing_figures(model),
        *_name_figures(model),
        *_demo_figures(model),
        *_nonsense_figures(model),
    ]


def _scene_figures(model: Model) -> list[Figure]:
    pictures = [*heldout.scenes(10), *heldout.patterns(10)]
    shown = {concept for p in pictures for s in p.truth.subjects for concept in s.concepts}
    plain = sorted(shown - {*SCENES, *PATTERNS})
    other = sorted({word for concept in shown for word in words_of(concept)[1:]} - shown)
    gallery = Gallery(model, pictures)
    return [
        gallery.precision("single scenes and patterns, by kind", named([*SCENES, *PATTERNS])),
        gallery.precision("what scenes and patterns show, plain words", named(plain)),
        gallery.precision("what scenes and patterns show, synonyms", named(other)),
    ]


def _shape_figures(model: Model) -> list[Figure]:
    gallery = Gallery(model, heldout.shapes(6))
    pairs = [
        Text(f"{color} {shape}", (f"{color}|{shape}",)) for shape in SHAPES for color in COLOR_NAMES
    ]
    return [
        gallery.precision('colour and shape ("red circle")', pairs),
        gallery.precision("shapes of any colour", named(SHAPES)),
    ]


def _thing_figures(model: Model) -> list[Figure]:
    crowd = list(heldout.scenes(4))
    on_scenes = Gallery(model, [*heldout.things_on_scenes(8, COMMONEST), *crowd])
    on_plain = Gallery(model, [*heldout.things_on_plain(8, COMMONEST), *crowd])
    sentences = [Text(f"a photo of a {word}", (word,)) for word in COMMONEST]
    other = [Text(other, (word,)) for word in COMMONEST for other in words_of(word)[1:]]
    return [
        on_scenes.precision("100 commonest things on unseen kinds of scenes", named(COMMONEST)),
        on_scenes.precision('the same, "a photo of a …"', sentences),
        on_scenes.precision("the same, by synonyms", other),
        on_plain.precision("100 commonest things on plain grounds", named(COMMONEST)),
    ]


def _name_figures(model: Model) -> list[Figure]:
    names = glyph_names()
    gallery = Gallery(model, heldout.glyphs(names))
    queries = named(dict.fromkeys(plain_name(name) for name in names))
    return [
        gallery.recall("all glyph names, recall@1", queries, first=1),
        gallery.recall("all glyph names, recall@10", queries, first=10),
    ]


def _demo_figures(model: Model) -> list[Figure]:
    asked = demo_queries.demo()
    scores = model.encode(asked.images) @ model.encode(asked.queries).T
    first = demo_queries.precision(scores, asked.fits, first=1)
    five = demo_queries.precision(scores, asked.fits, first=5)
    sizes = len(asked.queries), len(asked.images)
    return [
        Figure("demo gallery, the best picture is an answer", first, *sizes),
        Figure("demo gallery, precision@5 (or of all answers)", five, *sizes),
    ]


def _nonsense_figures(model: Model) -> list[Figure]:
    """How the best score of a query tells whether it has an answer."""
    pictures = mixed_gallery()
    gallery = Gallery(model, pictures)
    true = gallery.scores([words for words, _ in TRUE_QUERIES]).max(axis=0)
    false = gallery.scores(NONSENSE).max(axis=0)
    threshold = threshold_between(true, false)
    queries = [Text(words, needs) for words, needs in TRUE_QUERIES]
    values = {
        "best score of true queries, median": float(np.median(true)),
        "best score of true queries, lowest tenth": float(np.quantile(true, 0.1)),
        "best score of nonsense, median": float(np.median(false)),
        "best score of nonsense, highest tenth": float(np.quantile(false, 0.9)),
        "AUC of true queries over nonsense": float((true[:, None] > false[None]).mean()),
        THRESHOLD: threshold,
        "true queries above it": float((true > threshold).mean()),
        "nonsense below it": float((false <= threshold).mean()),
    }
    asked = len(true) + len(false)
    return [
        gallery.recall("true queries among it, recall@1", queries, first=1),
        *(Figure(name, value, asked, len(pictures)) for name, value in values.items()),
    ]


def mixed_gallery() -> list[Picture]:
    """Held-out pictures of all sorts, with several answers to each of TRUE_QUERIES."""
    return [
        *heldout.scenes(3),
        *heldout.patterns(2),
        *heldout.shapes(1),
        *heldout.things_on_plain(2, COMMONEST),
        *heldout.things_on_scenes(2, COMMONEST),
    ]


def threshold_between(true: Scores, false: Scores) -> float:
    """The score that parts the two best: most true ones above it and most false ones below."""
    candidates = np.unique(np.concatenate([true, false]))
    middles = (candidates[1:] + candidates[:-1]) / 2
    correct = [(true > m).mean() + (false <= m).mean() for m in middles]
    return float(middles[int(np.argmax(correct))])
