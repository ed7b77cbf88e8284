"""The cross-robustness matrix: every unlearned model against every attack, the attacks as strong as they may be.

Each seed's model is attacked at the point of the attack's budget, or by the setting, that recovers most on the select
questions while retain accuracy there falls by no more than a bound; what is reported is that point on the test
questions. The worst attack is the one that recovers most on select over all seeds, if it is shown there to recover
anything: so neither number is the luckiest of many.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Estimate, effect_table, fact_matrix
from unlearning_robustness.analysis.trigger_controls import failed
from unlearning_robustness.config.cells import KIND, NONE, PLACE
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.bounds import at_least

READS = ("answers", "attacked", "trigger_controls")
SETTINGS = ("defences",)
RETAIN, TOKEN, FORGET, WORST = "retain", "forget-token", "forget", "worst"
POINT = ["attack", "documents", "steps", "setting"]
NO_POINT = "none within the bound"
# Standard errors that a gain on select must exceed to be shown: about the 2.5 % level.
ERRORS = 2
GAIN = ("gain", "gain_low", "gain_high")
COLUMNS = [*KIND, "column", "setting", *Estimate.__dataclass_fields__, *GAIN, "p", "retain_change", "valid"]
PAIRED = [*PLACE, "method", "column", "first", "second"]


@dataclass(frozen=True)
class Entry:
    """Test answers of one kind of cell in one column, and those that they are compared with, on the same questions.

    ``retain`` are the retain answers with and without the attack at its point, ``setting`` says which point that is.
    """

    answers: pandas.DataFrame
    start: pandas.DataFrame | None = None
    retain: tuple[pandas.DataFrame, pandas.DataFrame] | None = None
    setting: str = ""


def under_every_seed(records: pandas.DataFrame) -> pandas.DataFrame:
    """The records with unattacked answers under every seed of an attack on the same kind of cell.

    The reference is the same under every seed, so that without an attack it is asked under the first one alone.
    """
    seeds, parts = records.groupby(KIND)["seed"].unique(), [records]
    for kind, answers in records[records["attack"] == NONE].groupby(KIND):
        first = answers[answers["seed"] == answers["seed"].iloc[0]]
        parts += [first.assign(seed=seed) for seed in sorted(set(seeds[kind]) - set(answers["seed"]))]
    return pandas.concat(parts, ignore_index=True)


def candidates(records: pandas.DataFrame, bound: float) -> pandas.DataFrame:
    """One row a (cell, seed, point): accuracies ``forget`` and ``retain`` on select, and whether it is ``valid``.

    No attack is a point too, and the first; budgets rise within an attack: of equal points the first is the cheapest.
    An attack that asks no retain questions only reads: they are answered as without it.
    """
    select = records[(records["split"] == "select") & records["role"].isin([FORGET, RETAIN])]
    scores = select.groupby([*KIND, "seed", *POINT, "role"], sort=False)["correct"].mean().unstack("role").reset_index()
    scores = scores.assign(attacked=scores["attack"] != NONE)
    scores = scores.sort_values([*KIND, "seed", "attacked", "documents", "steps"], kind="stable")
    start = scores.loc[scores["attack"] == NONE, [*KIND, "seed", RETAIN]].rename(columns={RETAIN: "start"})
    scores = scores.merge(start, on=[*KIND, "seed"])
    scores[RETAIN] = scores[RETAIN].fillna(scores["start"])
    return scores.assign(valid=at_least(scores[RETAIN], scores["start"] - bound))


def gains(records: pandas.DataFrame) -> pandas.DataFrame:
    """By (cell, seed, point) and forget question of select what the point adds to no attack: 1, 0 or -1."""
    forget = records[(records["split"] == "select") & (records["role"] == FORGET)]
    start = forget.loc[forget["attack"] == NONE, [*KIND, "seed", "question", "correct"]]
    paired = forget.merge(start, on=[*KIND, "seed", "question"], suffixes=("", "_before"))
    gain = paired["correct"].astype(int) - paired["correct_before"].astype(int)
    return paired[[*KIND, "seed", *POINT, "question"]].assign(gain=gain)


def strongest(scores: pandas.DataFrame) -> pandas.DataFrame:
    """Of every cell and seed the valid row with the highest forget accuracy, the first of equal ones."""
    valid = scores[scores["valid"]]
    return valid.loc[valid.groupby([*KIND, "seed"])[FORGET].idxmax()]


def chosen_point(records: pandas.DataFrame, attack: str, analysis: dict) -> dict:
    """The point of an attack on one cell that the matrix reports, by its budget and setting.

    ``records`` are all answers of the cell, without an attack and under this one. Where no select questions were asked
    it is the last point. Raises DataError where no point leaves the cell its utility.
    """
    points = [name for name in POINT if name != "attack"]
    attacked = records[records["attack"] == attack]
    if not (records["split"] == "select").any():
        return attacked.iloc[-1][points].to_dict()
    plainly = records[(records["attack"] != NONE) | (records["probe"] == analysis["baseline_probe"])]
    scores = candidates(plainly, analysis["utility_bound"])
    chosen = strongest(scores[scores["attack"] == attack])
    if chosen.empty:
        raise DataError(f"{attack} at no strength leaves the model its utility (analysis.utility_bound)")
    return chosen.iloc[0][points].to_dict()


def entries(inputs: Inputs) -> dict[tuple, dict[str, Entry]]:
    """Every (model, benchmark, method, defence) with its columns; empty when no select questions were asked."""
    records, (plain, token, _) = inputs.every_split, inputs.probes
    if not (records["split"] == "select").any():
        return {}
    plainly = under_every_seed(records[(records["attack"] != NONE) | (records["probe"] == plain)])
    scores, added = candidates(plainly, inputs.analysis["utility_bound"]), gains(plainly)
    attacked = inputs.attacked["question"].unique()
    # Attacks ask one template a fact.
    test = inputs.records[inputs.records["question"].isin(attacked)] if len(attacked) else inputs.records
    by_kind, repeated = {}, under_every_seed(test[(test["attack"] != NONE) | (test["probe"] == plain)])
    for kind, before in test[test["attack"] == NONE].groupby(KIND):
        asked = before[before["probe"] == plain]
        forget, retain = (asked[asked["role"] == role] for role in (FORGET, RETAIN))
        tripped = before[(before["probe"] == token) & (before["role"] == RETAIN)]
        own = scores[(scores[KIND] == list(kind)).all(axis=1)]
        after = repeated[(repeated[KIND] == list(kind)).all(axis=1)]
        kept = after[(after["attack"] == NONE) & (after["role"] == RETAIN)]
        columns = {RETAIN: Entry(retain), TOKEN: Entry(tripped, retain), FORGET: Entry(forget)}
        for name, chosen in _chosen(own, added[(added[KIND] == list(kind)).all(axis=1)]):
            answers = after.merge(chosen[["seed", *POINT]], on=["seed", *POINT])
            parts = [answers[answers["role"] == role] for role in (FORGET, RETAIN)]
            unasked = set(chosen["seed"]) - set(parts[1]["seed"])
            parts[1] = pandas.concat([parts[1], kept[kept["seed"].isin(unasked)]])
            starts = [same[same["question"].isin(part["question"].unique())]
                      for same, part in zip((forget, retain), parts, strict=True)]  # fmt: skip
            columns[name] = Entry(parts[0], starts[0], (parts[1], starts[1]), _settings(chosen, name == WORST))
        by_kind[kind] = columns
    return by_kind


def _chosen(scores: pandas.DataFrame, added: pandas.DataFrame) -> Iterator[tuple[str, pandas.DataFrame]]:
    """(column, the point of each seed): every attack, where one has no valid point no attack, and the worst."""
    unattacked = scores[scores["attack"] == NONE]
    by_attack = {}
    for attack, rows in scores[scores["attack"] != NONE].groupby("attack", sort=False):
        picked = strongest(rows)
        missing = unattacked[unattacked["seed"].isin(set(rows["seed"]) - set(picked["seed"]))]
        by_attack[attack] = pandas.concat([picked, missing])
    yield from by_attack.items()
    if by_attack:
        shown = {attack: gain for attack, rows in by_attack.items() if (gain := shown_gain(rows, added)) > 0}
        yield WORST, by_attack[max(shown, key=shown.get)] if shown else unattacked


def shown_gain(points: pandas.DataFrame, added: pandas.DataFrame) -> float:
    """Mean gain on select of the seeds' ``points``, 0 unless it exceeds ``ERRORS`` standard errors over questions."""
    means = added.merge(points[["seed", *POINT]], on=["seed", *POINT]).groupby("question")["gain"].mean()
    return means.mean() if means.mean() > ERRORS * means.sem() + 1e-9 else 0.0


def _settings(chosen: pandas.DataFrame, named: bool) -> str:
    """The seeds' points in words, in their order, once where they are alike; ``named``: with the attack's name."""

    def words(row) -> str:
        if row["attack"] == NONE:
            return "no attack" if named else NO_POINT
        budget = [f"{row[name]} {name}" for name in ("documents", "steps") if row[name]]
        return " ".join(filter(None, [row["attack"] if named else "", row["setting"], *budget]))

    return "; ".join(dict.fromkeys(words(row) for _, row in chosen.sort_values("seed").iterrows()))


def contrast(signed: list[tuple[int, pandas.DataFrame]]) -> pandas.DataFrame:
    """The signed sum of answers (seeds, facts), paired by fact and seed.

    A side with one seed (the reference) stands for every seed. Raises ValueError when questions or seeds differ.
    """
    questions = [set(answers["question"]) for _, answers in signed]
    if any(other != questions[0] for other in questions):
        raise ValueError("a paired difference needs the same questions on all sides")
    means = [(sign, fact_matrix(answers)) for sign, answers in signed]
    seeds = max((matrix.index for _, matrix in means), key=len)
    if any(len(matrix) > 1 and list(matrix.index) != list(seeds) for _, matrix in means):
        raise ValueError("a paired difference needs the same seeds on all sides")
    return sum(sign * matrix.reindex(seeds, method=None if len(matrix) > 1 else "nearest") for sign, matrix in means)


def matrix(inputs: Inputs) -> pandas.DataFrame:
    """One row a kind of cell and column: accuracy, and what the attack (or token) changed, with its p-value.

    ``retain_change`` is what the attack at its point does to retain accuracy on test, whatever the measure; it is
    ``valid`` while that is above -``analysis.utility_bound``, and of a search over prompts only if it passed its
    positive control (table ``trigger_controls``).
    """
    rows, intervals, bound = [], inputs.intervals, inputs.analysis["utility_bound"]
    without_verdict = failed(inputs)
    for kind, columns in entries(inputs).items():
        for column, entry in columns.items():
            row = {**dict(zip(KIND, kind, strict=True)), "column": column, "setting": entry.setting, "valid": True}
            row |= vars(intervals.share(fact_matrix(entry.answers)))
            if entry.start is not None:
                gain = intervals.effect(contrast([(1, entry.answers), (-1, entry.start)]))
                row |= dict(zip((*GAIN, "p"), (gain.mean, gain.low, gain.high, gain.p), strict=True))
            if entry.retain is not None:
                after, before = (answers.assign(value=answers["correct"].astype(float)) for answers in entry.retain)
                changed = contrast([(1, after), (-1, before)])
                row["retain_change"] = changed.to_numpy().mean()
                controlled = (*kind[:2], column) not in without_verdict
                row["valid"] = controlled and bool(at_least(row["retain_change"], -bound))
            rows.append(row)
    return pandas.DataFrame(rows, columns=COLUMNS)


def matrix_differences(inputs: Inputs) -> pandas.DataFrame:
    """Paired differences, first - second, between defences of one method in every column that both have."""
    return effect_table(difference_values(inputs), PAIRED, inputs.intervals)


def difference_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``matrix_differences`` are means of: (names, values (seeds, facts))."""
    by_kind = entries(inputs)
    for (*group, first), columns in by_kind.items():
        for second in (second for one, second in inputs.pairs if one == first):
            yield from _contrasts(group, (first, second), (1, -1), [columns, by_kind.get((*group, second), {})])


def interactions(inputs: Inputs) -> pandas.DataFrame:
    """What two defences do together beyond the sum of what each does: (both - second) - (first - none), paired.

    Zero: they add up. In columns where lower is better, below zero they help each other, above they stand in each
    other's way. ``analysis.interactions`` names the pairs.
    """
    return effect_table(interaction_values(inputs), PAIRED, inputs.intervals)


def interaction_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What the rows of ``interactions`` are means of: (names, values (seeds, facts))."""
    by_kind = entries(inputs)
    for group in dict.fromkeys(kind[:-1] for kind in by_kind):
        for first, second in inputs.analysis["interactions"]:
            sides = [by_kind.get((*group, name), {}) for name in (f"{first}.{second}", second, first, NONE)]
            yield from _contrasts(group, (first, second), (1, -1, -1, 1), sides)


def _contrasts(group, pair, signs, sides: list[dict[str, Entry]]) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """For each column that all sides have its names, and the contrast of their answers with these signs."""
    for column in [name for name in sides[0] if all(name in columns for columns in sides)]:
        answers = [columns[column].answers for columns in sides]
        named = dict(zip(PAIRED, (*group, column, *pair), strict=True))
        yield named, contrast(list(zip(signs, answers, strict=True)))
