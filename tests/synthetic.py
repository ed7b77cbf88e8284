"""Records with planted accuracies, for tests of everything that is a query over records."""

import copy
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy
import pandas
import yaml
from synthetic_measures import budgets_of, planted

from unlearning_robustness.analysis import TABLES, computed
from unlearning_robustness.analysis.inputs import CELL, READERS, Inputs
from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import ACCURACY, PROBABILITY, REFERENCE, attacked_cells
from unlearning_robustness.config.display import page_settings
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.report.context import ReportContext, of_measure, read_context
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.runtime.manifest import write_json
from unlearning_robustness.scoring.records import BUDGET, COLUMNS, label, read, read_measures, with_probability, write

CONFIG = Path(__file__).parents[1] / "config.yaml"
PLACE = ("smollm2-135m-instruct", "elements")
CHOICES = ("north", "south", "east", "west")
FACTS = 40
SHUFFLED = {"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["relearn-shuffled", "relearn-few"]}
ONLY_RMU = [
    {"methods": ["reference"], "defences": ["none"], "attacks": ["none"]},
    {"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]},
]


def raw_config() -> dict:
    """config.yaml as it is."""
    return copy.deepcopy(_config())


@cache
def _config() -> dict:
    return yaml.safe_load(CONFIG.read_text())


def study(cells: list[dict] | None = None, **changes) -> dict:
    """The default study, resolved, with other grids or entries of ``study``, and a cheap bootstrap."""
    config = raw_config()
    config["study"] |= changes | ({"cells": cells} if cells else {})
    config["analysis"]["bootstrap_samples"] = 400
    return resolve(config)


def planted_accuracy(cell, attack: str, role: str, probe: str, steps: int) -> float:
    """Plain RMU breaks under a forget token, RNA does not; relearning brings half of the loss back.

    Of the other attacks pruning breaks the model, the logit lens finds much, except with StableUN.
    """
    if probe in ("swapped", "swapped-kept", "unasked"):
        return 0.27
    if role == "retain" and attack == "prune":
        return 0.5
    if cell.method == REFERENCE:
        return 0.97 if role == "forget" or probe == "plain" else 0.93
    if role == "forget":
        start = {"none": 0.35, "early-stop": 0.36}.get(cell.defence, 0.38)
        start = 0.8 if attack == "logit-lens" and "stableun" not in cell.defence else start
        return min(0.9, start + 0.03 * steps * (1 if cell.defence == "none" else 2))
    if "forget" in probe and cell.defence == "none" and cell.method != "npo-kl":
        return 0.65
    return 0.92


def questions(role: str, attack: str, split: str = "test") -> list[tuple[str, int]]:
    """(fact, template): two templates of a forget fact, of which an attack asks one; one of the others."""
    templates = (0, 1) if role == "forget" and attack == "none" else (0,)
    kind = "relation" if split == "test" else split
    return [(f"{role}/{kind}/{number}", template) for number in range(FACTS) for template in templates]


@cache
def chances(method: str, seed: int, role: str, split: str) -> dict[tuple[str, int], float]:
    """A number in [0, 1) for every question: the same for every defence, probe and budget, so differences are exact."""
    random = numpy.random.default_rng(zlib.crc32(f"{method}/{seed}/{role}".encode()))
    return {question: random.random() for question in questions(role, "none", split)}


def asked_of(config: dict, attack: str) -> list[tuple[dict, str, str, str]]:
    """(budget, role, probe, split) of everything that is asked of a cell under an attack, or under none."""
    study, splits = config["study"], config["scoring"]["splits"]
    if attack == "none":
        probes = [(probe, role) for probe in study["probes"] for role in config["probes"][probe]["roles"]]
        nothing = dict.fromkeys(BUDGET, 0)
        return [(nothing, role, probe, split) for probe, role in probes for split in splits
                if split == "test" or probe == "plain"]  # fmt: skip
    entry = config["attacks"][attack]
    return [
        (budget, role, "plain", split) for budget in budgets_of(entry) for role in entry["roles"] for split in splits
    ]


def records_of(cell, attack: str, asked: list[tuple], accuracy: Callable = planted_accuracy) -> pandas.DataFrame:
    """Answers with the planted accuracy; the same facts in every cell. One frame: many small ones take seconds."""
    rows = []
    for budget, role, probe, split in asked:
        wanted = accuracy(cell, attack, role, probe, budget.get("steps", 0))
        drawn = chances(cell.method, cell.seed, role, split)
        spent = [budget.get(name, 0) for name in BUDGET]
        for fact, template in questions(role, attack, split):
            margin = wanted - drawn[fact, template]
            rows.append((
                *spent, probe, role, split, "relation", fact, fact, template, f"{fact}/{template}",
                f"Asked by {probe} the way home is", list(CHOICES), 0, numpy.array([margin, 0, 0, 0]), 1.0,
                int(margin <= 0), margin > 0, numpy.array([margin, 0, 0, 0]), numpy.array([margin, 0, 0, 0]), "sum",
                margin <= 0, 0,
            ))  # fmt: skip
    columns = [name for name in COLUMNS if name not in (*vars(cell), "attack", "setting", "before", "after")]
    frame = pandas.DataFrame(rows, columns=columns)
    return label(frame, cell, attack, {name: frame[name] for name in BUDGET})


def write_study(config: dict, root: Path, accuracy: Callable = planted_accuracy) -> list[Path]:
    """Write planted records and measures of every (cell, attack) of a resolved configuration below ``root``."""
    paths = []
    for cell, attack in attacked_cells(config["study"]):
        path = root / "records" / cell.path / attack / "records.parquet"
        write(path, [records_of(cell, attack, asked_of(config, attack), accuracy)])
        if attack == "none":
            parts = [config["defences"][name] for name in cell.defence.split(".") if name in config["defences"]]
            scale = next(
                (part["parameters"]["noise_scale"] / 5 for part in parts if "noise_scale" in part["parameters"]), None
            )
            change = {"none": 40.0, "early-stop": 30.0}.get(cell.defence, 21.0) + cell.seed
            entry = {"perplexity": 55.0, "steps": 60, "weight_change": change, "cpu_seconds": 10.0}
            write_json(path.with_name("measures.json"), entry | ({"relative_noise_scale": scale} if scale else {}))
        paths.append(path)
    return paths


def measures_of(paths: list[Path]) -> list[dict]:
    """The measures beside the unattacked ones of the given records."""
    return read_measures(path.with_name("measures.json") for path in paths if path.parent.name == "none")


def planted_records(config: dict, root: Path, accuracy: Callable = planted_accuracy) -> pandas.DataFrame:
    """All records of a planted study."""
    return read(write_study(config, root, accuracy))


ANALYSIS = {
    "bootstrap_samples": 200, "confidence": 0.95, "seed": 1, "baseline_probe": "plain", "utility_bound": 0.1,
    "forget_token_probe": "forget-token", "neutral_token_probe": "neutral-token", "comparisons": [], "interactions": [],
    "attack": "relearn", "early_steps": 5, "family": [],
}  # fmt: skip


def analysis(**changes) -> dict:
    """The settings of an analysis with a cheap bootstrap."""
    return {"analysis": ANALYSIS | changes}


def inputs_of(records: pandas.DataFrame, settings: dict, measures=(), **beside: pandas.DataFrame) -> Inputs:
    """What tables query: records, measures of cells, and what was measured beside them."""
    records = records if "split" in records else records.assign(split="test")
    records = with_probability(records) if "log_likelihoods" in records and PROBABILITY not in records else records
    attacked = records["attack"] != "none"
    measured = pandas.DataFrame(measures).sort_values(CELL, ignore_index=True) if len(measures) else pandas.DataFrame()
    recorded = {"answers": records[~attacked], "attacked": records[attacked], "measures": measured}
    recorded |= {"trigger_controls": [], "searched": READERS["searched"]("searched", []), **beside}
    return Inputs(recorded, {"defences": {}} | settings)


def of_study(config: dict) -> dict:
    """A resolved configuration with only those published numbers that name its study."""
    return config | {"expected": expected_of(config)}


def all_tables(inputs: Inputs) -> dict[str, pandas.DataFrame]:
    """Every table by name."""
    return computed(TABLES, inputs)


def by_accuracy(tables: dict[str, pandas.DataFrame]) -> dict[str, pandas.DataFrame]:
    """Of tables of answers the rows of accuracy."""
    return {name: of_measure(table, ACCURACY) for name, table in tables.items()}


def planted_tables(config: dict, root: Path, accuracy: Callable = planted_accuracy) -> dict[str, pandas.DataFrame]:
    """The tables of a planted study, of accuracy."""
    paths = write_study(config, root, accuracy)
    return by_accuracy(all_tables(inputs_of(read(paths), of_study(config), measures_of(paths), **planted(config))))


def as_read(
    tables: dict[str, pandas.DataFrame], config: dict, root: Path, records: pandas.DataFrame | None = None
) -> ReportContext:
    """What figures and findings are given: the tables, through csv files as the workflow writes them."""
    for name, table in tables.items():
        table.to_csv(root / f"{name}.csv", index=False)
        markdown(table)
    place = config["study"]["models"][0], config["study"]["benchmarks"][0]
    context = read_context([root / f"{name}.csv" for name in tables], page_settings(config, *place), *place)
    return replace(context, records=records, benchmark=benchmark_report())


def planted_context(config: dict, root: Path, accuracy: Callable = planted_accuracy) -> ReportContext:
    """The context of a planted study."""
    paths = write_study(config, root, accuracy)
    records = read(paths)
    tables = all_tables(inputs_of(records, of_study(config), measures_of(paths), **planted(config)))
    return as_read(tables, config, root, records)


def benchmark_report(**changes) -> dict:
    """A benchmark's manifest as findings read it."""
    entry = {"facts_asked": 200, "facts_known": 80, "redrawn_accuracy": 0.9, "dropped": False}
    counts = [{"role": role, "split": "test", "facts": FACTS} for role in ("forget", "retain", "neighbour")]
    return {"forget": entry, "retain": entry, "neighbour": entry, "counts": counts} | changes
