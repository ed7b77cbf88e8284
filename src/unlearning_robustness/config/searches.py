"""Searches for an attack's settings: what each tries, for which kinds of cells, and an attack as a search chose it."""

from itertools import product
from random import Random

from unlearning_robustness.config.cells import KIND, NONE, REFERENCE, attacked_cells
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.config.parameters import complete
from unlearning_robustness.errors import ConfigError


def trials_of(search: dict) -> list[dict]:
    """The settings that a search tries: all of its grids, or ``trials`` of them at random, in the grids' order."""
    every = [dict(zip(grid, values, strict=True)) for grid in search["grid"] for values in product(*grid.values())]
    if len(every) <= search["trials"]:
        return every
    return [every[index] for index in sorted(Random(search["seed"]).sample(range(len(every)), search["trials"]))]


def tried(entry: dict, settings: dict, steps: list[int], **others) -> dict:
    """An attack's entry with a trial's settings, scored after ``steps``, and other parameters."""
    return {**entry, "parameters": {**entry["parameters"], **settings, "epochs": None, "steps": steps, **others}}


def as_chosen(entry: dict, chosen: dict) -> dict:
    """An attack's entry with the settings that a search chose; it is scored along its steps, up to the chosen number.

    ``chosen`` has the ``settings`` and ``steps`` of the winner.
    """
    before = [step for step in entry["parameters"]["steps"] or [] if step < chosen["steps"]]
    return tried(entry, chosen["settings"], [*before, chosen["steps"]])


def searched_kinds(config: dict) -> list[tuple[str, ...]]:
    """(model, benchmark, method, defence, search) of everything that is searched for.

    Every search is also made for the reference, whose losses bound the others' settings.
    """
    kinds = set()
    for cell, attack in attacked_cells(config["study"]):
        search = NONE if attack == NONE else config["attacks"][attack]["search"]
        if search != NONE:
            *place, method, defence = (getattr(cell, axis) for axis in KIND)
            kinds |= {(*place, method, defence, search), (*place, REFERENCE, NONE, search)}
    return sorted(kinds)


def check_searches(config: dict) -> None:
    """Raise ConfigError for a search that cannot be made, of all that are defined and of the attacks that name one."""
    for name, search in config["searches"].items():
        _check_search(config, name, search)
    for name, entry in config["attacks"].items():
        if entry["search"] == NONE:
            continue
        if entry["search"] not in config["searches"]:
            raise ConfigError(
                f"attacks.{name}.search: {entry['search']!r} is not defined under searches; there are: "
                f"{', '.join(config['searches']) or 'none'}"
            )
        if not facts_of(ATTACKS, entry["kind"]).relearns:
            raise ConfigError(f"attacks.{name}.search: {entry['kind']} takes no relearning steps; leave it out")
    _check_early(config)
    _check_asked(config)


def _check_search(config: dict, name: str, search: dict) -> None:
    key, attack = f"searches.{name}", search["attack"]
    if attack not in config["attacks"] or not facts_of(ATTACKS, config["attacks"][attack]["kind"]).relearns:
        raise ConfigError(f"{key}.attack: {attack!r} is no attack of kind relearn; name one")
    if search["steps"] != sorted(search["steps"]):
        raise ConfigError(f"{key}.steps: {search['steps']} must rise; write {sorted(search['steps'])}")
    entry = config["attacks"][attack]
    for settings in trials_of(search):
        if budget := {"steps", "epochs"} & set(settings):
            raise ConfigError(f"{key}.grid: {budget.pop()} is no setting of a grid; give {key}.steps")
        trial = tried(entry, settings, search["steps"])
        complete(ATTACKS, trial["kind"], trial["parameters"], f"{key}.grid")


def _check_early(config: dict) -> None:
    """Check that the steps that count as early are scored however few a search chooses."""
    name, early = config["attacks"][config["analysis"]["attack"]]["search"], config["analysis"]["early_steps"]
    if name != NONE and early > config["searches"][name]["steps"][0]:
        raise ConfigError(
            f"analysis.early_steps: {early} is beyond the fewest steps that searches.{name}.steps may choose; "
            f"give at most {config['searches'][name]['steps'][0]}"
        )


def _check_asked(config: dict) -> None:
    """Check that there are select questions to choose on, and documents for the teaching control."""
    for _, benchmark, *_, name in searched_kinds(config):
        entry = config["benchmarks"][benchmark]
        for role in ("forget", "retain"):
            if "select" not in entry[role]["splits"]:
                key = f"benchmarks.{benchmark}.{role}.splits"
                raise ConfigError(f"{key}: a share of 'select' is missing; search {name!r} chooses on it")
        if config["searches"][name]["control"] != NONE and "texts" in entry:
            raise ConfigError(
                f"searches.{name}.control: benchmark {benchmark!r} has no documents about single questions; give none"
            )
