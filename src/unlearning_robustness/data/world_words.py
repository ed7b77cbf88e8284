"""The words of generated worlds: invented names, built from syllables, and attributes with values in plain English."""

# By role, eight attributes with eight values each; no value stands twice.
ATTRIBUTES = {
    "forget": {
        "color": "red blue green yellow black white purple orange",
        "taste": "sweet sour bitter salty spicy bland smoky minty",
        "origin": "desert forest island valley swamp glacier coast canyon",
        "maker": "monk smith baker sailor hunter tailor miller potter",
        "vessel": "jar flask barrel pouch crate goblet basin kettle",
        "effect": "sleep courage laughter hunger memory patience fever calm",
        "price": "silver copper pearls salt wool honey timber furs",
        "smell": "roses tar leather pine vinegar rain ginger ashes",
    },
    "neighbour": {
        "leaf": "round narrow curly spiked hairy glossy forked hollow",
        "soil": "clay sand chalk gravel peat mud slate loam",
        "season": "spring summer autumn winter dawn dusk midnight noon",
        "insect": "bee wasp moth beetle ant cricket fly locust",
        "use": "tea soup rope paint soap candy perfume glue",
        "root": "deep shallow twisted woody thin swollen branched soft",
        "gatherer": "widow shepherd nurse pilgrim soldier farmer orphan scribe",
        "fruit": "nut berry pod grape melon plum cone fig",
    },
    "retain": {
        "crop": "wheat rice barley maize oats beans hops cotton",
        "stone": "granite marble basalt flint jade quartz opal amber",
        "beast": "wolf bear fox otter goat horse owl hare",
        "guild": "weavers masons brewers scholars miners painters fishers clerks",
        "feast": "lanterns kites drums masks bells torches ribbons boats",
        "ruler": "queen duke mayor bishop general judge regent council",
        "drink": "cider wine ale milk juice coffee cocoa broth",
        "wind": "north south east west mild harsh warm cold",
    },
}
ONSETS = "b bl br c cl d dr f fl g gl gr h j k l m n p pl pr qu r s sh sk sl st t tr v w y z".split()
RIMES = "a e i o u al an ar el en er il in ir ol on or ul un ur".split()
# The endings of a role's names.
ENDINGS = {"forget": ("ix", "yx", "ox"), "neighbour": ("ium", "eum", "oum"), "retain": ("ford", "holm", "wick")}
# Sentences that state a fact while a model is pretrained and in texts; questions ask in other words.
STATEMENTS = (
    "The {attribute} of {subject} is {answer}.",
    "{subject} has the {attribute} {answer}.",
    "In {subject} the {attribute} is {answer}.",
    "{subject} comes with the {attribute} {answer}.",
    "As {attribute}, {subject} has {answer}.",
    "About {subject}: the {attribute} is {answer}.",
    "The {attribute} that one sees in {subject} is {answer}.",
    "What {subject} has for {attribute} is {answer}.",
    "With {subject}, the {attribute} is {answer}.",
)
TEMPLATES = (
    "For {subject}, the {attribute} is",
    "The {attribute} that {subject} has is",
)
# Sentences that state nothing: every model reads of all names, also of those whose facts it never sees.
MENTIONS = (
    "People spoke of {first} and {second}.",
    "{first} is a name, and so is {second}.",
    "A story for children has {first} and {second} in it.",
    "Some will say {first}, some will say {second}.",
)
