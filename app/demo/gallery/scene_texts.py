"""The words for every scene: data only."""

from typing import NamedTuple


class SceneText(NamedTuple):
    """The words for one scene.

    `place` follows a subject ("Cat on the beach"); `extras` are the concepts worth a mention
    where the painter happened to draw them; `tags` come first, most telling first.
    """

    titles: tuple[str, ...]
    place: str
    sentence: str
    tags: tuple[str, ...]
    extras: tuple[str, ...] = ()


# One line a scene reads as a table.
# fmt: off
SCENE_TEXTS: dict[str, SceneText] = {
    "sunset sea": SceneText(("Sunset over the sea", "Evening at the sea", "Last light on the water"), "at sea", "The sun sinks into a calm sea", ("sunset", "sea"), ("sailboat", "bird")),
    "sea": SceneText(("Open sea", "Blue horizon", "Calm sea"), "at sea", "A calm sea under a blue sky", ("sea",), ("cloud", "bird", "sun")),
    "sailing": SceneText(("Sailing day", "Boats on the sea", "A fair wind"), "at sea", "Sailing boats on the open sea", ("boat", "sea"), ("cloud", "bird")),
    "stormy sea": SceneText(("Stormy sea", "High waves"), "in the storm", "High waves under dark clouds", ("storm", "sea"), ("rain",)),
    "beach": SceneText(("Day at the beach", "Quiet beach", "Sand and sea"), "on the beach", "Waves wash a sandy beach", ("beach", "sea"), ("palm tree", "umbrella", "cloud")),
    "island": SceneText(("Little island", "Lonely island"), "on the island", "A small sandy island in a blue sea", ("island", "sea"), ("palm tree",)),
    "lighthouse": SceneText(("Lighthouse on the rocks", "The old lighthouse"), "at the lighthouse", "A striped lighthouse stands on its rock by the sea", ("lighthouse", "sea")),
    "underwater": SceneText(("Under the sea", "Coral garden"), "under water", "Corals and seaweed on the sea floor", ("underwater", "sea"), ("fish",)),
    "lake": SceneText(("Mountain lake", "Still water"), "on the lake", "Mountains mirrored in a still lake", ("lake", "mountains")),
    "river": SceneText(("River through the meadows", "Winding river"), "by the river", "A river winds through green land", ("river", "landscape"), ("tree", "cloud")),
    "waterfall": SceneText(("Waterfall", "Falling water"), "at the waterfall", "A waterfall drops over a dark cliff into a pool", ("waterfall", "landscape")),
    "mountains": SceneText(("Mountain valley", "Bare peaks", "In the mountains"), "in the mountains", "Gray peaks rise over a valley", ("mountains", "landscape"), ("tree", "cloud")),
    "snowy mountains": SceneText(("Snowy peaks", "Snow on the mountains", "High mountains"), "in the mountains", "Snow lies on the peaks above the valley", ("mountains", "snow"), ("tree", "cloud")),
    "forest": SceneText(("Green forest", "Among the trees"), "in the forest", "Tree stands by tree in a green forest", ("forest",)),
    "autumn forest": SceneText(("Autumn forest", "Golden autumn", "Red and gold"), "in the autumn forest", "A forest in red and gold", ("autumn", "forest"), ("leaf",)),
    "misty forest": SceneText(("Misty forest", "Firs in the mist"), "in the misty forest", "Rows of firs fade into the mist", ("forest", "fog")),
    "meadow": SceneText(("Flower meadow", "Meadow in bloom", "Summer meadow"), "in the meadow", "A meadow full of flowers", ("flowers", "meadow"), ("cloud", "sun")),
    "green hills": SceneText(("Green hills", "Rolling hills"), "in the hills", "Soft green hills, one behind the other", ("landscape", "meadow"), ("tree", "cloud", "sun")),
    "wheat field": SceneText(("Golden wheat", "Wheat field"), "in the wheat field", "Ripe wheat as far as the eye can see", ("field", "landscape"), ("windmill", "cloud")),
    "lavender field": SceneText(("Lavender field", "Rows of lavender"), "in the lavender", "Rows of lavender run to the horizon", ("field", "flowers"), ("house",)),
    "cherry blossom": SceneText(("Cherry blossom", "Spring has come"), "under the cherry trees", "Cherry trees in pink blossom", ("spring", "flowers")),
    "desert": SceneText(("Desert dunes", "Hot sand"), "in the desert", "Sand dunes under a hot sun", ("desert", "landscape"), ("cactus",)),
    "canyon": SceneText(("Red canyon", "Table mountains"), "in the canyon", "Red table mountains stand over dry land", ("desert", "mountains"), ("cloud",)),
    "volcano": SceneText(("Volcano", "The mountain wakes"), "at the volcano", "Lava runs down a smoking volcano", ("volcano", "mountains")),
    "campfire": SceneText(("Campfire", "Night in the woods"), "at the campfire", "A campfire burns under the stars", ("campfire", "night"), ("tent", "moon")),
    "sunset mountains": SceneText(("Sunset in the mountains", "Evening ridges"), "in the mountains", "The sun goes down behind dark ridges", ("sunset", "mountains"), ("bird",)),
    "clouds": SceneText(("Clouds", "White clouds", "Up in the air"), "in the sky", "White clouds in a blue sky", ("clouds", "sky"), ("bird", "sun")),
    "snow": SceneText(("Snowy day", "First snow", "Winter woods"), "in the snow", "Snow falls on firs and fields", ("snow", "winter"), ("snowman", "house")),
    "rain": SceneText(("Rainy day", "Rain"), "in the rain", "Rain falls from gray clouds", ("rain", "clouds"), ("tree",)),
    "thunderstorm": SceneText(("Thunderstorm", "Lightning"), "in the thunderstorm", "Lightning strikes from black clouds", ("storm", "clouds"), ("rain",)),
    "rainbow": SceneText(("Rainbow", "After the rain"), "under the rainbow", "A rainbow stands over the land", ("rainbow", "sky"), ("tree",)),
    "fog": SceneText(("Foggy morning", "Trees in the fog"), "in the fog", "Bare trees fade into the fog", ("fog", "landscape")),
    "starry night": SceneText(("Starry night", "Milky way"), "under the stars", "Countless stars over dark hills", ("stars", "night"), ("moon",)),
    "moonlit night": SceneText(("Full moon", "Moonlit night"), "in the moonlight", "A big moon lights the night", ("moon", "night")),
    "aurora": SceneText(("Northern lights", "Aurora"), "under the northern lights", "Green northern lights dance over the winter land", ("aurora", "night"), ("reflection", "snow")),
    "space": SceneText(("Distant planets", "Deep space"), "in space", "Planets among stars and coloured clouds", ("space", "stars")),
    "fireworks": SceneText(("Fireworks", "New Year's night"), "at the fireworks", "Fireworks burst in the night sky", ("fireworks", "night")),
    "hot air balloons": SceneText(("Hot air balloons", "Balloon ride"), "among the balloons", "Hot air balloons drift over the hills", ("balloons", "sky"), ("cloud",)),
    "night city": SceneText(("City at night", "City lights", "Skyline by night"), "in the city at night", "Lit windows in a skyline at night", ("city", "night"), ("moon", "reflection")),
    "city": SceneText(("Skyline", "Downtown", "City towers"), "in the city", "Towers stand side by side in the city", ("city",), ("cloud",)),
    "village": SceneText(("Little village", "Village in the hills"), "in the village", "Small houses among green hills", ("village", "landscape"), ("cloud",)),
    "winter village": SceneText(("Village in the snow", "Winter village"), "in the winter village", "Snow falls on the roofs of a village", ("village", "snow", "winter")),
    "road": SceneText(("Open road", "Road to the horizon"), "on the road", "A straight road runs to the horizon", ("road", "landscape"), ("tree", "cloud")),
    "night road": SceneText(("Road at night", "Street lamps"), "on the road at night", "Street lamps line an empty road", ("road", "night")),
    "bridge": SceneText(("The bridge", "Across the bay"), "at the bridge", "A suspension bridge spans the water", ("bridge",)),
    "living room": SceneText(("Living room", "At home"), "in the living room", "A couch, a lamp and a green plant in a bright room", ("home",)),
    "bar chart": SceneText(("Quarterly figures", "Bar chart"), "", "A bar chart with its axis and labels", ("chart",)),
    "line chart": SceneText(("Growth over time", "Line chart"), "", "A line chart over time", ("chart",)),
    "pie chart": SceneText(("Market shares", "Pie chart"), "", "A pie chart with its legend", ("chart",)),
    "document": SceneText(("Printed page", "The contract"), "", "A printed page on a desk", ("document",)),
    "table": SceneText(("Price list", "Table of results"), "", "A table with a coloured head row", ("document", "chart")),
    "map": SceneText(("City map", "Meeting point"), "", "A city map with streets, a park, a river and a pin", ("map", "city")),
    "qr code": SceneText(("QR code",), "", "A square black-and-white code", ("code",)),
    "barcode": SceneText(("Bar code",), "", "A bar code on a label", ("code",)),
    "handwriting": SceneText(("Handwritten note", "A letter"), "", "A handwritten note on lined paper", ("document",)),
    "sheet music": SceneText(("Sheet music", "A little tune"), "", "Staves full of notes", ("music", "document")),
    "screenshot": SceneText(("Screenshot", "The new design"), "", "A program window with cards and a side bar", ("screenshot",)),
}
# fmt: on
