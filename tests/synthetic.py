"""Records with planted accuracies, for tests of everything that is a query over records."""

from pathlib import Path

import numpy
import pandas

from unlearning_robustness.config.cells import REFERENCE, attacked_cells
from unlearning_robustness.evaluation.records import BUDGET, label, write
from unlearning_robustness.manifest import write_json

CHOICES = ("north", "south", "east", "west")


def planted_accuracy(cell, attack: str, role: str, probe: str, steps: int) -> float:
    """Plain RMU breaks under a forget token, RNA does not; relearning brings half of the loss back."""
    if cell.method == REFERENCE:
        return 0.97 if role == "forget" or probe == "plain" else 0.93
    if role == "forget":
        start = {"none": 0.35, "early-stop": 0.36}.get(cell.defence, 0.38)
        return min(0.9, start + 0.03 * steps * (1 if cell.defence == "none" else 2))
    if "forget" in probe and cell.defence == "none" and cell.method != "npo-kl":
        return 0.65
    return 0.92


def records_of(cell, attack: str, settings: dict, facts: int = 30) -> pandas.DataFrame:
    """Random answers with the planted accuracy; the same facts in every cell."""
    random = numpy.random.default_rng(abs(hash((cell.path, attack))) % 2**32)
    if attack == "none":
        points = [(dict.fromkeys(BUDGET, 0), role, probe) for probe, role in settings["probes"]]
    else:
        points = [
            ({"documents": n, "steps": s}, "forget", "plain") for n in settings["documents"] for s in settings["steps"]
        ]
    parts = []
    for budget, role, probe in points:
        accuracy = planted_accuracy(cell, attack, role, probe, budget["steps"])
        correct = random.random(facts) < accuracy
        names = [f"{role}/relation/{number}" for number in range(facts)]
        frame = pandas.DataFrame(
            {
                "probe": probe, "role": role, "split": "test", "relation": "relation", "entity": names, "fact": names,
                "template": 0, "question": [f"{name}/0" for name in names], "prompt": "The way home is",
                "choices": [list(CHOICES)] * facts, "answer": 0, "log_likelihoods": [numpy.zeros(4)] * facts,
                "entropy": 1.0, "prediction": numpy.where(correct, 0, 1), "correct": correct,
            }
        )  # fmt: skip
        parts.append(label(frame, cell, attack, budget))
    return pandas.concat(parts, ignore_index=True)


def write_study(config: dict, root: Path) -> list[Path]:
    """Write planted records and measures of every (cell, attack) of a resolved configuration below ``root``."""
    asked = [(name, role) for name in config["study"]["probes"] for role in config["probes"][name]["roles"]]
    paths = []
    for cell, attack in attacked_cells(config["study"]):
        path = root / "records" / cell.path / attack / "records.parquet"
        settings = {"probes": asked} if attack == "none" else config["attacks"][attack]["parameters"]
        write(path, [records_of(cell, attack, settings)])
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
