"""Training batches, made in a process of their own: pictures, texts as tokens, and what fits what."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tools.builtin_model import bank, phrases, tokens
from tools.builtin_model.compose import Composer
from tools.builtin_model.truth import Text, Truth, judge

CAPTIONS_EACH = 2
WORDS, NONSENSE, NEAR_MISSES, COLORED = 192, 56, 64, 64
_TOKEN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's data: captions come first among the texts, single words last.

    `tokens` are groups int64[texts of the group, length], short texts first; `places` says where
    in their row each text of the batch stands. `kinds` are the shares of the prototypes in each
    picture; `word_kinds` is the row of `Composer.word_prototypes` of each single word.
    """

    images: NDArray[np.uint8]
    tokens: list[NDArray[np.int64]]
    places: NDArray[np.int64]
    fits: NDArray[np.bool_]
    unsure: NDArray[np.bool_]
    kinds: NDArray[np.float32]
    word_kinds: NDArray[np.int8]


class BatchMaker:
    """An endless source of batches, the same for the same seed."""

    def __init__(self, folder: Path, *, side: int, size: int, seed: int) -> None:
        self.composer = Composer(bank.load(folder), side)
        self._size = size
        self._rng = random.Random(seed)
        self._tokenizer = tokens.load(folder / "tokenizer.json")
        self._word_kinds = self.composer.word_prototypes()
        self._row = {word: i for i, word in enumerate(self.composer.vocabulary)}
        self._unrelated = phrases.unrelated_words(known_words(self.composer))

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.make()

    def make(self) -> Batch:
        """The next batch."""
        images, truths = self.composer.batch(self._rng, self._size)
        words = self._some_words(truths)
        texts = [*self._texts(truths), *(phrases.single(self._rng, word) for word in words)]
        fits, unsure = judge(truths, texts)
        groups, places = self._tokenized([text.words for text in texts])
        rows = [self._row[word] for word in words]
        return Batch(
            images, groups, places, fits, unsure, self._kinds(truths), self._word_kinds[rows]
        )

    def _texts(self, truths: list[Truth]) -> list[Text]:
        rng = self._rng
        captions = [phrases.caption(rng, truth) for truth in truths for _ in range(CAPTIONS_EACH)]
        misses = [phrases.near_miss(rng, *rng.sample(truths, 2)) for _ in range(NEAR_MISSES)]
        nonsense = [phrases.nonsense(rng, self._unrelated) for _ in range(NONSENSE)]
        colored = [phrases.color_and_word(rng, rng.choice(truths)) for _ in range(COLORED)]
        return [*captions, *misses, *colored, *nonsense]

    def _some_words(self, truths: list[Truth]) -> list[str]:
        """Single words: half of them true of some picture of the batch, half any."""
        shown = sorted({need for truth in truths for need in truth.met if need in self._row})
        true = self._rng.sample(shown, min(len(shown), WORDS // 2))
        return true + self._rng.choices(self.composer.vocabulary, k=WORDS - len(true))

    def _kinds(self, truths: list[Truth]) -> NDArray[np.float32]:
        shares = np.zeros((len(truths), len(self.composer.prototypes)), np.float32)
        for i, truth in enumerate(truths):
            for kind in truth.prototypes:
                shares[i, kind] += 1 / len(truth.prototypes)
        return shares

    def _tokenized(self, texts: list[str]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
        """Texts as padded groups of similar length, and the place of each text among all rows."""
        # Dropping merges now and then shows words in pieces, as misspelt or unknown ones are.
        self._tokenizer.model.dropout = 0.1 if self._rng.random() < 0.5 else None
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        order = np.argsort([len(row) for row in ids], kind="stable")
        groups = [_padded([ids[i] for i in part]) for part in np.array_split(order, _TOKEN_GROUPS)]
        return groups, np.argsort(order)


def learn_tokenizer(folder: Path, *, seed: int, captions: int = 60_000) -> Tokenizer:
    """Train the tokenizer on captions and on all words of the bank, and save it beside the bank."""
    composer = Composer(bank.load(folder), side=8)
    rng = random.Random(seed)
    unrelated = phrases.unrelated_words(known_words(composer))
    tokenizer = tokens.learn(
        chain(composer.vocabulary * 3, _sample(rng, composer, captions, unrelated))
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def known_words(composer: Composer) -> frozenset[str]:
    """Every single word that is part of something drawn."""
    return frozenset(part for word in composer.vocabulary for part in word.split())


def _sample(
    rng: random.Random, composer: Composer, count: int, unrelated: tuple[str, ...]
) -> Iterable[str]:
    for _ in range(0, count, 256):
        _, truths = composer.batch(rng, 128)
        yield from (phrases.caption(rng, truth).words for truth in truths for _ in range(2))
        yield from (phrases.nonsense(rng, unrelated).words for _ in range(24))


def _padded(rows: list[list[int]]) -> NDArray[np.int64]:
    table = np.full((len(rows), max(map(len, rows))), tokens.PAD, np.int64)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table


def serve(
    queue: "torch.multiprocessing.Queue[Batch]", folder: Path, side: int, size: int, seed: int
) -> None:
    """The data process: fills the queue until it is ended."""
    torch.set_num_threads(1)
    for batch in BatchMaker(folder, side=side, size=size, seed=seed):
        queue.put(batch)
