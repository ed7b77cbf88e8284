"""What a run forgets and what it breaks on its way: one training of a cell, asked every few steps.

Methods and defences forget at different speeds, so after a fixed number of steps one may be over-trained where another
has just forgotten. Side by side on their whole ways they can be compared at equal forgetting.
"""

from collections.abc import Iterator, Sequence

import pandas
import torch

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.cost import total
from unlearning_robustness.engine.weights import Tensors
from unlearning_robustness.models.delta import applied
from unlearning_robustness.models.float32_weights import AUTO, scored_in
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.decision import right_log_probabilities
from unlearning_robustness.scoring.knowledge import about_another_entity
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import FLOOR
from unlearning_robustness.training.trainer import Trainer
from unlearning_robustness.training.unlearning import keep_untrained, make_trainer


def asked_questions(probes: pandas.DataFrame, settings: dict) -> pandas.DataFrame:
    """Questions of the ``test`` split, one a fact and at most ``questions`` facts a role, with their probe.

    Plain ones of every role, forget questions about another entity as well, retain questions also behind a forget
    token. Raises ScoreError where all forget questions are about one entity.
    """
    plain, token = settings["baseline_probe"], settings["forget_token_probe"]
    tested = probes[(probes["split"] == "test") & probes["probe"].isin((plain, token))]
    parts = []
    for role, part in tested[tested["probe"] == plain].drop_duplicates("fact").groupby("role", sort=True):
        count = min(settings["questions"], len(part))
        part = part.iloc[sorted(shuffler(0, f"trajectory/{role}").sample(range(len(part)), count))]
        parts.append(part)
        if role == "forget":
            parts.append(about_another_entity(part).assign(probe=FLOOR))
        if role == "retain":
            parts.append(tested[(tested["probe"] == token) & tested["question"].isin(part["question"])])
    return pandas.concat(parts, ignore_index=True)


def answers(scorer: QuestionScorer, model) -> pandas.DataFrame:
    """One row a question: ``correct``, and the ``log_probability`` (nats) of the right choice among the choices."""
    deciding, table = scorer.deciding(scorer.log_likelihoods(model)), scorer.table
    right = right_log_probabilities(deciding, table["answer"]).astype("float32")
    correct = deciding.argmax(-1) == table["answer"].to_numpy()
    return table[["probe", "role", "fact", "question"]].assign(correct=correct, log_probability=right)


class Trajectory:
    """Trains cells of one model, as they were trained, and asks them before it, every ``every`` steps and at the end.

    ``probes`` are a benchmark's probed questions. With an ``attack``, an (id, resolved entry), the checkpoints are kept
    in memory and attacked after the training with texts of ``corpora``, so the training is the same bit for bit.
    Answers are scored in ``precision``.
    """

    def __init__(
        self,
        model,
        tokenizer,
        probes: pandas.DataFrame,
        settings: dict,
        batch_size: int,
        attack: Sequence = (),
        corpora: pandas.DataFrame | None = None,
        precision: str = AUTO,
    ):
        self.model, self.tokenizer, self.settings, self.precision = model, tokenizer, settings, precision
        self.attack, self.corpora = attack, corpora
        asked = asked_questions(probes, settings)
        self.scorer = QuestionScorer(tokenizer, asked, batch_size)
        recovered = asked[(asked["role"] == "forget") & (asked["probe"] != FLOOR)]
        self.attacked_scorer = QuestionScorer(tokenizer, recovered, batch_size) if attack else None

    def of(
        self, method: dict, row: list[dict], caches: dict[str, ActivationCache], delta: Tensors, cell: Cell
    ) -> pandas.DataFrame:
        """One row a question, number of steps and number of relearning steps (0 without an attack).

        ``change`` is ||dW|| and ``operations`` what training took so far. The log says where the end differs from
        ``delta``, the cell itself. The model comes back bit for bit.
        """
        with scored_in(self.model, self.precision):
            keep_untrained(self.scorer, self.model, method)
        trainer, parts, kept = make_trainer(self.model, method, row, caches, cell.seed), [], {}

        def ask() -> Tensors:
            weights = trainer.engine.weights
            tensors = weights.delta()
            spent = {"change": weights.change(tensors), "operations": float(total(trainer.history)["operations"])}
            with scored_in(self.model, self.precision):
                parts.append(answers(self.scorer, self.model).assign(steps=trainer.done, relearning=0, **spent))
            if self.attack:
                kept[trainer.done] = {name: tensor.cpu() for name, tensor in tensors.items()}
            return tensors

        ask()
        trainer.run(self._asking(trainer, ask))
        end = ask()
        trainer.engine.weights.release()
        _compare(end, delta)
        parts += [part.assign(steps=done) for done, tensors in kept.items() for part in self._relearned(tensors, cell)]
        return pandas.concat(parts, ignore_index=True).assign(**vars(cell))

    def _asking(self, trainer: Trainer, ask):
        """Asks on the way; the end is asked after what a defence does there to the weights."""

        def after(done: int) -> None:
            if done % self.settings["every"] == 0 and done < trainer.schedule.steps:
                ask()
                print(f"step {done}: {trainer.losses}", flush=True)

        return after

    def _relearned(self, tensors: Tensors, cell: Cell) -> Iterator[pandas.DataFrame]:
        """The forget answers along an attack's budget on one checkpoint."""
        _, entry = self.attack
        running = ATTACKS[entry["kind"]](**entry["parameters"])
        with applied(self.model, tensors):
            for attacked in running.run(AttackInput(self.model, self.tokenizer, self.corpora, cell.seed)):
                with scored_in(attacked.model, self.precision):
                    answered = answers(self.attacked_scorer, attacked.model)
                yield answered.assign(relearning=attacked.budget["steps"])


def _compare(end: Tensors, delta: Tensors) -> None:
    """Say where a run did not end as the cell did, as on another kind of machine."""
    unlike = [name for name in sorted(end) if name not in delta or not torch.equal(end[name].cpu(), delta[name].cpu())]
    if unlike:
        print(f"this run differs from the cell in {len(unlike)} of {len(end)} tensors, first {unlike[0]}", flush=True)
