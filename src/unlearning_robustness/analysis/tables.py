"""The tables: each a query over records, one row an estimate."""

import pandas

from unlearning_robustness.analysis.attack_costs import attack_costs
from unlearning_robustness.analysis.attacks import attacks, points
from unlearning_robustness.analysis.bootstrap import CrossedBootstrap, Estimate, fact_matrix
from unlearning_robustness.analysis.costs import costs
from unlearning_robustness.analysis.landscape import landscape
from unlearning_robustness.analysis.matrix import entries, interactions, matrix, matrix_differences
from unlearning_robustness.analysis.memorisation import memorisation
from unlearning_robustness.analysis.published import published
from unlearning_robustness.analysis.recovery import curves, recovery, recovery_differences
from unlearning_robustness.analysis.relations import relations
from unlearning_robustness.analysis.sharpness import sharpness, sharpness_correlations
from unlearning_robustness.analysis.theory import latent_statistics, rejection
from unlearning_robustness.analysis.tofu import tofu
from unlearning_robustness.config.cells import KIND, NONE, PLACE, REFERENCE


def accuracy(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Accuracy of every method and defence on every probe and role, without an attack."""
    chosen = records[records["attack"] == NONE]
    return _estimates(chosen, [*KIND, "role", "probe"], bootstrap)


def relearning(records: pandas.DataFrame, bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Forget accuracy along every attack's budget; zero steps is the unlearned model on the same questions."""
    keys = [*KIND, "attack", "documents", "steps"]
    attacked = records[(records["attack"] != NONE) & (records["role"] == "forget") & (records["steps"] > 0)]
    asked = attacked[[*PLACE, "question"]].drop_duplicates()
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain")]
    runs = attacked[[*KIND, "attack", "documents"]].drop_duplicates()
    start = unattacked.merge(asked, on=[*PLACE, "question"]).drop(columns=["attack", "documents"])
    start = start.merge(runs, on=KIND).assign(steps=0)
    table = pandas.concat([_estimates(part, keys, bootstrap) for part in (attacked, start)], ignore_index=True)
    return table.sort_values(keys, ignore_index=True)


def differences(
    records: pandas.DataFrame, pairs: list[tuple[str, str]], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Paired differences between defences of one method, first - second, on every probe and role, unattacked."""
    chosen = records[records["attack"] == NONE]
    rows = []
    for keys, part in chosen.groupby([*PLACE, "method", "role", "probe"], sort=True):
        matrices = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        named = dict(zip([*PLACE, "method", "role", "probe"], keys, strict=True))
        rows += _paired(matrices, pairs, named, bootstrap)
    columns = [*PLACE, "method", "role", "probe", "first", "second", *Estimate.__dataclass_fields__]
    return pandas.DataFrame(rows, columns=columns)


def _gain(level: pandas.DataFrame, start: pandas.DataFrame) -> pandas.DataFrame:
    """Accuracy above the start; a start of one row (the reference) is that of every seed."""
    return level - (start.iloc[0] if len(start) == 1 else start.loc[level.index])


def _paired(
    matrices: dict[str, pandas.DataFrame], pairs: list[tuple[str, str]], named: dict, bootstrap: CrossedBootstrap
) -> list[dict]:
    """One row for each pair of which both sides are there."""
    return [
        {**named, "first": first, "second": second, **vars(bootstrap.difference(matrices[first], matrices[second]))}
        for first, second in pairs
        if first in matrices and second in matrices
    ]


def attacked_differences(
    records: pandas.DataFrame, pairs: list[tuple[str, str]], bootstrap: CrossedBootstrap
) -> pandas.DataFrame:
    """Paired differences between defences of one method under each attack budget.

    ``quantity`` is ``level``, the forget accuracy, or ``gain``, that accuracy less the unattacked one on the same
    questions: a model that merely forgot less has a higher level, not a higher gain. ``point`` is the setting of
    attacks whose budget is no number of steps.
    """
    chosen = records[(records["attack"] != NONE) & (records["role"] == "forget")]
    chosen = chosen.assign(point=points(chosen))
    start = records[(records["attack"] == NONE) & (records["probe"] == "plain")]
    start = start[start["question"].isin(chosen["question"].unique())]
    before = {key: fact_matrix(part) for key, part in start.groupby([*PLACE, "method", "defence"])}
    keys = [*PLACE, "method", "attack", "documents", "steps", "point"]
    rows = []
    for values, part in chosen.groupby(keys, sort=True):
        levels = {defence: fact_matrix(group) for defence, group in part.groupby("defence")}
        gains = {defence: _gain(level, before[(*values[:3], defence)]) for defence, level in levels.items()}
        for quantity, matrices in (("level", levels), ("gain", gains)):
            named = {**dict(zip(keys, values, strict=True)), "quantity": quantity}
            rows += _paired(matrices, pairs, named, bootstrap)
    return pandas.DataFrame(rows, columns=[*keys, "quantity", "first", "second", *Estimate.__dataclass_fields__])


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
    for keys, part in chosen.groupby(KIND, sort=True):
        matrices = {probe: fact_matrix(group) for probe, group in part.groupby("probe")}
        for contrast, (first, second) in contrasts.items():
            estimate = bootstrap.difference(matrices[first], matrices[second])
            rows.append({**dict(zip(KIND, keys, strict=True)), "contrast": contrast, **vars(estimate)})
    return pandas.DataFrame(rows)


def token_counts(records: pandas.DataFrame, probes: dict[str, dict], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    """Retain accuracy by number of tokens before the question, on the facts that are asked with every number."""
    counts = {
        name: [(kind, probe["count"]) for kind in ("forget", "neutral") if probe["insert"] in (kind, "none")]
        for name, probe in probes.items()
        if probe["mode"] in ("plain", "prefix") and probe["vocabulary"] == "entities"
    }
    chosen = records[(records["attack"] == NONE) & (records["role"] == "retain") & records["probe"].isin(counts)]
    asked = chosen.groupby("fact")["probe"].nunique()
    chosen = chosen[chosen["fact"].isin(asked.index[asked == asked.max()])]
    parts = [
        chosen[chosen["probe"] == name].assign(tokens=kind, count=count)
        for name, kinds in counts.items()
        for kind, count in kinds
    ]
    return _estimates(pandas.concat(parts), [*KIND, "tokens", "count"], bootstrap)


def measures(entries: list[dict]) -> pandas.DataFrame:
    """One row a cell: perplexity, norm of the weight change, steps, relative noise, cpu seconds."""
    return pandas.DataFrame(entries).sort_values([*KIND, "seed"], ignore_index=True)


def _estimates(records: pandas.DataFrame, keys: list[str], bootstrap: CrossedBootstrap) -> pandas.DataFrame:
    rows = []
    for values, part in records.groupby(keys, sort=True):
        estimate = bootstrap.mean(fact_matrix(part))
        rows.append({**dict(zip(keys, values, strict=True)), **vars(estimate), "questions": part["question"].nunique()})
    return pandas.DataFrame(rows, columns=[*keys, *Estimate.__dataclass_fields__, "questions"])


def comparison_pairs(defences: dict[str, dict], used: list[str]) -> list[tuple[str, str]]:
    """(defence, what it is compared with): every defence in use with none, and with the controls made for it.

    An early stop or weight noise is compared with the cell it is matched to, gradient noise with RNA of its scale, and
    what is a baseline or control without a partner with the defence named ``rna``.
    """
    noise = {entry["parameters"]["noise_scale"]: name for name, entry in defences.items() if entry["kind"] == "rna"}
    pairs = []
    for name in used:
        entry = defences.get(name, {"kind": "combination"})
        if "match" in entry.get("parameters", {}):
            pairs.append((entry["parameters"]["match"], name))
        elif entry["kind"] == "gradient-noise":
            partner = noise.get(entry["parameters"]["noise_scale"])
            pairs += [(partner, name)] if partner else []
        elif name != NONE:
            pairs.append((name, NONE))
            if entry["kind"] not in ("rna", "combination") and "rna" in used:
                pairs.append(("rna", name))
    return pairs


def early_recovery(records: pandas.DataFrame, cells: pandas.DataFrame, attack: str, steps: int) -> pandas.DataFrame:
    """Per cell: the weight change, and the accuracy gained in ``steps`` steps of ``attack`` at its largest budget."""
    attacked = records[(records["attack"] == attack) & (records["role"] == "forget") & (records["steps"] == steps)]
    attacked = attacked[attacked["documents"] == attacked["documents"].max()]
    keys = [*KIND, "seed"]
    after = attacked.groupby(keys)["correct"].mean().rename("after").reset_index()
    asked = attacked["question"].unique()
    unattacked = records[(records["attack"] == NONE) & (records["probe"] == "plain") & records["question"].isin(asked)]
    before = unattacked.groupby(keys)["correct"].mean().rename("before").reset_index()
    table = after.merge(before, on=keys).merge(cells[[*keys, "weight_change"]], on=keys)
    table = table[table["method"] != REFERENCE]
    return table.assign(steps=steps, gain=table["after"] - table["before"])


def all_tables(
    records: pandas.DataFrame,
    cells: list[dict],
    beside: dict[str, pandas.DataFrame],
    config: dict,
) -> dict[str, pandas.DataFrame]:
    """Every table of the study by name; one that has nothing to show has no rows.

    ``beside`` is what was measured beside the answers: latents, sharpness, landscape, memorisation, attack costs.
    Answers to other questions than those of the ``test`` split only choose the strength of attacks in the matrix.
    """
    analysis, everything = config["analysis"], records
    records = records[records["split"] == "test"]
    bootstrap = CrossedBootstrap(analysis["bootstrap_samples"], analysis["confidence"], analysis["seed"])
    probes = tuple(analysis[f"{name}_probe"] for name in ("baseline", "forget_token", "neutral_token"))
    used = list(dict.fromkeys(records["defence"]))
    pairs = comparison_pairs(config["defences"], used) + [tuple(pair) for pair in analysis["comparisons"]]
    pairs, measured = list(dict.fromkeys(pairs)), measures(cells)
    statistics, told = latent_statistics(beside["latents"]), config.get("memorisation", {})
    early = early_recovery(records, measured, analysis["attack"], analysis["early_steps"])
    sharp, found = sharpness(beside["sharpness"], early), curves(records)
    bound, combined = analysis["utility_bound"], [tuple(pair) for pair in analysis["interactions"]]
    against = entries(everything, probes, bound)
    return {
        "accuracy": accuracy(records, bootstrap),
        "relations": relations(records, probes[0], bootstrap),
        "differences": differences(records, pairs, bootstrap),
        "token_effects": token_effects(records, probes, bootstrap),
        "relearning": relearning(records, bootstrap),
        "attacks": attacks(records, bootstrap),
        "attacked_differences": attacked_differences(records, pairs, bootstrap),
        "recovery": recovery(found, bootstrap),
        "recovery_differences": recovery_differences(found, pairs, bootstrap),
        "early_recovery": early,
        "matrix": matrix(against, bootstrap, bound),
        "matrix_differences": matrix_differences(against, pairs, bootstrap),
        "interactions": interactions(against, combined, bootstrap),
        "sharpness": sharp,
        "sharpness_correlations": sharpness_correlations(sharp, bootstrap),
        "landscape": landscape(beside["landscape"]),
        "memorisation": memorisation(beside["memorisation"], told, bootstrap),
        "tofu": tofu(beside["memorisation"], told, bootstrap),
        "measures": measured,
        "costs": costs(measured),
        "attack_costs": attack_costs(beside["attack_costs"], measured),
        "token_counts": token_counts(records, config["probes"], bootstrap),
        "latents": statistics,
        "rejection": rejection(records, statistics, config, bootstrap),
        "published": published(records, config["expected"], bootstrap),
    }
