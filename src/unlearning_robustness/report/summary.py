"""The main table: one row a method and defence, the reference first, as the RNA paper prints it."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, in_order
from unlearning_robustness.report.markup import markdown


def interval(row, scale: float = 100.0) -> str:
    """An estimate with its bounds, in percent."""
    return f"{scale * row['mean']:.0f} [{scale * row['low']:.0f}, {scale * row['high']:.0f}]"


def summary(tables: dict[str, pandas.DataFrame], config: dict) -> pandas.DataFrame:
    """Accuracies in percent, what a forget token costs beyond a neutral one in points, and the cells' measures.

    Columns of question sets that a study does not ask are left out.
    """
    study, known = config["study"], config["defences"]
    accuracy = tables["accuracy"].set_index(["method", "defence", "role", "probe"])
    effects = tables["token_effects"].query("contrast == 'beyond_control'").set_index(["method", "defence"])
    measured = tables["measures"].groupby(["method", "defence"])[["weight_change", "perplexity"]].mean()
    asked = [(role, probe) for role in ("forget", "retain", "neighbour") for probe in study["probes"]
             if role in config["probes"][probe]["roles"] and probe != "letter"]  # fmt: skip
    rows = []
    for method in in_order(study, "methods"):
        for defence in in_order(study, "defences"):
            if (method, defence) not in measured.index:
                continue
            label = "reference" if method == REFERENCE else config["methods"][method]["label"]
            parts = [] if defence == NONE else [known[part]["label"] for part in defence.split(".")]
            row = {"model": " + ".join([label, *parts])}
            for role, probe in asked:
                if (method, defence, role, probe) in accuracy.index:
                    name = role if probe == config["analysis"]["baseline_probe"] else f"{role}, {probe}"
                    row[name] = interval(accuracy.loc[(method, defence, role, probe)])
            if (method, defence) in effects.index:
                row["token − neutral"] = interval(effects.loc[(method, defence)])
            row["‖ΔW‖"] = f"{measured.loc[(method, defence), 'weight_change']:.1f}"
            row["perplexity"] = f"{measured.loc[(method, defence), 'perplexity']:.1f}"
            rows.append(row)
    return pandas.DataFrame(rows).fillna("")


def summary_page(table: pandas.DataFrame) -> str:
    """The table as a page of markdown."""
    intro = (
        "# Main table\n\nAccuracies in percent with their intervals. *token − neutral* is what a forget token before a "
        "retain question changes beyond a neutral one, in points. ‖ΔW‖ and perplexity are means over seeds.\n\n"
    )
    return intro + markdown(table)
