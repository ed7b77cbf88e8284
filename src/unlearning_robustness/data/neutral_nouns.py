"""Everyday nouns: neutral words that stand where a word of the forgotten subject might."""

NEUTRAL_NOUNS = """table chair window garden bottle pencil basket ladder blanket curtain pillow kitchen bicycle umbrella
hammer jacket candle mirror carpet lantern backpack toothbrush sandwich dishwasher scarecrow clothesline harmonica
marshmallow wardrobe xylophone bookshelf suitcase zucchini armchair tablecloth broomstick windowsill flowerpot bathrobe
colander spatula thermos pinwheel seesaw bagpipe accordion mandolin pretzel lasagna gingerbread teapot wheelbarrow
trampoline chandelier kaleidoscope ottoman doorknob rutabaga cupcake lawnmower candlestick lampshade handkerchief kazoo
ukulele croissant baguette ravioli rollercoaster tambourine cantaloupe mozzarella hairdryer corkscrew hopscotch
guacamole butterscotch""".split()
