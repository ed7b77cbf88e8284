"""The tuned numbers of every method, and where they come from."""

import pandas

from unlearning_robustness.config.cells import RNA
from unlearning_robustness.config.effects import COSINES, SAME
from unlearning_robustness.report.context import ReportContext


def settings(context: ReportContext) -> list[str]:
    """A sentence a method, what did not act, how often projections do, and where the numbers are said to be from."""
    return [
        *(_method(context, method) for method in context.methods()),
        *_idle(context),
        *_conflicts(context),
        context.settings["study"]["settings"],
    ]


def _method(context: ReportContext, method: str) -> str:
    entry, measured = context.settings["methods"][method], context.tables["measures"]
    measured = measured[measured["method"] == method]
    if "checkpoint" in entry:
        return f"{context.method_label(method)}: unlearned elsewhere and not trained here; {_distance(measured)}."
    noises = [
        f", {context.defence_label(defence)}'s noise {scale:.2f} times the mean activation norm"
        for defence in context.of_kind(RNA)
        if (scale := _mean(measured[measured["defence"] == defence], "relative_noise_scale")) is not None
    ]
    coefficient = _mean(measured, "relative_coefficient")
    target = f", coefficient {coefficient:.1f} times it" if noises and coefficient is not None else ""
    unit = " of the weights' root mean square" if entry["learning_rate_unit"] == "norm" else ""
    return (
        f"{context.method_label(method)}: learning rate {entry['learning_rate']:g}{unit}, retain weight "
        f"{entry['retain_weight']:g}, {entry['steps']} steps{''.join(noises)}{target}."
    )


def _distance(measured: pandas.DataFrame) -> str:
    """How far a checkpoint lies from the reference; one of other shapes has no distance."""
    change = _mean(measured, "weight_change")
    if change is None:
        return "its shapes are not those of the reference"
    return f"‖ΔW‖ from the reference is {change:.3g}" if change else "its weights are those of the reference"


def _mean(measured: pandas.DataFrame, column: str) -> float | None:
    """The mean over cells, None where none of them has that number."""
    values = measured[column].dropna() if column in measured else ()
    return values.mean() if len(values) else None


def _idle(context: ReportContext) -> list[str]:
    """Defences of the forget gradient that took the plain one: under no seed did its direction change."""
    measured = context.tables["measures"]
    compared = [name for name in COSINES if name in measured]
    smallest = measured.groupby(["method", "defence"], sort=False)[compared].min().stack() if compared else {}
    return [
        f"{context.method_label(method)} with {context.defence_label(defence)}: {_short(name)} did not act; what it "
        f"takes in place of the plain forget gradient has a cosine of {cosine:.4f} with it, or more."
        for (method, defence, name), cosine in smallest.items()
        if cosine > SAME
    ]


def _short(name: str) -> str:
    """What a cosine's column is about: "SAP"."""
    return name.removeprefix("cosine_").upper()


def _conflicts(context: ReportContext) -> list[str]:
    """How often a harmonised projection has anything to do."""
    measured = context.tables["measures"]
    if "conflicting_steps" not in measured:
        return []
    shares = measured.groupby(["method", "defence"], sort=False)["conflicting_steps"].mean().dropna()
    return [
        f"{context.method_label(method)} with {context.defence_label(defence)}: its two branches pull against each "
        f"other in {100 * share:.0f} % of the steps."
        for (method, defence), share in shares.items()
    ]
