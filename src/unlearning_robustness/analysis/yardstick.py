"""How far every unlearned model is from the truth: the model that was trained without the forget facts.

``analysis.yardstick`` names the method that is this model; ``analysis.never_trained`` names others of its kind, from
other seeds of pretraining. What lies between those and the yardstick is the zero of every distance: no unlearned model
can be shown to be nearer to the truth than another true one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy
import pandas

from unlearning_robustness.analysis.choices import (
    divergence,
    log_distributions,
    log_truth_ratios,
    right_probabilities,
    total_variation,
)
from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.analysis.intervals import Effect, fact_matrix
from unlearning_robustness.analysis.memorisation import membership_difference, never_trained
from unlearning_robustness.config.cells import KIND, NONE, PLACE
from unlearning_robustness.evaluation.tofu import forget_quality

READS = ("answers", "memorisation", "trajectory")
SETTINGS = ("defences",)
COLUMNS = [*KIND, "role", "distance", "never_trained", *Effect.__dataclass_fields__]
AT = [*KIND, "steps", "role", "distance"]
FORGET = "forget"
# What a trajectory keeps of each fact allows these distances.
ON_THE_WAY = ("accuracy", "probability", "absolute_probability")


@dataclass(frozen=True)
class Beside:
    """Answers of a model beside the yardstick's to the same questions.

    ``records`` (N rows) are the model's, with the columns seed, fact and answer; ``own`` and ``true`` are
    log-probabilities (N, C) of the model and of the yardstick, ``correct`` is whether the yardstick is right (N,).
    """

    records: pandas.DataFrame
    own: numpy.ndarray
    true: numpy.ndarray
    correct: numpy.ndarray

    @classmethod
    def of(cls, records: pandas.DataFrame, yardstick: pandas.DataFrame) -> "Beside":
        """Pair by question and seed; a side with one seed stands for every seed of the other.

        Raises ValueError where a question was asked of one side alone.
        """
        several = [side["seed"].nunique() > 1 for side in (records, yardstick)]
        on = ["question", "seed"] if all(several) else ["question"]
        sides = [side[["question", "seed"]].assign(row=range(len(side))) for side in (records, yardstick)]
        pairs = sides[0].merge(sides[1], on=on, suffixes=("", "_yardstick"))
        asked = [set(side["question"]) for side in (records, yardstick)]
        if asked[0] != asked[1] or len(pairs) != max(map(len, sides)):
            raise ValueError("a distance to the yardstick needs the same questions and seeds on both sides")
        seeds = pairs["seed"] if len(on) == 2 or several[0] else pairs["seed_yardstick"]
        chosen = records.iloc[pairs["row"]].assign(seed=seeds.to_numpy())
        other = yardstick.iloc[pairs["row_yardstick"]]
        return cls(chosen, log_distributions(chosen), log_distributions(other), other["correct"].to_numpy(float))

    def matrix(self, values: numpy.ndarray) -> pandas.DataFrame:
        """Values (N,) as means (seeds, facts)."""
        return fact_matrix(self.records.assign(correct=values, value=values))

    def means(self) -> dict[str, pandas.DataFrame]:
        """The distances that are means over seeds and facts, as values (seeds, facts)."""
        answers = self.records["answer"]
        probability = right_probabilities(self.own, answers) - right_probabilities(self.true, answers)
        values = {
            "accuracy": self.records["correct"].to_numpy(float) - self.correct,
            "probability": probability,
            "absolute_probability": numpy.abs(probability),
            "kl": divergence(self.true, self.own),
            "total_variation": total_variation(self.true, self.own),
        }
        return {name: self.matrix(value) for name, value in values.items()}

    def truth_ratios(self) -> Effect:
        """The Kolmogorov-Smirnov distance of both models' truth ratios, mean over seeds; the bounds are its seeds'.

        Its ``p`` is TOFU's forget quality, the mean of the seeds' p-values.
        """
        answers, seeds = self.records["answer"], self.records["seed"].to_numpy()
        sides = [log_truth_ratios(logs, answers) for logs in (self.own, self.true)]
        tests = [forget_quality(*(side[seeds == seed] for side in sides)) for seed in sorted(set(seeds))]
        pvalues, statistics = map(numpy.array, zip(*tests, strict=True))
        counts = self.records["fact"].nunique(), len(tests)
        bounds = float(statistics.min()), float(statistics.max())
        return Effect(float(statistics.mean()), *bounds, *counts, numpy.nan, numpy.nan, float(pvalues.mean()))


def yardstick(inputs: Inputs) -> pandas.DataFrame:
    """One row a kind of cell, role and distance to the yardstick; empty where the study has none.

    ``accuracy`` and ``probability`` (of the right choice) are signed: cell less yardstick, so on the role ``neighbour``
    they are the damage in the adjacent domain. Means over questions are ``absolute_probability``, ``kl`` (nats, of the
    yardstick's distribution over choices from the cell's) and ``total_variation``. ``truth_ratio`` is the
    Kolmogorov-Smirnov statistic, ``membership`` the AUC of Min-k % on forget against never seen texts less the
    yardstick's. Rows that are ``never_trained`` are the zero of each distance.
    """
    never, rows = never_ids(inputs), []
    for named, beside in distances(inputs):
        estimates = {name: inputs.intervals.effect(values) for name, values in beside.means().items()}
        if named["role"] == FORGET:
            estimates["truth_ratio"] = beside.truth_ratios()
        rows += [{**named, "distance": name, **vars(estimate)} for name, estimate in estimates.items()]
    rows += list(_membership(inputs))
    table = pandas.DataFrame(rows, columns=COLUMNS)
    return table.assign(never_trained=table["method"].isin(never)).sort_values(COLUMNS[:6], ignore_index=True)


def distance_values(inputs: Inputs) -> Iterator[tuple[dict, pandas.DataFrame]]:
    """What those rows of ``yardstick`` that are means are means of: (names, values (seeds, facts))."""
    for named, beside in distances(inputs):
        for name, values in beside.means().items():
            yield {**named, "distance": name}, values


def never_ids(inputs: Inputs) -> list[str]:
    """The methods whose models were trained without the forget facts, the yardstick first; none without one."""
    first = inputs.analysis.get("yardstick")
    return [first, *inputs.analysis.get("never_trained", [])] if first else []


def yardstick_rows(records: pandas.DataFrame, place: tuple, inputs: Inputs) -> pandas.DataFrame:
    """Of ``records`` those of the yardstick itself, of a model and benchmark."""
    own = (records["method"] == inputs.analysis["yardstick"]) & (records["defence"] == NONE)
    return records[own & (records[PLACE] == list(place)).all(axis=1)]


def distances(inputs: Inputs) -> Iterator[tuple[dict, Beside]]:
    """(kind of cell and role, its plain answers beside the yardstick's) of every kind of cell but the yardstick."""
    if not inputs.analysis.get("yardstick"):
        return
    for keys, part in inputs.plain.groupby([*KIND, "role"], sort=True):
        named = dict(zip([*KIND, "role"], keys, strict=True))
        if (named["method"], named["defence"]) == (inputs.analysis["yardstick"], NONE):
            continue
        true = yardstick_rows(inputs.plain, keys[:2], inputs)
        true = true[true["role"] == named["role"]]
        if len(true):
            yield named, Beside.of(part, true)


def _membership(inputs: Inputs) -> Iterator[dict]:
    scores = inputs.recorded["memorisation"]
    scores = scores[(scores["metric"] == "min-k") & (scores["attack"] == NONE)]
    for keys, part in scores.groupby(KIND, sort=True) if inputs.analysis.get("yardstick") else ():
        never = yardstick_rows(scores, keys[:2], inputs)
        never = never if len(never) else never_trained(scores, keys)
        if len(never) and keys[2] not in set(never["method"]):
            estimate = membership_difference(part, never, inputs.bootstrap)
            yield {**dict(zip(KIND, keys, strict=True)), "role": FORGET, "distance": "membership", **vars(estimate)}


def yardstick_trajectory(inputs: Inputs) -> pandas.DataFrame:
    """The distances of ``ON_THE_WAY`` at every recorded step of a training, as ``yardstick`` has them at its end.

    ``change`` is ||dW||, mean over seeds. The yardstick answered the same facts once, without training.
    """
    rows = []
    recorded = inputs.recorded["trajectory"]
    plain = recorded[(recorded["probe"] == inputs.probes[0]) & (recorded["relearning"] == 0)]
    for keys, part in plain.groupby([*KIND, "role"], sort=True) if inputs.analysis.get("yardstick") else ():
        true = yardstick_rows(inputs.plain, keys[:2], inputs)
        true = true[true["role"] == keys[-1]].drop_duplicates(["seed", "fact"])
        if true.empty:
            continue
        right = true.assign(right=right_probabilities(log_distributions(true), true["answer"]))
        means = right.groupby("fact")[["right", "correct"]].mean()
        for steps, answers in part.groupby("steps"):
            beside = means.loc[answers["fact"]]
            probability = numpy.exp(answers["log_probability"].to_numpy()) - beside["right"].to_numpy()
            values = answers["correct"].to_numpy(float) - beside["correct"].to_numpy(), probability, abs(probability)
            for name, value in zip(ON_THE_WAY, values, strict=True):
                estimate = inputs.intervals.effect(fact_matrix(answers.assign(correct=value, value=value)))
                named = dict(zip(AT, (*keys[:4], steps, keys[4], name), strict=True))
                rows.append({**named, "change": answers["change"].mean(), **vars(estimate)})
    return pandas.DataFrame(rows, columns=[*AT, "change", *Effect.__dataclass_fields__])
