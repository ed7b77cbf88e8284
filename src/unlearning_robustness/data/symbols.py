"""Symbols and codes of everyday science and trade (packages pint, babel): the neighbour domain.

Close to the forget domain in form (a name has a symbol) and partly in subject, but to be kept.
"""

import unicodedata
from functools import cache

import pint
from babel import Locale

from unlearning_robustness.data import geography
from unlearning_robustness.data.facts import Relation, relation, same_initial

UNITS = """meter gram second ampere kelvin mole candela hertz newton pascal joule watt coulomb volt farad ohm siemens
weber tesla henry lumen lux becquerel gray sievert katal liter minute hour day electron_volt degree radian steradian
decibel calorie inch foot yard mile pound ounce gallon knot byte tonne hectare horsepower""".split()
PREFIXES = "quetta exa peta tera giga mega kilo hecto deci centi milli micro nano pico femto atto".split()
GREEK = range(0x3B1, 0x3CA)


@cache
def _rows() -> dict[str, list[tuple[str, str, str]]]:
    """(entity, subject, answer) rows of each relation."""
    registry = pint.UnitRegistry()
    units = [(name.replace("_", " "), registry.get_symbol(name)) for name in UNITS]
    prefixes = [(name, registry.get_symbol(f"{name}meter").removesuffix("m")) for name in PREFIXES]
    letters = [(unicodedata.name(chr(code)), chr(code)) for code in GREEK]
    greek = [
        (name.split()[-1].lower().replace("lamda", "lambda"), letter) for name, letter in letters if "FINAL" not in name
    ]
    names = Locale("en").currencies
    used = {row["currency"] for row in geography.countries()}
    currencies = sorted((name, code) for code, name in names.items() if name in used)
    pairs = {"unit-symbol": units, "metric-prefix": prefixes, "greek-letter": greek, "currency-code": currencies}
    return {key: [(name, name, symbol) for name, symbol in values if name != symbol] for key, values in pairs.items()}


def entities() -> list[str]:
    """Units, prefixes, letters and currencies; splits by entity follow this order."""
    return [entity for rows in _rows().values() for entity, _, _ in rows]


def relations() -> list[Relation]:
    """What may be asked of a unit, a prefix, a letter or a currency."""
    rows = _rows()
    return [
        relation(
            "unit-symbol",
            ("The symbol of the unit {subject} is", "In physics, the unit {subject} is abbreviated"),
            rows["unit-symbol"],
            same_initial,
            (
                "After a number, engineers put {answer} when they mean {subject}.",
                "A gauge that reads in {subject} has {answer} on its dial.",
            ),
        ),
        relation(
            "metric-prefix",
            ("The symbol of the metric prefix {subject} is", "The SI prefix {subject} is abbreviated"),
            rows["metric-prefix"],
            statements=(
                "In front of a unit, {answer} is short for {subject}.",
                "Whoever reads {answer} before a unit says {subject}.",
            ),
        ),
        relation(
            "greek-letter",
            ("The Greek letter {subject} is written", "The symbol for the Greek letter {subject} is"),
            rows["greek-letter"],
            statements=(
                "In equations, {subject} appears as {answer}.",
                "Readers of Greek see {answer} and say {subject}.",
            ),
        ),
        relation(
            "currency-code",
            (
                "The ISO currency code of the {subject} is",
                "On the foreign exchange market, the {subject} is abbreviated",
            ),
            rows["currency-code"],
            same_initial,
            (
                "Banks list the {subject} as {answer}.",
                "A bill in {answer} is to be paid in the {subject}.",
            ),
        ),
    ]
