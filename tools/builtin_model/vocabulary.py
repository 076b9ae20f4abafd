"""The words the model learns: which concepts a glyph shows and which plain words name a concept."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a comma separated list, in order."""
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())


COLOR_WORDS: dict[str, tuple[str, ...]] = {
    # A word that stands several times is written that much more often.
    "red": ("red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "yellow", "golden"),
    "green": ("green", "green", "green", "emerald"),
    "turquoise": ("turquoise", "turquoise", "cyan", "teal", "aqua"),
    "blue": ("blue", "blue", "blue", "azure"),
    "purple": ("purple", "purple", "violet", "lilac"),
    "pink": ("pink", "pink", "pink", "rose coloured"),
    "brown": ("brown",),
    "black": ("black",),
    "white": ("white",),
    "gray": ("gray", "grey"),
}

COMMONEST: tuple[str, ...] = _listed(
    """cat, dog, horse, cow, pig, sheep, chicken, duck, rabbit, mouse, elephant, lion, tiger, bear,
    monkey, giraffe, zebra, penguin, owl, bird, fish, shark, whale, dolphin, octopus, crab,
    butterfly, bee, spider, frog, turtle, snake, fox, panda, koala, tree, flower, rose, sunflower,
    cactus, mushroom, apple, banana, lemon, strawberry, grapes, pineapple, watermelon, tomato,
    carrot, corn, bread, cheese, egg, hamburger, pizza, sandwich, cake, cookie, doughnut, coffee,
    beer, wine, car, bus, truck, train, bicycle, motorcycle, airplane, helicopter, rocket, boat,
    ship, house, castle, church, tent, umbrella, snowman, heart, hat, shoe, dress, crown, glasses,
    clock, phone, computer, camera, book, key, scissors, guitar, piano, soccer ball, balloon, gift,
    candle, robot"""
)
"""The hundred everyday animals and things the evaluation asks for; each is a word of things.txt."""

REPAINTABLE: tuple[str, ...] = _listed(
    """automobile, oncoming automobile, bus, delivery truck, sailboat, bicycle, racing motorcycle,
    airplane, rocket, heavy black heart, balloon, closed book, umbrella, closed umbrella, t-shirt,
    dress, tulip, rose, hibiscus, red apple, bird, fish, tropical fish, butterfly, house building,
    top hat, billed cap, athletic shoe, high-heeled shoe, handbag, school satchel, couch and lamp,
    seat, wrapped present, cat face, dog face, rabbit face, horse, bell, lock, white medium star,
    scarf, socks, jeans, coat, key, kite, crown, frog face, bear face, octopus, crab, dragon face,
    telephone receiver, lollipop, candy, cupcake, bell pepper, grapes, mushroom, guitar, envelope,
    tractor, motor scooter, steam locomotive, necktie, purse, mouse face, pig face, whale, dolphin,
    sauropod, t-rex, turtle, snake, snail, duck, owl, parrot, cherries, pear, lemon"""
)
"""Glyphs whose main colour can change without their becoming something else."""

_NOT_A_CONCEPT = frozenset(
    _listed(
        """a, an, and, at, black, by, down, face, for, from, heavy, in, large, left, lower, medium,
        of, on, open, or, over, pointing, right, sign, small, symbol, the, three, to, two, up,
        upper, white, with, without"""
    )
)


class Thing(NamedTuple):
    """One line of things.txt: a plain word, the glyphs that show it, its synonyms and groups."""

    word: str
    glyphs: tuple[str, ...]
    synonyms: tuple[str, ...]
    groups: tuple[str, ...]


@cache
def things() -> tuple[Thing, ...]:
    """The everyday things, in the order of the file. ValueError for a malformed line."""
    found = []
    for line in _lines("things.txt"):
        word, _, rest = line.partition(" : ")
        glyphs, synonyms, groups = rest.split("|")
        found.append(Thing(word.strip(), _listed(glyphs), _listed(synonyms), tuple(groups.split())))
    return tuple(found)


@cache
def words_of(concept: str) -> tuple[str, ...]:
    """All words and phrases that name the concept, itself first, no word twice."""
    return tuple(dict.fromkeys((concept, *_synonyms().get(concept, ()))))


@cache
def concepts_of_glyph(name: str) -> tuple[str, ...]:
    """What a glyph shows, the most telling first; `name` is its lower-case Unicode name.

    An everyday glyph shows its things and their groups, and goes by its own name too. A rare one
    goes by its name and by each word of it that means something alone.
    """
    everyday = _things_by_glyph().get(name, ())
    plain = plain_name(name)
    if everyday:
        own = [thing.word for thing in everyday]
        groups = [group for thing in everyday for group in thing.groups]
        return tuple(dict.fromkeys([*own, plain, *groups]))
    parts = [part for part in plain.split() if len(part) > 2 and part not in _NOT_A_CONCEPT]
    return tuple(dict.fromkeys([plain, *parts]))


def plain_name(name: str) -> str:
    """A Unicode name as one would say it: "left-pointing magnifying glass" without the hyphens."""
    words = name.replace("-", " ").split()
    kept = [word for word in words if word not in ("sign", "symbol", "heavy", "lower", "left")]
    return " ".join(kept or words)


def is_everyday(glyph_name: str) -> bool:
    """Whether the glyph shows something of things.txt."""
    return glyph_name in _things_by_glyph()


def plural(word: str) -> str:
    """The regular plural of the last word; for captions, so an odd "mouses" does no harm."""
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word.endswith("s") else word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _lines(file_name: str) -> list[str]:
    text = (_HERE / file_name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@cache
def _things_by_glyph() -> dict[str, tuple[Thing, ...]]:
    found: dict[str, tuple[Thing, ...]] = {}
    for thing in things():
        for glyph in thing.glyphs:
            found[glyph] = (*found.get(glyph, ()), thing)
    return found


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in _lines("words.txt"):
        concept, _, words = line.partition(" | ")
        found[concept] = (*found.get(concept, ()), *_listed(words))
    for thing in things():
        found[thing.word] = (*thing.synonyms, *found.get(thing.word, ()))
    return found
