"""Vectors that are trained to change what a model reads, on facts whose answers the attacker knows.

The attacks of Schwinn et al. (arXiv 2402.09063) act on embeddings, of which no text need exist. Differs from their
code: one change serves all questions. It is trained on facts about other entities than those that are asked about and
chosen on ``select``, so that it cannot carry an answer; vectors that are trained on a question's own answer bring any
answer to any model, one that never knew it included.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.attacks.base import AttackedModel, AttackInput, as_it_is
from unlearning_robustness.attacks.select_split import SelectAccuracy, best
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.quick_start import without_compiler
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.decision import SUM, all_divisors
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.knowledge import about_another_entity
from unlearning_robustness.scoring.multiple_choice import by_question, collate, run_packed, to_device
from unlearning_robustness.scoring.packing import PackedQuestion
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.training.orders import batch_order


@dataclass(frozen=True)
class InputChange:
    """How trained vectors (n, d) change what a model reads.

    ``pack`` gives the scorer's questions with room for them, ``apply`` the embeddings (B, T, d) of ids (B, T) with the
    vectors in them, ``bound`` the vectors after a step, brought back to what is allowed.
    """

    pack: Callable[[QuestionScorer], list[PackedQuestion]]
    apply: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    bound: Callable[[torch.Tensor], torch.Tensor] = lambda vectors: vectors

    @contextmanager
    def of(self, model, vectors: torch.Tensor) -> Iterator[None]:
        """Inside the block the model reads what the vectors make of its embeddings."""

        def change(_, inputs, embeddings: torch.Tensor) -> torch.Tensor:
            return self.apply(inputs[0], embeddings, vectors.to(embeddings.dtype))

        handle = model.get_input_embeddings().register_forward_hook(change)
        try:
            yield
        finally:
            handle.remove()

    def read(self, vectors: torch.Tensor) -> Callable[[QuestionScorer, torch.nn.Module], torch.Tensor]:
        """Log-likelihoods (Q, C) of a scorer's choices where a model reads the changed inputs."""

        def log_likelihoods(scorer: QuestionScorer, model) -> torch.Tensor:
            with self.of(model, vectors):
                return scorer.repacked(self.pack(scorer)).log_likelihoods(model)

        return log_likelihoods


def contrast_of(model, packed: Sequence[PackedQuestion], right: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy () of the right choices (Q,) among the choices, which accuracy decides by.

    ``shares`` (Q, C) divide the choices' log-likelihoods before they are compared.
    """
    device = next(model.parameters()).device
    batch, span = to_device(collate(packed), device), LayerSpan(model, 0, model.config.num_hidden_layers)
    hidden = run_packed(span, batch)
    positions, inverse = (batch.rows * hidden.shape[1] + batch.columns).unique(return_inverse=True)
    token = logits_of(model, hidden.flatten(0, 1)[positions]).log_softmax(-1)[inverse, batch.targets]
    counts = [len(question.choices) for question in packed]
    sums = by_question(token.new_zeros(sum(counts)).index_add(0, batch.owner, token), counts)
    return cross_entropy(sums / shares[:, : max(counts)].to(device), right.to(device))


def train(
    attack: AttackInput, change: InputChange, start: torch.Tensor, steps: int, learning_rate: float, batch_size: int
) -> Iterator[tuple[torch.Tensor, float]]:
    """The vectors (n, d), float32, after each step of Adam on the answered forget questions, and its loss.

    The learning rate is a share of the root mean square of the model's embeddings. Raises DataError without questions.
    """
    answered = attack.answered[attack.answered["role"] == "forget"]
    if answered.empty:
        raise DataError("this attack trains on forget questions of the relearn split, which has none")
    scorer = QuestionScorer(attack.tokenizer, answered, attack.batch_size)
    packed, right = change.pack(scorer), torch.tensor(answered["answer"].to_numpy())
    rules = answered.get("decided_by", pandas.Series(SUM, answered.index))
    shares = torch.from_numpy(all_divisors(rules, answered["choices"], [row.choices for row in packed]))
    vectors = start.clone().requires_grad_()
    scale = attack.model.get_input_embeddings().weight.float().square().mean().sqrt().item()
    optimiser, progress = torch.optim.Adam([vectors], learning_rate * scale), Progress("step", steps)
    order = batch_order(len(packed), min(batch_size, len(packed)), steps, generator(attack.seed, "attack-order"))
    for number, rows in enumerate(order, start=1):
        with change.of(attack.model, vectors), backward_attention(vectors.device):
            loss = contrast_of(attack.model, [packed[row] for row in rows], right[rows], shares[rows])
        need_finite(loss.detach()[None], ["trained inputs"], "loss")
        (vectors.grad,) = torch.autograd.grad(loss, [vectors])
        with without_compiler():
            optimiser.step()
        with torch.no_grad():
            vectors.copy_(change.bound(vectors))
        progress(number, f"loss {loss.item():.3f}")
        yield vectors.detach().clone(), loss.item()


def search(attack: AttackInput, change: InputChange, start: torch.Tensor, settings) -> Iterator[AttackedModel]:
    """Yield the model after each of ``settings.steps`` with the vectors that were best on select up to then.

    Plain asking is a candidate. With ``settings.entity`` ``another`` forget questions are asked about another entity:
    what the same vectors get without any knowledge.
    """
    ask, last = (as_it_is if settings.entity == "own" else about_another), max(settings.steps)
    plain = AttackedModel(attack.model, {"steps": 0}, "plain", ask)
    if 0 in settings.steps:
        yield plain
    if last == 0:
        return
    accuracy = SelectAccuracy(attack)
    scores = [(plain, accuracy(AttackedModel(attack.model, {})))]
    trained = train(attack, change, start, last, settings.learning_rate, settings.batch_size)
    losses = []
    for step, (vectors, loss) in enumerate(trained, start=1):
        losses.append(loss)
        if step not in settings.steps:
            continue
        read = change.read(vectors)
        attacked = AttackedModel(attack.model, {"steps": step}, f"after {step} steps", ask, read)
        scores.append((attacked, accuracy(AttackedModel(attack.model, {}, read=read))))
        chosen, _ = best(scores, scores[0][1], settings.utility_bound)
        yield AttackedModel(attack.model, {"steps": step}, chosen.setting, ask, chosen.read, True, tuple(losses))


def about_another(questions: pandas.DataFrame) -> pandas.DataFrame:
    """The forget questions about another entity, the others as they are."""
    forget = questions["role"] == "forget"
    prompts = questions["prompt"].where(~forget, about_another_entity(questions[forget])["prompt"])
    return questions.assign(prompt=prompts)
