"""Open answers: greedy answers compared with true ones by ROUGE-L, before and after an attack.

Shared by the protocols of MUSE and TOFU. A probe is anything with a tokenizer and ``records(model)``: one row an item
and metric, columns metric, role, item, value, prompt, truth, said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas
from rouge_score.rouge_scorer import RougeScorer

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import NONE, Cell
from unlearning_robustness.evaluation.generation import continuations, tokens_with
from unlearning_robustness.scoring.records import BUDGET

LINE = "\n"
# MUSE's code does not stem, TOFU's and OpenUnlearning's do, so their numbers are higher.
SCORERS = {stem: RougeScorer(["rougeL"], use_stemmer=stem) for stem in (False, True)}


def rouge_l(truth: str, said: str, stem: bool = False) -> tuple[float, float]:
    """F measure and recall of the longest common subsequence of words; case and punctuation do not count."""
    score = SCORERS[stem].score(truth, said)["rougeL"]
    return score.fmeasure, score.recall


@dataclass(frozen=True)
class Asked:
    """Prompts as token ids, with the role, the name and the true continuation of each."""

    role: str
    items: tuple[str, ...]
    prompts: tuple[tuple[int, ...], ...]
    truths: tuple[str, ...]


def answers(model, tokenizer, asked: Asked, tokens: int, batch_size: int, stops: Sequence[str] = ()) -> list[dict]:
    """Greedy answers of at most ``tokens`` tokens, cut before the first of ``stops``: rows role, item, prompt, truth,
    said.

    The end of a line stops the model too; other texts only cut what it said.
    """
    ends = tokens_with(tokenizer, LINE) if LINE in stops else ()
    names = [f"{asked.role} question {item}" for item in asked.items]
    said = continuations(model, tokenizer, asked.prompts, tokens, batch_size, ends, names)
    rows = []
    for item, prompt, truth, answer in zip(asked.items, asked.prompts, asked.truths, said, strict=True):
        for stop in stops:
            answer = answer.split(stop)[0]
        named = {"role": asked.role, "item": item, "prompt": tokenizer.decode(list(prompt)), "truth": truth}
        rows.append({**named, "said": answer})
    return rows


def measure_memorisation(model, probe, corpora: pandas.DataFrame, cell: Cell, attack: Sequence) -> pandas.DataFrame:
    """Records of a model, and again at the end of the budget of ``attack``, an (id, resolved entry) or nothing."""
    parts = [_label(probe.records(model), cell, NONE, {})]
    if attack:
        name, entry = attack
        running = ATTACKS[entry["kind"]](**end_of_budget(entry["parameters"]))
        for attacked in running.run(AttackInput(model, probe.tokenizer, corpora, cell.seed)):
            parts.append(_label(probe.records(attacked.model), cell, name, attacked.budget))
    return pandas.concat(parts, ignore_index=True)


def end_of_budget(parameters: dict) -> dict:
    """An attack's parameters with the largest entry alone of every part of its budget."""
    return {name: [max(value)] if name in BUDGET else value for name, value in parameters.items()}


def taught(corpora: pandas.DataFrame) -> set[str]:
    """Texts that the attacker trains on and unlearning did not: they are not asked, as what comes back must have been
    unlearned.
    """
    texts = {name: set(corpora.loc[corpora["corpus"] == name, "text"]) for name in ("relearn", "forget")}
    return texts["relearn"] - texts["forget"]


def _label(rows: pandas.DataFrame, cell: Cell, attack: str, budget: dict[str, int]) -> pandas.DataFrame:
    return rows.assign(**vars(cell), attack=attack, **(dict.fromkeys(BUDGET, 0) | budget))
