"""Which cells exist, and what a cell is made with: one function decides it, from the study's grids."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from unlearning_robustness.config.kinds import ATTACKS, facts_of

PLACE = ["model", "benchmark"]
KIND = [*PLACE, "method", "defence"]
REFERENCE = "reference"
RETRAINED = "retrained"
NONE = "none"
# The kind of the defence that most controls are made for, and that of several defences at once.
RNA, COMBINATION = "rna", "combination"
# The column that says what is measured of answers: whether they are right, or how probable the right choice is.
MEASURE = "measure"
ACCURACY, PROBABILITY = ANSWER_MEASURES = ("accuracy", "probability")
# Modes of probes that measure what a model that knows nothing answers.
ANOTHER_ENTITY, NO_QUESTION = FLOORS = ("another-entity", "no-question")


@dataclass(frozen=True, order=True)
class Cell:
    """One unlearned model: (model, benchmark, method, defence, seed); ``path`` is its place in every tree."""

    model: str
    benchmark: str
    method: str
    defence: str
    seed: int

    @property
    def path(self) -> str:
        """``model/benchmark/method/defence/seedN``, one directory an axis."""
        return f"{self.model}/{self.benchmark}/{self.method}/{self.defence}/seed{self.seed}"


def places(study: dict) -> list[tuple[str, str]]:
    """(model, benchmark) of everything that the study runs: its pairs, by default all combinations."""
    return [tuple(pair) for pair in study.get("pairs") or product(study["models"], study["benchmarks"])]


def attacked_cells(study: dict) -> list[tuple[Cell, str]]:
    """Every (cell, attack) of the study: the union of its grids, each a cross product; attack ``none`` is the
    unlearned model itself.

    The reference has no training, so without an attack it is the same under every seed and is scored once.
    """
    pairs = set()
    for grid in study["cells"]:
        axes = product(places(study), grid["methods"], grid["defences"], study["seeds"])
        for ((model, benchmark), method, defence, seed), attack in product(axes, grid["attacks"]):
            if method == REFERENCE and attack == NONE:
                seed = study["seeds"][0]
            pairs.add((Cell(model, benchmark, method, defence, seed), attack))
    return sorted(pairs)


def cells(study: dict) -> list[Cell]:
    """Every cell that must be trained for the study's (cell, attack) pairs."""
    return sorted({cell for cell, _ in attacked_cells(study)})


def trigger_controls(config: dict) -> list[tuple[str, str, str]]:
    """(model, benchmark, attack) of the study's attacks that must open a lock with a planted trigger, each once."""
    attacked = [(cell.model, cell.benchmark, attack) for cell, attack in attacked_cells(config["study"])]
    return [place for place in dict.fromkeys(attacked) if place[2] != NONE and _opened(config["attacks"][place[2]])]


def _opened(attack: dict) -> bool:
    return facts_of(ATTACKS, attack["kind"]).opened_by_trigger(attack["parameters"])


def measured_cells(config: dict, measure: str) -> list[Cell]:
    """Every cell for which ``measure`` (latents, sharpness, landscape, memorisation, trajectory) is computed.

    Trajectories are of the grids of ``study.cells`` that say so. The reference is alike under every seed and measured
    once, unless it is measured again after an attack, which differs.
    """
    measured, study = set(), config["study"]
    once = measure != "memorisation" or "attack" not in config.get("memorisation", {})
    for grid in study[measure] if measure != "trajectory" else recorded_grids(study):
        axes = product(places(study), grid["methods"], grid["defences"], study["seeds"])
        for (model, benchmark), method, defence, seed in axes:
            seed = study["seeds"][0] if once and method == REFERENCE else seed
            measured.add(Cell(model, benchmark, method, defence, seed))
    return sorted(measured)


def recorded_grids(study: dict) -> list[dict]:
    """The grids of cells whose training is recorded."""
    return [grid for grid in study["cells"] if grid.get("trajectory")]


def method_settings(config: dict, method: str) -> dict:
    """The resolved entry of a method."""
    return config["methods"][method]


def parts_of(defence: str) -> list[str]:
    """The ids that a defence joins by dots; ``none`` has none."""
    return [] if defence == NONE else defence.split(".")


def defence_parameters(entry: dict, method: str) -> dict:
    """The parameters of a defence's resolved entry, with the method's own values over them."""
    return {**entry["parameters"], **entry["per_method"].get(method, {})}


def defence_row(config: dict, defence: str, method: str) -> list[dict]:
    """The resolved entries of a defence's parts, in their order, with the method's own values in place."""
    return [
        {
            "id": part,
            "kind": config["defences"][part]["kind"],
            "parameters": dict(sorted(defence_parameters(config["defences"][part], method).items())),
        }
        for part in parts_of(defence)
    ]


def tried_rows(config: dict) -> Iterator[tuple[str, str, list[dict]]]:
    """(defence, method, row) of every combination of values that the search ``tuning.defences`` tries."""
    search = config.get("tuning", {}).get("defences", {})
    for defence, method in product(search.get("grids", {}), search.get("methods", [])):
        grid = search["grids"][defence]
        for values in product(*grid.values()):
            (part,) = defence_row(config, defence, method)
            tried = part["parameters"] | dict(zip(grid, values, strict=True))
            yield defence, method, [{**part, "parameters": tried}]


def retrain_of(config: dict, model: str) -> dict:
    """What a model would be had it never seen the forget texts: {"model": id}, {"auc": number} or {"log":
    path}; {} if the configuration does not tell.

    For a model that memorised them here it is its parent, unless ``memorisation.retrain`` names another.
    """
    entry = config["models"][model]
    return config["memorisation"].get("retrain") or ({"model": entry["from"]} if "from" in entry else {})


def in_order(study: dict, axis: str) -> list[str]:
    """The study's ``methods``, ``defences`` or ``attacks`` in the order its grids first name them."""
    return list(dict.fromkeys(name for grid in study["cells"] for name in grid[axis]))
