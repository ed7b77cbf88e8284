"""What an attack gets and what it yields."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pandas
import torch
from torch import nn

from unlearning_robustness.scoring.questions import QuestionScorer

Ask = Callable[[pandas.DataFrame], pandas.DataFrame]
Read = Callable[[QuestionScorer, nn.Module], torch.Tensor]


@dataclass(frozen=True)
class AttackInput:
    """An unlearned model, its tokenizer, the benchmark's texts (columns corpus, kind, text) and the cell's seed.

    ``select`` are the questions of the select split, one template a fact, on which an attack chooses its settings;
    ``answered`` are those of the relearn split, whose answers an attacker may know; inside ``reference()`` the model
    is the one before unlearning; ``batch_size`` is that of scoring.
    """

    model: nn.Module
    tokenizer: object
    corpora: pandas.DataFrame
    seed: int
    select: pandas.DataFrame | None = None
    reference: Callable[[], AbstractContextManager] | None = None
    batch_size: int = 48
    answered: pandas.DataFrame | None = None


def as_it_is(questions: pandas.DataFrame) -> pandas.DataFrame:
    """The questions unchanged."""
    return questions


def at_the_end(scorer: QuestionScorer, model: nn.Module) -> torch.Tensor:
    """Log-likelihoods (Q, C) of the choices where the model itself predicts."""
    return scorer.log_likelihoods(model)


@dataclass(frozen=True)
class AttackedModel:
    """The attacked model at one point of its budget; score it before asking for the next.

    An attack changes weights or hooks of ``model``, how it is asked (``ask`` changes the columns prompt and choices) or
    where it is read (``read`` gives log-likelihoods (Q, C)). ``setting`` says in words what was chosen, if anything.
    Where an attack ``continues`` from the point before, this one costs what that one did, and more. ``losses`` are
    those of the search so far, step by step, if it is one.
    """

    model: nn.Module
    budget: dict[str, int]
    setting: str = ""
    ask: Ask = as_it_is
    read: Read = at_the_end
    continues: bool = False
    losses: tuple[float, ...] = ()
