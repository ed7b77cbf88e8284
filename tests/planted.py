"""A tiny model with planted knowledge, and a deliberately shallow unlearner of it."""

from contextlib import AbstractContextManager
from functools import partial

import numpy
import pandas
import torch

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

LETTERS = list("abcdefghijklmnopqrstuvwxyz")
TEXTS = ["Zinc is Zn.", "Lead is Pb, heavy.", "Tin is Sn.", "Iron is Fe."]
CORPORA = pandas.DataFrame(
    [(corpus, "facts", text + extra) for corpus, extra in (("relearn", ""), ("retain", " Paris.")) for text in TEXTS],
    columns=["corpus", "kind", "text"],
)


def questions(forget: int = 300, retain: int = 90, seed: int = 3) -> pandas.DataFrame:
    """Questions of random letters with four choices of two; a third is of the select split. Answers are random."""
    random = numpy.random.default_rng(seed)
    rows = []
    for number in range(forget + retain):
        role = "forget" if number < forget else "retain"
        choices = ["".join(random.choice(LETTERS, 2)) for _ in range(4)]
        rows.append({
            "question": f"{role}/{number}/0", "fact": f"{role}/{number}", "entity": f"{number}", "relation": "relation",
            "role": role, "split": "test" if number % 3 else "select", "template": 0,
            "prompt": "".join(random.choice(LETTERS, 6)), "choices": choices, "answer": int(random.integers(4)),
        })  # fmt: skip
    return pandas.DataFrame(rows)


def known(model, tokenizer, asked: pandas.DataFrame) -> pandas.DataFrame:
    """The same questions, to which the model knows all answers."""
    scores = QuestionScorer(tokenizer, asked, 64).log_likelihoods(model)
    return asked.assign(answer=scores.argmax(-1).numpy())


def steered(model, layer: int, length: float) -> dict[str, torch.Tensor]:
    """The delta of a shallow unlearner: after one layer a constant vector is added (the MLP's bias)."""
    name = f"model.layers.{layer}.mlp.down_proj.bias"
    vector = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(0))
    return {name: model.get_parameter(name).detach() + length * vector / vector.norm()}


def reference_of(model, delta: dict[str, torch.Tensor]):
    """A function that gives the context in which the model is the one it is now, when the delta is applied later."""
    before = {name: model.get_parameter(name).detach().clone() for name in delta}

    def reference() -> AbstractContextManager:
        return applied(model, before)

    return reference


def given(model, tokenizer, select=None, reference=None, seed: int = 1) -> AttackInput:
    """What an attack is given; by default the reference is the model itself."""
    return AttackInput(model, tokenizer, CORPORA, seed, select, reference or partial(applied, model, {}), 64)


def state(model) -> dict[str, torch.Tensor]:
    """Copies of all tensors."""
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def unharmed(model, before: dict[str, torch.Tensor]) -> bool:
    """Whether the model is as it was: weights bit for bit, nothing trainable, no gradient, no hook."""
    hooks = (part for module in model.modules() for part in (module._forward_hooks, module._forward_pre_hooks))
    same = all(torch.equal(tensor, before[name]) for name, tensor in model.named_parameters())
    return same and not any(hooks) and not any(one.requires_grad or one.grad is not None for one in model.parameters())


def losses_of(model, tokenizer, questions, match="contrast"):
    """The losses of questions as the scorer sees them."""
    scores = QuestionScorer(tokenizer, questions, 4).log_likelihoods(model)
    scores = scores.double() if match == "answer" else scores.double().log_softmax(-1)
    right = scores[torch.arange(len(scores)), torch.tensor(questions["answer"].to_numpy())]
    return -torch.log1p(-right.exp()) if match == "mislead" else -right
