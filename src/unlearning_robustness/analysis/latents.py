"""Tables of RNA's theory: the latents' statistics, and how often RNA reverses a forget token's effect."""

import numpy
import pandas
from scipy.special import stdtrit

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, fact_matrix
from unlearning_robustness.analysis.power import combined_error
from unlearning_robustness.analysis.rejection import loss_changes, rejected, rejection_probability
from unlearning_robustness.config.cells import KIND, NONE, PLACE, defence_parameters

READS = ("answers", "latents")
SETTINGS = ("defences", "latents")
STATISTIC = [*KIND, "contrast", "position", "layer", "statistic", "at"]
NUMBERS = ["mean", "low", "high", "error", "freedom", "seeds", "questions"]


def latents(inputs: Inputs) -> pandas.DataFrame:
    """Every statistic, mean over seeds, with the t interval of both the questions' and the seeds' variation.

    The variance of the mean is the mean squared standard error over questions, which all seeds share, and the
    variance between seeds over their number; its degrees of freedom are Satterthwaite's. One seed has the first alone.
    """
    rows = []
    for keys, part in inputs.recorded["latents"].groupby(STATISTIC, sort=True):
        values, errors = part["value"].to_numpy(), part["error"].to_numpy()
        seeds, questions = len(values), int(part["questions"].iloc[0])
        between = values.var(ddof=1) / seeds if seeds > 1 else 0.0
        error, freedom = combined_error([((errors**2).mean(), questions - 1), (between, seeds - 1)])
        half, mean = float(stdtrit(freedom, (1 + inputs.analysis["confidence"]) / 2)) * error, float(values.mean())
        numbers = (mean, mean - half, mean + half, error, freedom, seeds, questions)
        rows.append(dict(zip([*STATISTIC, *NUMBERS], [*keys, *numbers], strict=True)))
    return pandas.DataFrame(rows, columns=[*STATISTIC, *NUMBERS])


def scale_of_token(statistics: pandas.DataFrame, model: str, benchmark: str, method: str, settings: dict):
    """Eta: the scale of a forget token's residual in the plainly unlearned model, or None if it was not measured."""
    rows = statistics[
        (statistics["model"] == model) & (statistics["benchmark"] == benchmark) & (statistics["method"] == method)
        & (statistics["defence"] == NONE) & (statistics["contrast"] == "forget") & (statistics["statistic"] == "eta")
        & (statistics["position"] == settings["eta_position"]) & (statistics["layer"] == settings["read_layer"])
    ] if len(statistics) else statistics  # fmt: skip
    return None if rows.empty else float(rows["mean"].iloc[0])


def rejection(inputs: Inputs) -> pandas.DataFrame:
    """Share of retain questions on which RNA reverses the token's effect, beside the theory's at nu / eta.

    One row a method and defence with a noise scale, or matched to one that has it; controls have no noise in their
    latents, and neither has RNA when it is asked.
    """
    statistics, rows = latents(inputs), []
    plain, token, _ = inputs.probes
    for keys, part in inputs.unattacked.groupby([*PLACE, "method"], sort=True):
        changes = {name: loss_changes(group, token, plain) for name, group in part.groupby("defence")}
        eta = scale_of_token(statistics, *keys, inputs.settings.get("latents") or {})
        for name, changed in changes.items():
            scale = noise_of(name, keys[2], inputs.settings["defences"])
            if name == NONE or NONE not in changes or scale is None:
                continue
            estimate = inputs.intervals.share(fact_matrix(rejected(changes[NONE], changed)))
            ratio = scale / eta if eta else numpy.nan
            predicted = {f"draws_{draws}": rejection_probability(ratio, draws) for draws in (1, 2)} if eta else {}
            rows.append({**dict(zip([*PLACE, "method"], keys, strict=True)), "defence": name, "noise_scale": scale,
                         "ratio": ratio, **vars(estimate), **predicted})  # fmt: skip
    measured = ["noise_scale", "ratio", *Estimate.__dataclass_fields__, "draws_1", "draws_2"]
    return pandas.DataFrame(rows, columns=[*PLACE, "method", "defence", *measured])


def noise_of(name: str, method: str, defences: dict[str, dict]) -> float | None:
    """The noise scale that a defence has for a method, or that the cell has that it is matched to.

    None of noise in norms, which cannot be compared with the measured scales.
    """
    if name not in defences:
        return None
    parameters = defence_parameters(defences[name], method)
    if "noise_scale" not in parameters and "match" in parameters:
        return noise_of(parameters["match"], method, defences)
    return parameters.get("noise_scale") if parameters.get("unit", "absolute") == "absolute" else None
