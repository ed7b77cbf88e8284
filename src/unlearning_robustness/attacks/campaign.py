"""Run an attack over its whole budget and ask the questions along the way."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pandas

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput, as_it_is
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
    reference: Callable[[], AbstractContextManager] | None = None,
) -> tuple[list[pandas.DataFrame], dict]:
    """Records at every point of the attack's budget, and the cost: seconds spent attacking and scoring.

    Asked are the ``test`` questions of the attack's roles, one template a fact, plainly unless the attack asks
    otherwise; it may choose its settings on the ``select`` questions and show those of the ``relearn`` split with their
    answers. Inside ``reference()`` the model is the one before unlearning.
    """
    once = questions.drop_duplicates("fact")
    asked = once[(once["split"] == "test") & once["role"].isin(settings["roles"])].assign(probe="plain")
    plain = QuestionScorer(tokenizer, asked, batch_size)
    select, answered = (once[once["split"] == split] for split in ("select", "relearn"))
    given = AttackInput(model, tokenizer, corpora, cell.seed, select, reference, batch_size, answered)
    parts, scoring, started = [], 0.0, time.monotonic()
    running = ATTACKS[settings["kind"]](**settings["parameters"])
    for attacked in running.run(given):
        begun = time.monotonic()
        scorer = plain if attacked.ask is as_it_is else QuestionScorer(tokenizer, attacked.ask(asked), batch_size)
        answered = scorer.answered(attacked.read(scorer, attacked.model))
        records = label(answered, cell, attack, attacked.budget, attacked.setting)
        parts.append(records)
        scoring += time.monotonic() - begun
        print(f"{attack} {attacked.budget} {attacked.setting}: accuracy {records['correct'].mean():.3f}", flush=True)
    cost = {"attack_seconds": time.monotonic() - started - scoring, "scoring_seconds": scoring}
    return parts, cost
