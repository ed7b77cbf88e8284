"""What pages and figures read of a configuration: names to print in the study's order, and what is shown with what."""

from collections.abc import Iterable

from unlearning_robustness.config.cells import COMBINATION, MEASURE, NONE, REFERENCE, in_order, parts_of, places
from unlearning_robustness.config.kinds import DEFENCES, facts_of

# What figures and pages read of each entry, beside its label and kind.
METHOD = ("variant_of", "read_layer", "checkpoint")
DEFENCE = ("match", "retain_factor", "equal")
ATTACK = ("corpus", "trained", "epochs", "order")
PROBE = ("label", "mode", "insert", "roles", "count")


def figure_settings(config: dict, benchmark: str, names: Iterable[str]) -> dict:
    """What a figure reads: methods, defences, the measure of answers, and what it ``names`` of the report's settings.

    A dollar in a label is a dollar: matplotlib sets what stands between two as mathematics, or fails to.
    """
    settings = report_settings(config, benchmark)
    for axis in ("methods", "defences", "attacks", "probes"):
        for entry in settings[axis].values():
            entry["label"] = entry["label"].replace("$", r"\$")
    shown = {name: settings[name] for name in ("methods", "defences", *names)}
    return shown | {MEASURE: config["study"]["shown_measure"]}


def report_settings(config: dict, benchmark: str) -> dict:
    """What figures and pages read: methods, defences, attacks and probes in the study's order, with their labels.

    Defences of a kind have its colours and its marker; parts of combinations follow those that stand in a grid.
    """
    study, analysis = config["study"], config["analysis"]
    methods = [name for name in in_order(study, "methods") if name != REFERENCE]
    attacks = [name for name in in_order(study, "attacks") if name != NONE]
    if study["memorisation"] and (attack := config["memorisation"].get("attack")) not in (None, *attacks):
        attacks.append(attack)
    return {
        "methods": {name: _labelled(config["methods"][name], METHOD, config["methods"][name]) for name in methods},
        "defences": _defences(config),
        "attacks": {
            name: _labelled(config["attacks"][name], ATTACK, config["attacks"][name]["parameters"]) for name in attacks
        },
        "probes": {name: _chosen(config["probes"][name], PROBE) for name in study["probes"]},
        "headline": {name: analysis[f"{name}_probe"] for name in ("baseline", "forget_token", "neutral_token")},
        "chance": chance_of(config["benchmarks"][benchmark]),
        "variation": study["variation"],
        "latents": {
            "position": (config.get("latents") or {}).get("eta_position"),
            "methods": [name for grid in study["latents"] for name in grid["methods"]],
        },
    }


def chance_of(benchmark: dict) -> float | None:
    """The accuracy of guessing, a share; None where questions keep their own numbers of choices."""
    return 1 / (1 + benchmark["distractors"]) if "distractors" in benchmark else None


def page_settings(config: dict, model: str, benchmark: str) -> dict:
    """What a page reads: all that figures do, what was trained how and with what, and what the study says of itself."""
    settings, study = report_settings(config, benchmark), config["study"]
    for name, entry in settings["methods"].items():
        entry |= _chosen(config["methods"][name], ("learning_rate", "learning_rate_unit", "retain_weight", "steps"))
    models = [config["models"][model], config["models"].get(config["models"][model].get("from"), {})]
    return settings | {
        "study": _chosen(study, ("title", "settings", "seeds")),
        "model": {
            "fine_tuned": "from" in models[0],
            "note": next(entry["note"] for entry in models if "note" in entry),
        },
        "analysis": _chosen(
            config["analysis"], ("attack", "early_steps", "confidence", "examples", "seed", "utility_bound")
        ),
        "claims": config["claims"],
    }


def index_settings(config: dict) -> dict:
    """What the page of the whole study reads: the settings of each "model/benchmark", and all that was set."""
    study = config["study"]
    return {
        **_chosen(study, ("title", "name", "seeds")),
        "confidence": config["analysis"]["confidence"],
        "places": {
            f"{model}/{benchmark}": page_settings(config, model, benchmark) for model, benchmark in places(study)
        },
        "config": config,
    }


def _defences(config: dict) -> dict[str, dict]:
    used = [name for name in in_order(config["study"], "defences") if name != NONE]
    parts = [part for defence in used for part in parts_of(defence)]
    entries = {}
    for name in [*used, *parts]:
        if name in config["defences"]:
            entry = config["defences"][name]
            facts = facts_of(DEFENCES, entry["kind"])
            look = {"colours": list(facts.colours), "marker": facts.marker}
            parameters = entry["parameters"] | _chosen(entry, ("variant_of",))
            entries[name] = _labelled(entry, (*DEFENCE, "variant_of"), parameters) | look | {"used": name in used}
        else:
            label = " + ".join(config["defences"][part]["label"] for part in parts_of(name))
            entries[name] = {"label": label, "kind": COMBINATION, "colours": [], "marker": None, "used": True}
    return entries


def _labelled(entry: dict, names: tuple[str, ...], values: dict) -> dict:
    """The label, the kind where there is one, and what ``values`` hold of ``names``."""
    return _chosen(entry, ("label", "kind")) | _chosen(values, names)


def _chosen(entry: dict, names: tuple[str, ...]) -> dict:
    return {name: entry[name] for name in names if name in entry}
