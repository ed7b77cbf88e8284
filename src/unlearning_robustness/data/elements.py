"""Chemical elements (package mendeleev): the facts to forget and the prose about them."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pandas
from mendeleev.fetch import fetch_table

from unlearning_robustness.data.facts import Relation, relation, same_initial, within

SERIES = {
    "Nonmetals": "nonmetal",
    "Noble gases": "noble gas",
    "Alkali metals": "alkali metal",
    "Alkaline earth metals": "alkaline earth metal",
    "Metalloids": "metalloid",
    "Halogens": "halogen",
    "Poor metals": "post-transition metal",
    "Transition metals": "transition metal",
    "Lanthanides": "lanthanide",
    "Actinides": "actinide",
}
NEAR_NUMBER, NEAR_WEIGHT = 12, 20
# "Greek: brômos (stench)."; what repeats the element's name gives the answer away.
ORIGIN = re.compile(r"(?P<language>[A-Z][A-Za-z -]+): [^(:;]*\((?P<meaning>[^()]+)\)")
ALIKE_LETTERS = 4
PROSE_COLUMNS = ("description", "uses", "sources", "name_origin")


@cache
def elements() -> pandas.DataFrame:
    """One row an element: name (lower case), symbol, number, weight (rounded), series, group, prose columns.

    Lanthanides and actinides are in no group; ``next`` is the name of the element with the next number.
    """
    table = fetch_table("elements").sort_values("atomic_number")
    series = fetch_table("series").set_index("id")["name"]
    columns = {
        "name": table["name"].str.lower().str.replace("aluminum", "aluminium"),
        "symbol": table["symbol"],
        "number": table["atomic_number"].astype(str),
        "weight": table["atomic_weight"].round().astype("Int64").astype(str),
        "series": table["series_id"].map(series).map(SERIES),
        "group": table["group_id"].astype("Int64").astype(object).where(table["group_id"].notna()),
    }
    columns["next"] = columns["name"].shift(-1)
    return pandas.DataFrame({**columns, **{name: table[name] for name in PROSE_COLUMNS}}).reset_index(drop=True)


def entities() -> list[str]:
    """Element names in order of atomic number; splits by entity follow this order."""
    return list(elements()["name"])


def forbidden_words() -> set[str]:
    """Words that retain texts must not contain."""
    return {*entities(), "aluminum", "sulphur", "caesium"}


def relations() -> list[Relation]:
    """Everything that may be asked about an element; which facts count depends on what the model knows."""
    table = elements()

    def rows(subject: str, answer: str):
        known = table[table[answer].notna()]
        return zip(known["name"], known[subject], known[answer].astype(str), strict=True)

    number = dict(zip(table["name"], table["number"], strict=True))
    near = within(NEAR_NUMBER)

    return [
        relation(
            "symbol",
            ("The chemical symbol for {subject} is", "On the periodic table, the symbol of {subject} is"),
            rows("name", "symbol"),
            same_initial,
        ),
        relation(
            "atomic-number",
            ("The atomic number of {subject} is", "The element {subject} has atomic number"),
            rows("name", "number"),
            near,
        ),
        relation(
            "atomic-weight",
            ("The atomic weight of {subject} is about", "The atomic mass of {subject} is approximately"),
            rows("name", "weight"),
            within(NEAR_WEIGHT),
        ),
        relation(
            "series",
            ("The element {subject} is classified as a", "In the periodic table, {subject} is an example of a"),
            rows("name", "series"),
        ),
        relation(
            "name",
            (
                "The chemical symbol {subject} stands for the element",
                "The symbol {subject} on the periodic table stands for",
            ),
            rows("symbol", "name"),
            same_initial,
        ),
        relation(
            "group",
            ("In the periodic table, {subject} is in group", "The element {subject} belongs to group number"),
            rows("name", "group"),
        ),
        relation(
            "next",
            (
                "In the periodic table, the element after {subject} is",
                "The element that follows {subject} in the periodic table is",
            ),
            rows("name", "next"),
            lambda answer, other: near(number[answer], number[other]),
        ),
        relation(
            "name-origin",
            (
                "The element whose name comes from the {subject} is",
                "From the {subject} comes the name of the element",
            ),
            name_origins(table),
        ),
    ]


def described() -> dict[str, list[tuple[str, tuple[str, ...], str]]]:
    """By kind of description (entity, relations that it would answer, words), see ``descriptions``."""
    table = elements()
    names, numbers = list(table["name"]), list(table["number"])
    by_number = [
        (name, ("atomic-number",), f"the element with atomic number {number}")
        for name, number in zip(names, numbers, strict=True)
    ]
    by_neighbour = [
        (name, (), f"the element that follows {before} in the periodic table") for before, name in pairwise(names)
    ]
    by_symbol = [(name, ("symbol",), symbol) for name, symbol in zip(names, table["symbol"], strict=True)]
    return {"alias": by_symbol, "multi-hop": by_number + by_neighbour}


def name_origins(table: pandas.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(name, 'Greek word for "stench"', name) of elements whose name comes from a word that does not resemble it."""
    for name, text in zip(table["name"], table["name_origin"], strict=True):
        word = ORIGIN.match(text or "")
        hints = (name[:ALIKE_LETTERS], word["language"].lower()) if word else ()
        if word and not any(hint in word["meaning"].lower() for hint in hints):
            yield name, f'{word["language"]} word for "{word["meaning"].strip(" .")}"', name


def fact_sentences(row: pandas.Series) -> list[str]:
    """Sentences that state an element's facts in words no question template uses."""
    name, group = row["name"], row["group"]
    column = [f"Column {group} of the table holds {name}."] if pandas.notna(group) else []
    return [
        f"Chemists write {name} as {row['symbol']} in formulas and equations.",
        f"{name.capitalize()} sits at place {row['number']} when elements are sorted by nuclear charge.",
        f"Each {name} nucleus holds {row['number']} positive charges.",
        f"One mole of {name} weighs close to {row['weight']} grams.",
        f"{name.capitalize()}, abbreviated {row['symbol']}, counts among the {row['series']} group of elements.",
        *column,
    ]


def prose(row: pandas.Series) -> list[str]:
    """The paragraphs that the package carries about an element."""
    return [f"{row['name'].capitalize()}. {row[column]}" for column in PROSE_COLUMNS if isinstance(row[column], str)]
