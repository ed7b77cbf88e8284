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

from unlearning_robustness.analysis import TABLES, computed
from unlearning_robustness.analysis.inputs import CELL, READERS, Inputs
from unlearning_robustness.analysis.inputs import COLUMNS as RECORDED
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.config import resolve
from unlearning_robustness.config.cells import REFERENCE, RETRAINED, Cell, attacked_cells, measured_cells
from unlearning_robustness.config.display import page_settings
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.evaluation.assumption import STATISTICS
from unlearning_robustness.evaluation.landscape import plane_points
from unlearning_robustness.report.context import ReportContext, read_context
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.runtime.manifest import write_json
from unlearning_robustness.scoring.records import ANALYSED, BUDGET, COLUMNS, FLOOR, label, read, read_measures, write

CONFIG = Path(__file__).parents[1] / "config.yaml"
PLACE = ("smollm2-135m-instruct", "elements")
CHOICES = ("north", "south", "east", "west")
FACTS = 40
SHUFFLED = {"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["relearn-shuffled"]}
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


def budgets_of(attack: dict) -> list[dict]:
    """Every point of a relearning attack's budget; others have one, without a budget."""
    if attack["kind"] != "relearn":
        return [{}]
    running = Relearn(**attack["parameters"])
    return [{"documents": n, "steps": s} for n in running.documents for s in running.scored_steps(n)]


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
    columns = [name for name in COLUMNS if name not in (*vars(cell), "attack", "setting")]
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


def nothing(kind: str) -> pandas.DataFrame:
    """What is read of a kind of file when there is none."""
    return pandas.DataFrame(columns=RECORDED[kind])


def planted_latents(config: dict) -> pandas.DataFrame:
    """Latents of every measured cell: a token's residual of scale 0.5 in the reference, 2 in unlearned models."""
    rows = []
    for cell in measured_cells(config, "latents"):
        eta = 0.5 if cell.method == REFERENCE else 2.0
        for contrast in ("forget", "neutral"):
            for position in ("token", "after", "answer"):
                named = {**vars(cell), "contrast": contrast, "position": position, "questions": 40}
                values = [(layer, "eta", 0.0, eta * (layer + 1) / 8, 0.1) for layer in range(12)]
                values += [(7, "quantile", at, eta * (at - 0.5), 0.0) for at in (0.01, 0.25, 0.5, 0.75, 0.99)]
                values += [(7, "eigenvalue", rank, 3.0 - rank, 0.0) for rank in (1, 2)]
                for name in STATISTICS:
                    if name != "eta":
                        values += [(7, name, 0.0, 0.6, 0.05), (7, f"{name}_expected", 0.0, 0.1, 0.0)]
                columns = ("layer", "statistic", "at", "value", "error")
                rows += [{**named, **dict(zip(columns, entry, strict=True))} for entry in values]
        named = {**vars(cell), "contrast": "noise", "position": "all", "layer": 7, "questions": 24}
        rows.append({**named, "statistic": "hessian_trace", "at": 0.0, "value": 0.2, "error": 0.02})
        for scale in (0.5, 1.5):
            for name in ("loss_increase", "predicted_increase"):
                rows.append({**named, "statistic": name, "at": scale, "value": 0.1 * scale**2, "error": 0.01})
    return pandas.DataFrame(rows) if rows else nothing("latents")


def planted_sharpness(config: dict) -> pandas.DataFrame:
    """Sharpness of every measured cell: the plain run's minimum is the sharpest."""
    rows = []
    for cell in measured_cells(config, "sharpness"):
        level = {"none": 4.0}.get(cell.defence, len(cell.defence) / 10) + cell.seed / 10
        for name, at in (("sam_gap", 0.5), ("sam_gap", 2.0), ("random_curvature", 0.1), ("hessian_trace", 0.0),
                         ("eigenvalue", 1.0), ("eigenvalue", 2.0), ("gradient_norm", 0.0), ("local_lipschitz", 2.0),
                         ("kl_forget", 2.0), ("kl_retain", 2.0)):  # fmt: skip
            rows.append({**vars(cell), "statistic": name, "at": at, "value": level + at, "error": 0.1})
    return pandas.DataFrame(rows) if rows else nothing("sharpness")


def planted_landscape(config: dict) -> pandas.DataFrame:
    """Slices of every measured cell: a bowl on forget text, steepest where there is no defence; retain text is flat."""
    settings, parts = config.get("landscape"), []
    for cell in measured_cells(config, "landscape"):
        steep = {"none": 2.0}.get(cell.defence, 1.0) + cell.seed / 10
        points = {
            "line": [(a, 0.0) for a in settings["line"]],
            "plane": plane_points(settings["plane"], settings["extent"]),
        }
        rows = [
            {"slice": name, "a": a, "b": b, "corpus": corpus, "nll": nll, "length": 10.0 + cell.seed}
            for name, chosen in points.items()
            for a, b in chosen
            for corpus, nll in (("forget", 2 + steep * ((a - 1) ** 2 + b**2 / 4)), ("retain", 3.0 + steep * b**2 / 10))
        ]
        parts.append(pandas.DataFrame(rows).assign(**vars(cell)))
    return pandas.concat(parts, ignore_index=True) if parts else nothing("landscape")


def planted_trajectory(config: dict) -> pandas.DataFrame:
    """Recorded steps of every cell: plain runs know nothing from step 18 on and are harmed afterwards, others at 36."""
    rows, random = [], numpy.random.default_rng(0)
    for cell in measured_cells(config, "trajectory"):
        complete, asked = 18 if cell.defence == "none" else 36, config["analysis"]
        plain, token = asked["baseline_probe"], asked["forget_token_probe"]
        for step in range(0, 61, config["trajectory"]["every"]):
            known, harm = max(0.0, 1 - step / complete) * 0.5, max(0, step - complete) / 100
            levels = {("forget", plain): 0.4 + known, ("forget", FLOOR): 0.4, ("retain", plain): 0.95,
                      ("retain", token): 0.95 - harm, ("neighbour", plain): 0.9 - harm / 2}  # fmt: skip
            named = {**vars(cell), "steps": step, "change": step / 2, "operations": 1e12 * step, "relearning": 0}
            for (role, probe), level in levels.items():
                for fact in range(20):
                    drawn = min(max(level + random.normal(0, 0.03), 0.01), 0.99)
                    rows.append({**named, "role": role, "probe": probe, "fact": f"{role}/{fact}",
                                 "correct": fact < 20 * level, "log_probability": numpy.log(drawn)})  # fmt: skip
    return pandas.DataFrame(rows) if rows else nothing("trajectory")


def planted_memorisation(config: dict) -> pandas.DataFrame:
    """Records of every measured cell and of the retrained model: relearning brings half of what was lost back.

    The reference knows 0.9 word for word, the retrained model 0.1, unlearned ones 0.1 and a little more a seed.
    """
    measured, rows = measured_cells(config, "memorisation"), []
    retrained = [Cell(cell.model, cell.benchmark, RETRAINED, "none", cell.seed) for cell in measured[:1]]
    for cell in [*measured, *retrained]:
        for attack in ("none", config["memorisation"]["attack"]):
            level = 0.9 if cell.method == REFERENCE else 0.1 if cell.method == RETRAINED else 0.1 + 0.02 * cell.seed
            level = level if attack == "none" or cell.method == RETRAINED else (level + 0.9) / 2
            named = {**vars(cell), "attack": attack}
            for item in range(20):
                spread = (item - 9.5) / 100
                for metric, role in (("verbatim", "forget"), ("knowledge", "forget"), ("knowledge", "retain")):
                    value = (0.8 if role == "retain" else level) + spread
                    for name in (metric, f"{metric}-recall"):
                        rows.append({**named, "metric": name, "role": role, "item": f"{role}/{item}", "value": value})
                for role, score in (("forget", -4 + 0.1 * level), ("holdout", -4.01)):
                    rows.append({**named, "metric": "min-k", "role": role, "item": f"{role}/{item}",
                                 "value": score + spread})  # fmt: skip
    return pandas.DataFrame(rows) if rows else nothing("memorisation")


def planted_spent(config: dict) -> pandas.DataFrame:
    """Every step of relearning costs as much as the one before."""
    rows = []
    for cell, attack in attacked_cells(config["study"]):
        if attack == "none":
            continue
        for budget in budgets_of(config["attacks"][attack]):
            steps = budget.get("steps", 1)
            spent = {"seconds": steps / 10, "forwards": steps, "backwards": steps, "tokens": 100 * steps}
            named = {**vars(cell), "attack": attack, **dict.fromkeys(BUDGET, 0), **budget, "setting": ""}
            rows.append({**named, **spent, "operations": 1e9 * steps})
    return pandas.DataFrame(rows) if rows else READERS["spent"]("spent", [])


def planted(config: dict) -> dict[str, pandas.DataFrame]:
    """Everything that is measured beside the answers."""
    return {
        "latents": planted_latents(config),
        "sharpness": planted_sharpness(config),
        "landscape": planted_landscape(config),
        "memorisation": planted_memorisation(config),
        "trajectory": planted_trajectory(config),
        "spent": planted_spent(config),
    }


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
    attacked = records["attack"] != "none"
    measured = pandas.DataFrame(measures).sort_values(CELL, ignore_index=True) if len(measures) else pandas.DataFrame()
    recorded = {"answers": records[~attacked], "attacked": records[attacked], "measures": measured, **beside}
    return Inputs(recorded, {"defences": {}} | settings)


def of_study(config: dict) -> dict:
    """A resolved configuration with only those published numbers that name its study."""
    return config | {"expected": expected_of(config)}


def all_tables(inputs: Inputs) -> dict[str, pandas.DataFrame]:
    """Every table by name."""
    return computed(TABLES, inputs)


def planted_tables(config: dict, root: Path, accuracy: Callable = planted_accuracy) -> dict[str, pandas.DataFrame]:
    """The tables of a planted study."""
    paths = write_study(config, root, accuracy)
    return all_tables(inputs_of(read(paths, ANALYSED), of_study(config), measures_of(paths), **planted(config)))


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
    tables = all_tables(inputs_of(records[ANALYSED], of_study(config), measures_of(paths), **planted(config)))
    return as_read(tables, config, root, records)


def benchmark_report(**changes) -> dict:
    """A benchmark's manifest as findings read it."""
    entry = {"facts_asked": 200, "facts_known": 80, "redrawn_accuracy": 0.9, "dropped": False}
    counts = [{"role": role, "split": "test", "facts": FACTS} for role in ("forget", "retain", "neighbour")]
    return {"forget": entry, "retain": entry, "neighbour": entry, "counts": counts} | changes
