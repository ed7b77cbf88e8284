"""The tables: each a query over records, one row an estimate."""

from collections.abc import Callable

import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.config.cells import NONE, REFERENCE

PLACE = ["model", "benchmark"]
CELL_KIND = [*PLACE, "method", "defence"]


def accuracy(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Accuracy of every method and defence on every probe and role, without an attack."""
    chosen = records[records["attack"] == NONE]
    return _estimates(chosen, [*CELL_KIND, "role", "probe"], bootstrap)


def relearning(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Forget accuracy along every attack's budget; zero steps is the unlearned model on the same questions."""
    attacked = records[(records["attack"] != NONE) & (records["role"] == "forget")]
    rows = [_estimates(attacked, [*CELL_KIND, "attack", "documents", "steps"], bootstrap)]
    asked = attacked[[*PLACE, "question"]].drop_duplicates()
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain")].merge(
        asked, on=[*PLACE, "question"]
    )
    runs = attacked[[*CELL_KIND, "attack", "documents"]].drop_duplicates()
    start = unattacked.drop(columns=["attack", "documents"]).merge(runs, on=CELL_KIND)
    rows.append(_estimates(start.assign(steps=0), [*CELL_KIND, "attack", "documents", "steps"], bootstrap))
    table = pandas.concat(rows, ignore_index=True)
    return table.sort_values([*CELL_KIND, "attack", "documents", "steps"], ignore_index=True)


def differences(
    records: pandas.DataFrame, pairs: list[tuple[str, str]], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Paired differences between defences of one method, first - second, on every probe and role, unattacked."""
    chosen = records[records["attack"] == NONE]
    rows = []
    for keys, part in chosen.groupby([*PLACE, "method", "role", "probe"], sort=True):
        matrices = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        for first, second in pairs:
            if first in matrices and second in matrices:
                estimate = bootstrap.difference(matrices[first], matrices[second])
                named = dict(zip([*PLACE, "method", "role", "probe"], keys, strict=True))
                rows.append({**named, "first": first, "second": second, **vars(estimate)})
    return pandas.DataFrame(rows)


def attacked_differences(
    records: pandas.DataFrame, pairs: list[tuple[str, str]], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Paired differences between defences of one method in forget accuracy under each attack budget."""
    chosen = records[(records["attack"] != NONE) & (records["role"] == "forget")]
    keys = [*PLACE, "method", "attack", "documents", "steps"]
    rows = []
    for values, part in chosen.groupby(keys, sort=True):
        matrices = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        for first, second in pairs:
            if first in matrices and second in matrices:
                estimate = bootstrap.difference(matrices[first], matrices[second])
                rows.append(
                    {**dict(zip(keys, values, strict=True)), "first": first, "second": second, **vars(estimate)}
                )
    return pandas.DataFrame(rows, columns=[*keys, "first", "second", *Estimate.__dataclass_fields__])


def token_effects(
    records: pandas.DataFrame, probes: tuple[str, str, str], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """What a forget token does to retain accuracy, per cell kind, as paired differences.

    ``probes`` are (plain, forget token, neutral token); ``token`` is forget - plain, ``control`` is neutral -
    plain and ``beyond_control`` is forget - neutral.
    """
    plain, forget, neutral = probes
    chosen = records[(records["attack"] == NONE) & (records["role"] == "retain")]
    contrasts = {"token": (forget, plain), "control": (neutral, plain), "beyond_control": (forget, neutral)}
    rows = []
    for keys, part in chosen.groupby(CELL_KIND, sort=True):
        matrices = {probe: fact_matrix(group) for probe, group in part.groupby("probe")}
        for contrast, (first, second) in contrasts.items():
            estimate = bootstrap.difference(matrices[first], matrices[second])
            rows.append({**dict(zip(CELL_KIND, keys, strict=True)), "contrast": contrast, **vars(estimate)})
    return pandas.DataFrame(rows)


def measures(entries: list[dict]) -> pandas.DataFrame:
    """One row a cell: perplexity, norm of the weight change, steps, relative noise, cpu seconds."""
    return pandas.DataFrame(entries).sort_values([*CELL_KIND, "seed"], ignore_index=True)


def _estimates(records: pandas.DataFrame, keys: list[str], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    rows = []
    for values, part in records.groupby(keys, sort=True):
        estimate = bootstrap.mean(fact_matrix(part))
        rows.append({**dict(zip(keys, values, strict=True)), **vars(estimate), "questions": part["question"].nunique()})
    return pandas.DataFrame(rows)


def comparison_pairs(defences: dict[str, dict]) -> list[tuple[str, str]]:
    """(defence, what it is compared with): each defence with none, and with the controls made for it."""
    controls = {"early-stop": lambda entry: entry["parameters"]["match"], "gradient-noise": _matching_noise(defences)}
    pairs = []
    for name, entry in defences.items():
        if entry["kind"] in controls:
            partner = controls[entry["kind"]](entry)
            pairs += [(partner, name)] if partner else []
        else:
            pairs.append((name, NONE))
    return pairs


def _matching_noise(defences: dict[str, dict]) -> Callable[[dict], str | None]:
    scales = {entry["parameters"]["noise_scale"]: name for name, entry in defences.items() if entry["kind"] == "rna"}
    return lambda entry: scales.get(entry["parameters"]["noise_scale"])


def early_recovery(records: pandas.DataFrame, cells: pandas.DataFrame, attack: str, steps: int) -> pandas.DataFrame:
    """Per cell: the weight change, and the accuracy gained in ``steps`` steps of ``attack`` at its largest budget."""
    attacked = records[(records["attack"] == attack) & (records["role"] == "forget") & (records["steps"] == steps)]
    attacked = attacked[attacked["documents"] == attacked["documents"].max()]
    keys = [*CELL_KIND, "seed"]
    after = attacked.groupby(keys)["correct"].mean().rename("after").reset_index()
    asked = attacked["question"].unique()
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain") & records["question"].isin(asked)]
    before = unattacked.groupby(keys)["correct"].mean().rename("before").reset_index()
    table = after.merge(before, on=keys).merge(cells[[*keys, "weight_change"]], on=keys)
    table = table[table["method"] != REFERENCE]
    return table.assign(steps=steps, gain=table["after"] - table["before"])


def all_tables(records: pandas.DataFrame, cells: list[dict], config: dict) -> dict[str, pandas.DataFrame]:
    """Every table of the study by name; one that has nothing to show has no rows."""
    analysis = config["analysis"]
    bootstrap = CrossedBootstrap(analysis["bootstrap_samples"], analysis["confidence"], analysis["seed"])
    probes = tuple(analysis[f"{name}_probe"] for name in ("baseline", "forget_token", "neutral_token"))
    pairs, measured = comparison_pairs(config["defences"]), measures(cells)
    attacked = records["attack"] != NONE
    return {
        "accuracy": accuracy(records, bootstrap),
        "differences": differences(records, pairs, bootstrap),
        "token_effects": token_effects(records, probes, bootstrap),
        "relearning": relearning(records, bootstrap) if attacked.any() else pandas.DataFrame(),
        "attacked_differences": attacked_differences(records, pairs, bootstrap),
        "early_recovery": early_recovery(records, measured, analysis["attack"], analysis["early_steps"]),
        "measures": measured,
    }
