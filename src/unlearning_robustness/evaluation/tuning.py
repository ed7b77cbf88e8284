"""Choose settings on the ``select`` split, by one criterion, with equal budget for every method.

A setting whose retain accuracy is within a margin of the reference's: for a method, the fewest steps that bring forget
accuracy within a margin of its floor; for noise, the largest scale whose forget accuracy is within a margin of plain
unlearning's; for an attack, the highest recovered forget accuracy; for a defence, the lowest accuracy that an attack
recovers. The test split is never looked at.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

import pandas

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import NONE, defence_parameters
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.scoring.bounds import at_least, at_most
from unlearning_robustness.scoring.knowledge import KnowledgeScorer
from unlearning_robustness.scoring.questions import QuestionScorer, select_questions
from unlearning_robustness.training.unlearning import keep_untrained, make_trainer

Rows = list[dict]


@dataclass
class SelectScorer:
    """Accuracy on the ``select`` questions of both roles, one template a fact, and the floor of the forget ones."""

    forget: KnowledgeScorer
    retain: QuestionScorer

    @classmethod
    def of(cls, tokenizer, questions: pandas.DataFrame, batch_size: int) -> "SelectScorer":
        """Scorers of a benchmark's questions."""
        forget, retain = (select_questions(questions, role) for role in ("forget", "retain"))
        return cls(KnowledgeScorer.of(tokenizer, forget, batch_size), QuestionScorer(tokenizer, retain, batch_size))

    @property
    def scorers(self) -> tuple[QuestionScorer, QuestionScorer]:
        """What asks the questions of either role."""
        return self.forget.asked, self.retain

    def keep_prefix(self, model, settings: dict) -> None:
        """Keep what a method entry does not train, unless it is kept already."""
        for scorer in self.scorers:
            keep_untrained(scorer, model, settings)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Score every layer again, for attacks that change them all."""
        prefixes = [(scorer, scorer.first_layer, scorer.prefix) for scorer in self.scorers]
        for scorer in self.scorers:
            scorer.first_layer, scorer.prefix = 0, []
        try:
            yield
        finally:
            for scorer, first_layer, prefix in prefixes:
                scorer.first_layer, scorer.prefix = first_layer, prefix

    def __call__(self, model) -> dict[str, float]:
        forget, floor = self.forget.accuracies(model)
        return {"forget": forget, "floor": floor, "retain": self.retain.accuracy(model)}


@dataclass
class Search:
    """Everything a search trains with; ``score`` gives select accuracies of a model."""

    model: object
    tokenizer: object
    caches: dict[str, ActivationCache]
    corpora: pandas.DataFrame
    score: SelectScorer
    seed: int
    on_candidate: Callable[[dict], None] = print

    def _train(self, settings: dict, row: list[dict], every: int | None = None) -> Rows:
        """Scores every ``every`` steps and at the end; the model stays unlearned until :meth:`_restore`."""
        self.trainer = make_trainer(self.model, settings, row, self.caches, self.seed)
        self.score.keep_prefix(self.model, settings)
        rows = []

        def after(done: int) -> None:
            if done == settings["steps"] or (every and done % every == 0):
                rows.append({"steps": done, **self.score(self.model)})

        self.trainer.run(after)
        return rows

    def _restore(self) -> None:
        self.trainer.engine.weights.release()

    def methods(self, settings: dict, grid: dict, every: int) -> Rows:
        """Learning rate x retain weight, each scored along its steps."""
        scores = []
        for rate, weight in product(grid["learning_rate"], grid["retain_weight"]):
            candidate = {"learning_rate": rate, "retain_weight": weight}
            rows = self._train({**settings, **candidate, "steps": grid["steps"]}, [], every)
            self._restore()
            scores += [{**candidate, **row} for row in rows]
            self.on_candidate(scores[-1])
        return scores

    def noise(self, settings: dict, entry: dict, scales: list[float]) -> Rows:
        """Noise scales of one defence, and none (scale 0)."""
        scores = []
        for scale in [0.0, *scales]:
            row = [{**entry, "parameters": {**entry["parameters"], "noise_scale": scale}}] if scale else []
            scores += [{"noise_scale": scale, **scored} for scored in self._train(settings, row)]
            self._restore()
            self.on_candidate(scores[-1])
        return scores

    def attack(self, settings: dict, entry: dict, rates: list[float]) -> Rows:
        """Learning rates of an attack on the plainly unlearned model, scored along its budget."""
        scores = []
        start = self._train(settings, [])[0]
        for rate in rates:
            scores.append({"learning_rate": rate, **start, "steps": 0})
            scored = self._attacked({**entry, "parameters": {**entry["parameters"], "learning_rate": rate}})
            scores += [{"learning_rate": rate, **row} for row in scored]
            self.on_candidate(scores[-1])
        self._restore()
        return scores

    def _attacked(self, entry: dict) -> Rows:
        """Scores along an attack's budget on the present model."""
        running = ATTACKS[entry["kind"]](**entry["parameters"])
        with self.score.whole():
            return [
                {"steps": attacked.budget["steps"], **self.score(attacked.model)}
                for attacked in running.run(AttackInput(self.model, self.tokenizer, self.corpora, self.seed))
            ]

    def defences(self, settings: dict, rows: dict[str, Rows], grids: dict[str, dict], attack: dict) -> Rows:
        """Every combination of each defence's values, and no defence, with what the attack brings back at its end."""
        scores = []
        candidates = [(NONE, {})]
        for name, grid in grids.items():
            candidates += [(name, dict(zip(grid, values, strict=True))) for values in product(*grid.values())]
        for name, values in candidates:
            row = [{**part, "parameters": {**part["parameters"], **values}} for part in rows.get(name, [])]
            scored = self._train(settings, row)[-1]
            relearned = self._attacked(attack)[-1]["forget"]
            self._restore()
            scores.append({"defence": name, "values": json.dumps(values), **scored, "relearned": relearned})
            self.on_candidate(scores[-1])
        return scores


def _allowed(rows: pandas.DataFrame, within: pandas.Series, stand_in: pandas.Series) -> tuple[pandas.DataFrame, bool]:
    """The rows within their margins and True; where there are none, the rows in their stead and False."""
    return (rows[within], True) if within.any() else (rows[stand_in], False)


def choose_method(scores: pandas.DataFrame, utility_bound: float, forget_margin: float) -> dict:
    """The fewest steps that bring forget accuracy to its floor, means over seeds, with retain within its margin of 1.

    The ``floor`` is the accuracy of the same model on the same questions about other entities. It is reached within
    ``forget_margin`` above it: steps beyond forget nothing, and lower accuracies are chance. Where no setting reaches
    it, the lowest accuracy stands in for it. Of equally few steps the highest retain accuracy is taken, then the lowest
    forget accuracy.
    """
    keys, measured = ["learning_rate", "retain_weight", "steps"], ["forget", "floor", "retain"]
    means = scores.groupby(keys, as_index=False)[measured].mean()
    best_retain = means["retain"] == means["retain"].max()
    allowed, within = _allowed(means, at_least(means["retain"], 1 - utility_bound), best_retain)
    floor = allowed["floor"].clip(lower=allowed["forget"].min())
    reached = allowed[at_most(allowed["forget"], floor + forget_margin)]
    chosen = reached.sort_values(["steps", "retain", "forget"], ascending=[True, False, True]).iloc[0]
    return {**chosen, "within_margin": within}


def choose_noise(scores: pandas.DataFrame, utility_bound: float, forget_margin: float) -> dict:
    """Largest scale that keeps retain within its margin of 1 and forget within its margin of plain unlearning's."""
    means = scores.groupby("noise_scale", as_index=False)[["forget", "retain"]].mean()
    plain = means.loc[means["noise_scale"] == 0, "forget"].iloc[0]
    noisy = means[means["noise_scale"] > 0]
    mild = at_most(noisy["forget"], plain + forget_margin) & at_least(noisy["retain"], 1 - utility_bound)
    allowed, within = _allowed(noisy, mild, noisy["noise_scale"] == noisy["noise_scale"].min())
    return {**allowed.sort_values("noise_scale").iloc[-1], "within_margin": within}


def choose_attack(scores: pandas.DataFrame, utility_bound: float) -> dict:
    """Highest forget accuracy reached anywhere along the budget where retain is within the margin of 1."""
    means = scores[scores["steps"] > 0].groupby(["learning_rate", "steps"], as_index=False)[["forget", "retain"]].mean()
    allowed, within = _allowed(means, at_least(means["retain"], 1 - utility_bound), means["retain"].notna())
    chosen = allowed.sort_values(["forget", "learning_rate"], ascending=[False, True]).iloc[0]
    return {**chosen, "within_margin": within}


def choose_defences(scores: pandas.DataFrame, utility_bound: float, forget_margin: float) -> pandas.DataFrame:
    """One row for each defence: the values with which relearning recovers least.

    It allows values that keep retain accuracy within its margin of 1 and forget accuracy within its margin of plain
    unlearning's; where none does, those of the highest retain accuracy.
    """
    means = scores.groupby(["defence", "values"], as_index=False, sort=False)[["forget", "retain", "relearned"]].mean()
    plain = means.loc[means["defence"] == NONE, "forget"].iloc[0]
    mild = at_most(means["forget"], plain + forget_margin) & at_least(means["retain"], 1 - utility_bound)
    means, rows = means.assign(within_margin=mild), []
    for _, part in means[means["defence"] != NONE].groupby("defence", sort=False):
        allowed, _ = _allowed(part, part["within_margin"], part["retain"] == part["retain"].max())
        rows.append(allowed.sort_values(["relearned", "retain"], ascending=[True, False], kind="stable").iloc[0])
    return pandas.DataFrame(rows)


VARIED = {
    "methods": ("learning_rate", "retain_weight", "steps"),
    "noise": ("noise_scale",),
    "attack": ("learning_rate",),
}


def choose(kind: str, scores: pandas.DataFrame, utility_bound: float, forget_margin: float) -> dict:
    """The settings that the criterion chooses among those of a search, with their select accuracies.

    ``within_margin`` is False where no setting keeps its margins, so that the least harmful one is chosen.
    """
    if kind == "defences":
        table = choose_defences(scores, utility_bound, forget_margin).set_index("defence")
        return {name: {**row, "values": json.loads(row["values"])} for name, row in table.to_dict("index").items()}
    if kind == "attack":
        chosen = choose_attack(scores, utility_bound)
    else:
        chosen = {"methods": choose_method, "noise": choose_noise}[kind](scores, utility_bound, forget_margin)
    settings = {name: float(chosen[name]) for name in (*VARIED[kind], "forget", "retain")}
    if "steps" in settings:
        settings["steps"] = int(settings["steps"])
    return settings | {"within_margin": chosen["within_margin"]}


def chosen_table(choices: dict[tuple[str, str], dict], config: dict) -> pandas.DataFrame:
    """One row a chosen setting of each (kind, method), beside what the configuration has."""
    settings, rows = config["tuning"], []
    for (kind, method), chosen in choices.items():
        if kind == "defences":
            rows += _chosen_defences(method, chosen, config["defences"])
            continue
        if kind == "methods":
            configured = config["methods"][method]
        elif kind == "noise":
            defence = config["defences"][settings["noise"]["defence"]]
            configured = defence_parameters(defence, method)
        else:
            configured = config["attacks"][settings["attack"]["attack"]]["parameters"]
        measured = {name: chosen[name] for name in ("forget", "retain", "within_margin")}
        rows += [
            {"kind": kind, "method": method, "setting": key, "chosen": chosen[key], "configured": configured[key],
             "agrees": chosen[key] == configured[key], **measured}
            for key in VARIED[kind]
        ]  # fmt: skip
    return pandas.DataFrame(rows)


def _chosen_defences(method: str, chosen: dict, defences: dict) -> Rows:
    rows = []
    for name, entry in chosen.items():
        configured = defence_parameters(defences[name], method)
        measured = {key: entry[key] for key in ("forget", "retain", "within_margin", "relearned")}
        rows += [
            {"kind": "defences", "method": method, "setting": f"{name}.{key}", "chosen": value,
             "configured": configured[key], "agrees": value == configured[key], **measured}
            for key, value in entry["values"].items()
        ]  # fmt: skip
    return rows
