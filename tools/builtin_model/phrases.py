"""Writes captions as people search: short phrases, sentences, slips of the pen, and nonsense."""

import random
import re
import string
import unicodedata
from collections.abc import Sequence
from functools import cache
from pydoc_data.topics import topics

from app.demo.colors import COLOR_NAMES
from tools.builtin_model.truth import BACKGROUND, Subject, Text, Truth
from tools.builtin_model.vocabulary import COLOR_WORDS, plural, words_of


def _spaced(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_OPENINGS = (
    "a photo of", "a picture of", "an image of", "a drawing of", "photo of", "picture of", "image of",
    "an illustration of", "show me", "find", "photos of", "pictures of", "images with", "search for",
    "a view of", "close up of", "everything with", "pictures that show", "we need", "do we have",
    "an icon of", "emoji of", "i am looking for", "where is",
)  # fmt: skip
_ENDINGS = (
    "photo",
    "picture",
    "image",
    "drawing",
    "icon",
    "illustration",
    "emoji",
    "please",
    "clip art",
)
_ADJECTIVES = (
    "cute", "beautiful", "nice", "big", "small", "little", "old", "new", "funny", "pretty", "lovely",
    "happy", "great", "single", "simple", "tiny", "huge", "my", "our", "young", "cartoon", "quiet",
    "some", "sleeping", "standing", "sitting", "running", "the best", "colourful", "real", "favourite",
)  # fmt: skip
_BETWEEN = (
    " on ",
    " in ",
    " at ",
    " with ",
    " near ",
    " in front of ",
    " over ",
    " by ",
    ", ",
    " and ",
    " ",
)
_PAIRING = (" and ", " with ", " next to ", ", ", " beside ", " ")
_ON_COLOR = (
    "{thing} on {color} background", "{thing} on a {color} background", "{thing} on {color}",
    "{thing} against a {color} background", "{thing} with {color} background", "{color} background, {thing}",
)  # fmt: skip
# Words of offices and letters that no drawing of ours shows: they must fit nothing.
_OFFICE_WORDS = _spaced(
    """
    invoice contract password meeting agenda minutes alice peter smith johnson london berlin
    monday thursday january october algorithm philosophy economics democracy theorem
    equation grammar inflation mortgage insurance lawyer parliament election president
    government software database server javascript linux upload download version release
    license copyright privacy policy subscription billing warranty manual chapter paragraph
    hypothesis quantum protein enzyme vaccine diagnosis therapy freedom justice wisdom
    strategy marketing revenue profit dividend shareholder salary resume lecture homework
    exam thesis translation dictionary pronunciation verb comma opera jazz podcast episode
    director documentary thriller tragedy medieval renaissance napoleon empire revolution
    treaty border visa embassy customs receipt order shipping address number login username
    settings notification deadline schedule appointment reservation itinerary funeral
    inheritance rumor joke riddle proverb secret promise apology gratitude nostalgia
    patience envy responsibility budget audit compliance procurement merger supplier
    stakeholder forecast overtime pension clause amendment verdict ministry census
    referendum bandwidth firewall refactoring
    """
)
# never trained on as nonsense: the evaluation asks for them
HELD_OUT_WORDS = frozenset(
    _spaced(
        """
    quarterly tax legislation annual accounting statement regulatory framework bankruptcy
    lawsuit kubernetes deployment asdf qwer zxcv monetary theory epistemology sociology
    curriculum tariff municipal ordinance backlog grooming
        """
    )
)
_NAMES_WITHOUT_WORDS = ("CJK", "HANGUL", "EGYPTIAN", "TANGUT", "YI ", "CUNEIFORM", "ANATOLIAN")
_OTHER_SCRIPTS = (
    (0x0430, 0x044F),
    (0x4E00, 0x8FFF),
    (0x00E0, 0x00FF),
    (0x03B1, 0x03C9),
    (0x0627, 0x064A),
)


def caption(rng: random.Random, truth: Truth) -> Text:
    """A caption that fits the picture."""
    things = [subject for subject in truth.subjects if subject.is_thing]
    places = [subject for subject in truth.subjects if not subject.is_thing]
    roll = rng.random()
    if things and truth.background and roll < 0.25:
        return _on_color(rng, rng.choice(things), truth.background)
    if things and places and roll < 0.5:
        return _join(rng, _phrase(rng, rng.choice(things)), _phrase(rng, places[0]), _BETWEEN)
    if len(things) > 1 and roll < 0.5:
        first, second = rng.sample(things, 2)
        return _join(rng, _phrase(rng, first), _phrase(rng, second), _PAIRING)
    if places and not things and roll < 0.35 and len(places[0].concepts) > 1:
        first_place, second_place = _concept(rng, places[0]), _concept(rng, places[0])
        if first_place != second_place:
            return _join(rng, _named(rng, first_place), _named(rng, second_place), _BETWEEN)
    return _dressed(rng, _phrase(rng, rng.choice(truth.subjects)))


def near_miss(rng: random.Random, truth: Truth, other: Truth) -> Text:
    """A caption that shares words with the picture and is, as far as words tell, not true of it."""
    mine, theirs = rng.choice(truth.subjects), rng.choice(other.subjects)
    if mine.is_thing and rng.random() < 0.5:
        word = _word(rng, mine)
        color = rng.choice([name for name in COLOR_NAMES if name != mine.color])
        if truth.background and rng.random() < 0.5:
            return _on_color(rng, mine, color)
        return _dressed(rng, _colored(rng, color, word))
    first, second = _phrase(rng, mine), _phrase(rng, theirs)
    if rng.random() < 0.5:
        first, second = second, first
    return _join(rng, first, second, _BETWEEN)


def color_and_word(rng: random.Random, truth: Truth) -> Text:
    """The plainest words for a thing of known colour, in that colour or, as often, another."""
    things = [subject for subject in truth.subjects if subject.is_thing]
    subject = rng.choice(things or truth.subjects)
    known = subject.color if rng.random() < 0.5 else None
    return _colored(rng, known or rng.choice(COLOR_NAMES), subject.concepts[0])


def nonsense(rng: random.Random, unrelated: Sequence[str]) -> Text:
    """A text that fits no picture: keys hit at random, file names, dates, unrelated words."""
    roll = rng.random()
    if roll < 0.16:
        return Text(_keys(rng), ())
    if roll < 0.26:
        return Text(_syllables(rng), ())
    if roll < 0.34:
        return Text(_file_name(rng), ())
    if roll < 0.40:
        low, high = rng.choice(_OTHER_SCRIPTS)
        return Text("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(2, 9))), ())
    source = _OFFICE_WORDS if rng.random() < 0.45 else unrelated
    words = " ".join(rng.choice(source) for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))
    return Text(words, ()) if rng.random() < 0.6 else _dressed(rng, Text(words, ()))


def single(rng: random.Random, word: str) -> Text:
    """The word alone, now and then with an article or in the plural."""
    roll = rng.random()
    if roll < 0.12:
        return Text(_article(word), (word,))
    return Text(plural(word) if roll < 0.22 else word, (word,))


@cache
def unrelated_words(known: frozenset[str]) -> tuple[str, ...]:
    """Thousands of real words (of Unicode names and Python's manual) without the `known` ones."""
    found: set[str] = set()
    for code in range(0x21, 0x1F200):
        name = unicodedata.name(chr(code), "")
        if name and not name.startswith(_NAMES_WITHOUT_WORDS):
            found.update(re.findall(r"[a-z]{4,}", name.lower()))
    for text in topics.values():
        found.update(re.findall(r"\b[a-z]{4,}\b", text))
    spoken = " ".join((*_OPENINGS, *_ENDINGS, *_ADJECTIVES)).split()
    taken = {*known, *spoken, *HELD_OUT_WORDS, *COLOR_NAMES}
    return tuple(sorted(word for word in found if not {word, word.rstrip("s")} & taken))


def _phrase(rng: random.Random, subject: Subject) -> Text:
    word = _word(rng, subject)
    if subject.color is not None and rng.random() < 0.45:
        return _colored(rng, subject.color, word)
    return _written(rng, word)


def _word(rng: random.Random, subject: Subject) -> str:
    return _synonym(rng, _concept(rng, subject))


def _concept(rng: random.Random, subject: Subject) -> str:
    """One of its concepts; the first, the telling ones, come up more often."""
    falling = 0.9 if subject.is_thing else 0.45
    position = int(rng.expovariate(falling))
    concepts = subject.concepts
    return concepts[position] if position < len(concepts) else rng.choice(concepts)


def _synonym(rng: random.Random, concept: str) -> str:
    words = words_of(concept)
    return words[0] if rng.random() < 0.4 else rng.choice(words)


def _named(rng: random.Random, concept: str) -> Text:
    return _written(rng, _synonym(rng, concept))


def _written(rng: random.Random, word: str) -> Text:
    return Text(plural(word) if rng.random() < 0.12 else word, (word,))


def _colored(rng: random.Random, color: str, word: str) -> Text:
    spoken = rng.choice(COLOR_WORDS[color])
    words = f"{spoken} {word}" if rng.random() < 0.85 else f"{word} that is {spoken}"
    return Text(words, (f"{color}|{word}",))


def _on_color(rng: random.Random, thing: Subject, background: str) -> Text:
    text = _phrase(rng, thing)
    spoken = rng.choice(COLOR_WORDS[background])
    words = rng.choice(_ON_COLOR).format(thing=text.words, color=spoken)
    return _dressed(rng, Text(words, (*text.needs, f"{background}|{BACKGROUND}")))


def _join(rng: random.Random, first: Text, second: Text, links: Sequence[str]) -> Text:
    left, right = first.words, second.words
    if rng.random() < 0.5:
        left = _article(left)
    if rng.random() < 0.4:
        right = rng.choice(("the ", "a ")) + right
    return _dressed(rng, Text(left + rng.choice(links) + right, (*first.needs, *second.needs)))


def _dressed(rng: random.Random, text: Text) -> Text:
    """The caption with what people put around it, and now and then a slip of the pen."""
    words = text.words
    if rng.random() < 0.22:
        words = f"{rng.choice(_ADJECTIVES)} {words.removeprefix('an ').removeprefix('a ')}"
    if rng.random() < 0.35:
        words = _article(words)
    roll = rng.random()
    if roll < 0.3:
        words = f"{rng.choice(_OPENINGS)} {words}"
    elif roll < 0.45:
        words = f"{words} {rng.choice(_ENDINGS)}"
    if rng.random() < 0.05:
        words = _misspelt(rng, words)
    return Text(words, text.needs)


def _article(words: str) -> str:
    if words.startswith(("a ", "an ", "the ", "my ", "our ", "some ")):
        return words
    return ("an " if words[:1] in "aeiou" else "a ") + words


def _misspelt(rng: random.Random, words: str) -> str:
    if len(words) < 5:
        return words
    at = rng.randrange(1, len(words) - 1)
    roll = rng.random()
    if roll < 0.35:
        return words[:at] + words[at + 1 :]
    if roll < 0.7:
        return words[:at] + words[at + 1] + words[at] + words[at + 2 :]
    return words[:at] + rng.choice(string.ascii_lowercase) + words[at + 1 :]


def _keys(rng: random.Random) -> str:
    """Keys hit at random, sometimes neighbours on the keyboard."""
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

    def burst() -> str:
        row = rng.choice((string.ascii_lowercase, *rows))
        start, length = rng.randrange(len(row) - 4), rng.randint(3, 7)
        in_order = row[start : start + length]
        return in_order if rng.random() < 0.3 else "".join(rng.choices(row, k=length))

    return " ".join(burst() for _ in range(rng.randint(1, 3)))


def _syllables(rng: random.Random) -> str:
    def syllable() -> str:
        vowel = rng.choice(("a", "e", "i", "o", "u", "ai", "ou", "ee"))
        return rng.choice("bcdfghjklmnprstvwz") + vowel + rng.choice(("", "", "n", "r", "st", "ck"))

    def word() -> str:
        return "".join(syllable() for _ in range(rng.randint(2, 3)))

    return " ".join(word() for _ in range(rng.randint(1, 3)))


def _file_name(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    stem = rng.choice(("img", "dsc", "scan", "doc", "file", "id", "ref", "p", "v", ""))
    return f"{stem}{rng.choice(('', ' ', '_', '-'))}{rng.randint(1, 99999)}"
