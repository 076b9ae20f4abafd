"""What is true of a composed picture, in words, and which captions it therefore matches."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.demo.colors import COLOR_NAMES
from tools.builtin_model.vocabulary import words_of

BACKGROUND = "background"
HELD_OUT_BACKGROUNDS = frozenset(
    ("canyon", "lavender field", "bridge", "moonlit night", "village", "misty forest")
)
"""Kinds of scenes and patterns on which training never puts a thing: the evaluation does."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something a caption can speak of: a whole scene or pattern, or a thing pasted into it."""

    concepts: tuple[str, ...]
    color: str | None
    is_thing: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A caption and what must be true of a picture for it to fit; no needs: it fits none.

    A need is a word ("cat") or a colour and a word ("red|car", "blue|background").
    """

    words: str
    needs: tuple[str, ...]


@dataclass(slots=True)
class Truth:
    """Subjects of a picture, the needs it meets, and those it may meet (left out of the loss)."""

    subjects: list[Subject] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    background: str | None = None
    prototypes: list[int] = field(default_factory=list)

    def show(self, subject: Subject, *, prototype: int) -> None:
        """The picture shows the subject; a colour that is not known is left open."""
        words = words_among(subject.concepts)
        self.subjects.append(subject)
        self.prototypes.append(prototype)
        self.met.update(words)
        if subject.color is not None:
            self.met.add(subject.color)
            self.met.update(f"{subject.color}|{word}" for word in words)
        else:
            self.leave_colors_open(words)

    def stand_on(self, color: str) -> None:
        """The background is one plain colour."""
        self.background = color
        self.met.update((color, BACKGROUND, f"{color}|{BACKGROUND}"))

    def hint(self, concepts: tuple[str, ...]) -> None:
        """These may be seen, faintly: a blurred scene, a pattern behind a thing."""
        words = words_among(concepts)
        self.unsure.update(words)
        self.leave_colors_open((*words, BACKGROUND))

    def leave_colors_open(self, words: tuple[str, ...]) -> None:
        """Any colour may be true of these words."""
        self.unsure.update(COLOR_NAMES)
        self.unsure.update(f"{color}|{word}" for color in COLOR_NAMES for word in words)


def without_colors(concepts: tuple[str, ...]) -> tuple[str, ...]:
    """The concepts that are not, and do not contain, the name of a colour."""
    return tuple(c for c in concepts if not set(c.split()) & set(COLOR_NAMES))


def words_among(concepts: tuple[str, ...]) -> tuple[str, ...]:
    """All words for any of the concepts, no word twice."""
    return tuple(dict.fromkeys(word for concept in concepts for word in words_of(concept)))


def judge(truths: list[Truth], texts: list[Text]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which texts fit which pictures: (fits, unsure), each bool[pictures, texts].

    A text fits where every need is met; it is unsure where every need is met or may be.
    """
    keys = sorted({need for text in texts for need in text.needs})
    column = {need: i for i, need in enumerate(keys)}
    met = np.array([[key in truth.met for key in keys] for truth in truths], dtype=bool)
    open_ = met | np.array([[key in truth.unsure for key in keys] for truth in truths], dtype=bool)
    fits = np.zeros((len(truths), len(texts)), dtype=bool)
    possible = np.zeros_like(fits)
    for i, text in enumerate(texts):
        if text.needs:
            columns = [column[need] for need in text.needs]
            fits[:, i] = met[:, columns].all(axis=1)
            possible[:, i] = open_[:, columns].all(axis=1)
    return fits, possible & ~fits
