"""Run an attack over its whole budget and ask the questions along the way."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pandas

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.ledger import Ledger
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.models.float32_weights import AUTO, scored_in
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
    splits: tuple[str, ...] = ("test",),
    precision: str = AUTO,
) -> tuple[list[pandas.DataFrame], dict]:
    """Records at every point of the attack's budget, and facts for the manifest.

    The facts are the cost of attacking, scoring left out, see ``Ledger``, how the questions were asked, and the losses
    of a search, step by step.

    Asks the questions of ``splits`` and of the attack's roles, one template a fact, plainly unless the attack asks
    otherwise. The attack may choose its settings on the ``select`` questions, and show those of the ``relearn`` split
    with their answers. Inside ``reference()`` the model is the one before unlearning. Answers that are
    recorded are scored in ``precision``; what an attack computes itself is not.
    """
    once = questions.drop_duplicates("fact")
    asked = once[once["split"].isin(splits) & once["role"].isin(settings["roles"])].assign(probe="plain")
    plain = scorer = QuestionScorer(tokenizer, asked, batch_size)
    given = attack_input(model, tokenizer, cell.seed, questions, corpora, batch_size, reference)
    parts, ledger, losses = [], Ledger(model), ()
    running = ATTACKS[settings["kind"]](**settings["parameters"]).run(given)
    # Closing it also when scoring fails gives the model back.
    with closing(running):
        for attacked in ledger.charged(running):
            scorer = plain if attacked.ask is as_it_is else QuestionScorer(tokenizer, attacked.ask(asked), batch_size)
            with scored_in(attacked.model, precision):
                answered = scorer.answered(attacked.read(scorer, attacked.model))
            records = label(answered, cell, attack, attacked.budget, attacked.setting)
            parts.append(records)
            losses = max(losses, attacked.losses, key=len)
            print(
                f"{attack} {attacked.budget} {attacked.setting}: accuracy {records['correct'].mean():.3f}", flush=True
            )
    return parts, {**ledger.cost(), "scoring": scorer.facts, "losses": list(losses)}


def attack_input(
    model,
    tokenizer,
    seed: int,
    questions: pandas.DataFrame,
    corpora: pandas.DataFrame,
    batch_size: int,
    reference: Callable[[], AbstractContextManager] | None = None,
) -> AttackInput:
    """What an attack on a cell of this seed gets; it sees one template a fact."""
    once = questions.drop_duplicates("fact")
    select, answered = (once[once["split"] == split] for split in ("select", "relearn"))
    return AttackInput(model, tokenizer, corpora, seed, select, reference, batch_size, answered)
