"""Tables of RNA's theory: the latents' statistics, and how often RNA turns a forget token's effect round."""

from collections.abc import Iterable

import numpy
import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.analysis.rejection import loss_changes, rejected, rejection_probability
from unlearning_robustness.config.cells import KIND, NONE, PLACE, defence_parameters

STATISTIC = [*KIND, "contrast", "position", "layer", "statistic", "at"]
NORMAL_95 = 1.96


def read_latents(paths: Iterable[str]) -> pandas.DataFrame:
    """The statistics of every measured cell; without one, no rows."""
    parts = [pandas.read_parquet(path) for path in paths]
    return (
        pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame(columns=[*STATISTIC, "value", "error"])
    )


def latent_statistics(latents: pandas.DataFrame) -> pandas.DataFrame:
    """Every statistic, mean over seeds, with a 95 % interval of both the questions' and the seeds' variation.

    The variance of the mean is the mean squared standard error over questions, which all seeds share, and the
    variance between seeds over their number.
    """
    rows = []
    for keys, part in latents.groupby(STATISTIC, sort=True):
        values, errors = part["value"].to_numpy(), part["error"].to_numpy()
        between = values.var(ddof=1) / len(values) if len(values) > 1 else 0.0
        half = NORMAL_95 * float(numpy.sqrt((errors**2).mean() + between))
        named = dict(zip(STATISTIC, keys, strict=True))
        mean = float(values.mean())
        rows.append({**named, "mean": mean, "low": mean - half, "high": mean + half, "seeds": len(values),
                     "questions": int(part["questions"].iloc[0])})  # fmt: skip
    return pandas.DataFrame(rows, columns=[*STATISTIC, "mean", "low", "high", "seeds", "questions"])


def scale_of_token(statistics: pandas.DataFrame, place: tuple, method: str, settings: dict) -> float | None:
    """Eta: the scale of a forget token's residual in the plainly unlearned model, if it was measured."""
    rows = statistics[
        (statistics["model"] == place[0]) & (statistics["benchmark"] == place[1]) & (statistics["method"] == method)
        & (statistics["defence"] == NONE) & (statistics["contrast"] == "forget") & (statistics["statistic"] == "eta")
        & (statistics["position"] == settings["eta_position"]) & (statistics["layer"] == settings["read_layer"])
    ]  # fmt: skip
    return None if rows.empty else float(rows["mean"].iloc[0])


def rejection(
    records: pandas.DataFrame, statistics: pandas.DataFrame, config: dict, bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Share of retain questions on which RNA turns the token's effect round, beside the theory's at nu / eta.

    One row a (method, defence with a noise scale, or matched to one that has it); controls have no noise in their
    latents, and neither has RNA when it is asked.
    """
    analysis, rows = config["analysis"], []
    probes = analysis["forget_token_probe"], analysis["baseline_probe"]
    unattacked = records[records["attack"] == NONE]
    for keys, part in unattacked.groupby([*PLACE, "method"], sort=True):
        changes = {name: loss_changes(group, *probes) for name, group in part.groupby("defence")}
        eta = scale_of_token(statistics, keys[:2], keys[2], config.get("latents") or {}) if len(statistics) else None
        for name, changed in changes.items():
            scale = noise_of(name, keys[2], config["defences"])
            if name == NONE or NONE not in changes or scale is None:
                continue
            estimate = bootstrap.mean(fact_matrix(rejected(changes[NONE], changed)))
            ratio = scale / eta if eta else numpy.nan
            predicted = {f"draws_{draws}": rejection_probability(ratio, draws) for draws in (1, 2)} if eta else {}
            rows.append({**dict(zip([*PLACE, "method"], keys, strict=True)), "defence": name, "noise_scale": scale,
                         "ratio": ratio, **vars(estimate), **predicted})  # fmt: skip
    columns = [
        *PLACE,
        "method",
        "defence",
        "noise_scale",
        "ratio",
        *Estimate.__dataclass_fields__,
        "draws_1",
        "draws_2",
    ]
    return pandas.DataFrame(rows, columns=columns)


def noise_of(name: str, method: str, defences: dict[str, dict]) -> float | None:
    """The noise scale that a defence has for a method, or that the cell has which it is matched to."""
    entry = defences.get(name)
    if entry is None:
        return None
    if "match" in entry["parameters"]:
        return noise_of(entry["parameters"]["match"], method, defences)
    return defence_parameters(entry, method).get("noise_scale")
