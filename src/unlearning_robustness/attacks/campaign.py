"""Run an attack over its whole budget and ask the questions along the way."""

import time

import pandas

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import label


def attack_cell(
    model,
    tokenizer,
    cell: Cell,
    attack: str,
    settings: dict,
    questions: pandas.DataFrame,
    corpora: pandas.DataFrame,
    batch_size: int,
) -> tuple[list[pandas.DataFrame], dict]:
    """Records at every point of the attack's budget, and the cost: seconds spent attacking and scoring.

    Asked are the ``test`` questions of the attack's roles, plainly, one template a fact.
    """
    asked = questions[(questions["split"] == "test") & questions["role"].isin(settings["roles"])]
    asked = asked.drop_duplicates("fact").assign(probe="plain")
    scorer = QuestionScorer(tokenizer, asked, batch_size)
    parts, scoring, started = [], 0.0, time.monotonic()
    running = ATTACKS[settings["kind"]](**settings["parameters"])
    for attacked in running.run(AttackInput(model, tokenizer, corpora, cell.seed)):
        begun = time.monotonic()
        records = label(scorer.records(attacked.model), cell, attack, attacked.budget)
        parts.append(records)
        scoring += time.monotonic() - begun
        print(f"{attack} {attacked.budget}: accuracy {records['correct'].mean():.3f}", flush=True)
    cost = {"attack_seconds": time.monotonic() - started - scoring, "scoring_seconds": scoring}
    return parts, cost
