"""The animals and things that the gallery puts into its scenes, and where each may stand."""

from typing import Literal, NamedTuple


class Spot(NamedTuple):
    """Where something may be in a scene: its lower edge, in parts of the height from the top."""

    kind: Literal["stand", "float", "hover"]
    low: float
    high: float


class Subject(NamedTuple):
    """A glyph with its words and its habitat.

    `size` is its height in parts of the picture's shorter side; `scenes` are those it fits (keys
    of SPOTS); `tone` recolours it.
    """

    glyph: str
    words: str
    tags: tuple[str, ...]
    size: float
    scenes: tuple[str, ...]
    tone: Literal["", "gray", "black"] = ""


class Item(NamedTuple):
    """A glyph that lies in rows or looks at us: its words for one and for many."""

    glyph: str
    one: str
    many: str
    tags: tuple[str, ...]


SPOTS: dict[str, Spot] = {
    "beach": Spot("stand", 0.76, 0.94),
    "meadow": Spot("stand", 0.72, 0.93),
    "green hills": Spot("stand", 0.80, 0.95),
    "cherry blossom": Spot("stand", 0.82, 0.96),
    "river": Spot("stand", 0.76, 0.92),
    "forest": Spot("stand", 0.88, 0.98),
    "autumn forest": Spot("stand", 0.88, 0.98),
    "snow": Spot("stand", 0.80, 0.95),
    "mountains": Spot("stand", 0.88, 0.97),
    "snowy mountains": Spot("stand", 0.88, 0.97),
    "village": Spot("stand", 0.86, 0.97),
    "winter village": Spot("stand", 0.88, 0.97),
    "desert": Spot("stand", 0.76, 0.93),
    "canyon": Spot("stand", 0.82, 0.95),
    "living room": Spot("stand", 0.91, 0.97),
    "road": Spot("stand", 0.80, 0.94),
    "night road": Spot("stand", 0.80, 0.94),
    "campfire": Spot("stand", 0.91, 0.98),
    "rain": Spot("stand", 0.80, 0.93),
    "city": Spot("stand", 0.91, 0.96),
    "wheat field": Spot("stand", 0.88, 0.98),
    "sea": Spot("float", 0.70, 0.86),
    "sunset sea": Spot("float", 0.76, 0.88),
    "lake": Spot("float", 0.76, 0.88),
    "clouds": Spot("hover", 0.50, 0.75),
    "rainbow": Spot("hover", 0.42, 0.54),
    "underwater": Spot("hover", 0.42, 0.70),
    "space": Spot("hover", 0.45, 0.75),
    "starry night": Spot("hover", 0.42, 0.60),
    "moonlit night": Spot("hover", 0.40, 0.52),
    "sunset mountains": Spot("hover", 0.34, 0.50),
}

_GREEN = ("meadow", "green hills", "cherry blossom", "river", "village")
_WOODS = ("forest", "autumn forest", "mountains")
_COLD = ("snow", "snowy mountains", "winter village")
_PETS = (*_GREEN, "beach", "living room", "autumn forest", "snow", "campfire", "rain", "city")
_FARM = ("meadow", "green hills", "village", "river")
_DRY = ("desert", "canyon")
_ROADS = ("road", "night road", "city")
_SKY = ("clouds", "sunset mountains")
_WATER = ("sea", "sunset sea", "lake")
_CAT, _DOG, _HORSE = ("cat", "animal"), ("dog", "animal"), ("horse", "animal")
_ANIMAL, _BIRD, _FISH = ("animal",), ("birds", "animal"), ("fish", "animal")
_CAR, _VEHICLE, _BOAT = ("car", "vehicle"), ("vehicle",), ("boat",)
_FRUIT, _FOOD, _FLOWERS = ("fruit", "food"), ("food",), ("flowers",)

CATS = (
    Subject("cat", "a yellow cat", _CAT, 0.34, _PETS),
    Subject("cat", "a gray cat", _CAT, 0.34, _PETS, "gray"),
    Subject("cat", "a black cat", _CAT, 0.34, _PETS, "black"),
)

DOGS = (
    Subject("dog", "a dog", _DOG, 0.34, _PETS),
    Subject("poodle", "a poodle", _DOG, 0.34, _PETS),
    Subject("guide dog", "a yellow dog", _DOG, 0.38, _PETS),
    Subject("dog", "a gray dog", _DOG, 0.34, _PETS, "gray"),
)

ANIMALS = (
    Subject("horse", "a horse", _HORSE, 0.46, (*_FARM, "mountains")),
    Subject("horse", "a black horse", _HORSE, 0.46, _FARM, "black"),
    Subject("horse", "a gray horse", _HORSE, 0.46, ("wheat field", "beach"), "gray"),
    Subject("cow", "a cow", _ANIMAL, 0.40, (*_FARM, "mountains")),
    Subject("pig", "a pig", _ANIMAL, 0.32, ("village", "meadow")),
    Subject("sheep", "a sheep", _ANIMAL, 0.32, _FARM),
    Subject("goat", "a goat", _ANIMAL, 0.34, ("mountains", "canyon", "green hills")),
    Subject("rooster", "a rooster", _BIRD, 0.26, ("village", "wheat field", "meadow")),
    Subject("duck", "a duck", _BIRD, 0.22, ("lake", "river")),
    Subject("rabbit", "a rabbit", _ANIMAL, 0.26, (*_GREEN, "forest", "snow")),
    Subject("hedgehog", "a hedgehog", _ANIMAL, 0.22, ("autumn forest", "meadow", "forest")),
    Subject("deer", "a deer", _ANIMAL, 0.44, (*_WOODS, "snow")),
    Subject("chipmunk", "a squirrel", _ANIMAL, 0.24, _WOODS),
    Subject("owl", "an owl", _BIRD, 0.26, ("campfire",)),
    Subject("badger", "a badger", _ANIMAL, 0.26, _WOODS),
    Subject("snail", "a snail", _ANIMAL, 0.22, ("rain", "meadow")),
    Subject("elephant", "an elephant", _ANIMAL, 0.48, ("green hills", "desert", "river")),
    Subject("tiger", "a tiger", _ANIMAL, 0.38, ("forest", "river")),
    Subject("leopard", "a leopard", _ANIMAL, 0.36, ("canyon", "wheat field")),
    Subject("rhinoceros", "a rhinoceros", _ANIMAL, 0.40, ("canyon", "green hills")),
    Subject("hippopotamus", "a hippopotamus", _ANIMAL, 0.38, ("river", "beach")),
    Subject("bison", "a bison", _ANIMAL, 0.40, ("canyon", "meadow", "mountains")),
    Subject("llama", "a llama", _ANIMAL, 0.42, ("mountains", "canyon")),
    Subject("dromedary camel", "a camel", _ANIMAL, 0.42, _DRY),
    Subject("bactrian camel", "a camel with two humps", _ANIMAL, 0.42, _DRY),
    Subject("lizard", "a lizard", _ANIMAL, 0.26, _DRY),
    Subject("kangaroo", "a kangaroo", _ANIMAL, 0.38, _DRY),
    Subject("penguin", "a penguin", _BIRD, 0.28, _COLD),
    Subject("seal", "a seal", _ANIMAL, 0.28, ("snow", "beach")),
    Subject("crab", "a crab", _ANIMAL, 0.22, ("beach",)),
    Subject("turtle", "a turtle", _ANIMAL, 0.26, ("beach", "underwater")),
    Subject("flamingo", "a flamingo", _BIRD, 0.38, ("beach", "river")),
    Subject("swan", "a swan", _BIRD, 0.26, ("lake",)),
    Subject("tropical fish", "a striped fish", _FISH, 0.26, ("underwater",)),
    Subject("fish", "a blue fish", _FISH, 0.30, ("underwater",)),
    Subject("blowfish", "a blowfish", _FISH, 0.28, ("underwater",)),
    Subject("octopus", "an octopus", _ANIMAL, 0.32, ("underwater",)),
    Subject("shark", "a shark", _FISH, 0.38, ("underwater",)),
    Subject("dolphin", "a dolphin", _ANIMAL, 0.34, ("underwater", "sea")),
    Subject("spouting whale", "a whale", _ANIMAL, 0.34, ("sea", "sunset sea")),
    Subject("eagle", "an eagle", _BIRD, 0.30, _SKY),
    Subject("dove of peace", "a dove", _BIRD, 0.28, ("clouds", "rainbow")),
    Subject("bat", "a bat", _ANIMAL, 0.26, ("starry night", "moonlit night")),
    Subject("butterfly", "a butterfly", _ANIMAL, 0.26, ("clouds", "rainbow")),
)

THINGS = (
    Subject("automobile", "a red car", _CAR, 0.32, _ROADS),
    Subject("automobile", "a gray car", _CAR, 0.32, ("road", "city"), "gray"),
    Subject("taxi", "a taxi", _CAR, 0.32, ("city", "night road")),
    Subject("recreational vehicle", "a blue car", _CAR, 0.34, _ROADS),
    Subject("delivery truck", "a truck", _VEHICLE, 0.36, _ROADS),
    Subject("bus", "a bus", _VEHICLE, 0.38, ("city", "road")),
    Subject("fire engine", "a fire engine", _VEHICLE, 0.36, ("city", "road")),
    Subject("tractor", "a tractor", _VEHICLE, 0.38, ("wheat field", "meadow", "village")),
    Subject(
        "bicycle",
        "a bicycle",
        _VEHICLE,
        0.32,
        ("village", "road", "cherry blossom", "autumn forest"),
    ),
    Subject("motor scooter", "a scooter", _VEHICLE, 0.32, ("city", "road", "beach")),
    Subject("speedboat", "a speedboat", _BOAT, 0.28, _WATER),
    Subject("canoe", "a canoe", _BOAT, 0.28, ("lake",)),
    Subject("ship", "a ship", _BOAT, 0.34, ("sea", "sunset sea")),
    Subject("airplane", "an airplane", _VEHICLE, 0.32, _SKY),
    Subject("helicopter", "a helicopter", _VEHICLE, 0.30, _SKY),
    Subject("balloon", "a red balloon", ("balloons",), 0.30, ("clouds", "rainbow")),
    Subject("kite", "a kite", ("sky",), 0.30, ("clouds", "rainbow")),
    Subject("rocket", "a rocket", ("space",), 0.38, ("space", "starry night")),
    Subject("flying saucer", "a flying saucer", ("space",), 0.32, ("space", "starry night")),
    Subject("satellite", "a satellite", ("space",), 0.34, ("space",)),
    Subject("tent", "a tent", (), 0.34, ("meadow", "forest", "mountains")),
    Subject("soccer ball", "a football", (), 0.20, ("meadow", "beach", "green hills")),
    Subject("guitar", "a guitar", ("music",), 0.36, ("living room", "campfire", "beach")),
    Subject("birthday cake", "a birthday cake", ("food",), 0.28, ("living room",)),
    Subject("teddy bear", "a teddy bear", (), 0.30, ("living room", "meadow")),
    Subject(
        "christmas tree",
        "a Christmas tree",
        ("winter",),
        0.50,
        ("living room", "snow", "winter village"),
    ),
    Subject("potted plant", "a potted plant", (), 0.30, ("living room",)),
)

STILL_LIFES = (
    Item("red apple", "a red apple", "red apples", _FRUIT),
    Item("green apple", "a green apple", "green apples", _FRUIT),
    Item("banana", "a banana", "bananas", _FRUIT),
    Item("strawberry", "a strawberry", "strawberries", _FRUIT),
    Item("cherries", "a pair of cherries", "cherries", _FRUIT),
    Item("grapes", "a bunch of grapes", "bunches of grapes", _FRUIT),
    Item("watermelon", "a slice of watermelon", "slices of watermelon", _FRUIT),
    Item("lemon", "a lemon", "lemons", _FRUIT),
    Item("tangerine", "an orange", "oranges", _FRUIT),
    Item("pineapple", "a pineapple", "pineapples", _FRUIT),
    Item("slice of pizza", "a slice of pizza", "slices of pizza", _FOOD),
    Item("hamburger", "a hamburger", "hamburgers", _FOOD),
    Item("croissant", "a croissant", "croissants", _FOOD),
    Item("carrot", "a carrot", "carrots", _FOOD),
    Item("avocado", "an avocado", "avocados", _FOOD),
    Item("doughnut", "a doughnut", "doughnuts", _FOOD),
    Item("cookie", "a cookie", "cookies", _FOOD),
    Item("soft ice cream", "an ice cream", "ice cream cones", _FOOD),
    Item("cupcake", "a cupcake", "cupcakes", _FOOD),
    Item("sunflower", "a sunflower", "sunflowers", _FLOWERS),
    Item("tulip", "a tulip", "tulips", _FLOWERS),
    Item("rose", "a rose", "roses", _FLOWERS),
)

PORTRAITS = (
    Item("cat face", "a cat", "cats", _CAT),
    Item("smiling cat face with open mouth", "a happy cat", "happy cats", _CAT),
    Item("dog face", "a dog", "dogs", _DOG),
    Item("tiger face", "a tiger", "tigers", _ANIMAL),
    Item("panda face", "a panda", "pandas", _ANIMAL),
    Item("koala", "a koala", "koalas", _ANIMAL),
    Item("frog face", "a frog", "frogs", _ANIMAL),
    Item("monkey face", "a monkey", "monkeys", _ANIMAL),
    Item("rabbit face", "a rabbit", "rabbits", _ANIMAL),
    Item("horse face", "a horse", "horses", _HORSE),
    Item("fox face", "a fox", "foxs", _ANIMAL),
    Item("bear face", "a bear", "bears", _ANIMAL),
    Item("lion face", "a lion", "lions", _ANIMAL),
    Item("unicorn face", "a unicorn", "unicorns", _ANIMAL),
    Item("wolf face", "a wolf", "wolfs", _ANIMAL),
    Item("raccoon", "a raccoon", "raccoons", _ANIMAL),
)
