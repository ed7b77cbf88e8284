"""What is planted beside the answers of a study: latents, sharpness, landscapes, memorisation, trajectories, costs."""

import numpy
import pandas

from unlearning_robustness.analysis.inputs import COLUMNS as RECORDED
from unlearning_robustness.analysis.inputs import READERS
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.config.cells import KIND, REFERENCE, RETRAINED, Cell, attacked_cells, measured_cells
from unlearning_robustness.config.searches import searched_kinds
from unlearning_robustness.evaluation.assumption import STATISTICS
from unlearning_robustness.evaluation.landscape import plane_points
from unlearning_robustness.scoring.records import BUDGET, FLOOR


def budgets_of(attack: dict) -> list[dict]:
    """Every point of a relearning attack's budget; others have one, without a budget."""
    if attack["kind"] != "relearn":
        return [{}]
    running = Relearn(**attack["parameters"])
    return [{"documents": n, "steps": s} for n in running.documents for s in running.scored_steps(n)]


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


def searched(kind: tuple[str, ...], after: float = 0.9) -> dict:
    """A search as it is recorded: the better of two settings, and a teaching control that brings most back."""
    settings = [{"learning_rate": rate, "trained": "full"} for rate in (1e-4, 5e-4)]
    points = [{"settings": part, "steps": 10, "known": known, "forget": known, "retain": 0.95, "left": 0.8}
              for part, known in zip(settings, (0.5, 0.7), strict=True)]  # fmt: skip
    control = {} if kind[2] == REFERENCE else {"control": {"before": 0.4, "after": after, "reference": 1.0}}
    return {
        **dict(zip((*KIND, "search"), kind, strict=True)), "points": points,
        "chosen": points[1] | {"within_bounds": True}, "optimism": {"known": 0.02, "forget": 0.05}, **control,
    }  # fmt: skip


def planted(config: dict) -> dict[str, pandas.DataFrame]:
    """Everything that is measured beside the answers."""
    return {
        "latents": planted_latents(config),
        "sharpness": planted_sharpness(config),
        "landscape": planted_landscape(config),
        "memorisation": planted_memorisation(config),
        "trajectory": planted_trajectory(config),
        "spent": planted_spent(config),
        "searches": [searched(kind) for kind in searched_kinds(config)],
    }
