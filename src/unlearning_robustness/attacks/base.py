"""What an attack is given and what it gives back."""

from dataclasses import dataclass

import pandas
from torch import nn


@dataclass(frozen=True)
class AttackInput:
    """An unlearned model, its tokenizer, the benchmark's texts (columns corpus, kind, text) and the cell's seed."""

    model: nn.Module
    tokenizer: object
    corpora: pandas.DataFrame
    seed: int


@dataclass(frozen=True)
class AttackedModel:
    """The attacked model at one point of its budget; score it before asking for the next."""

    model: nn.Module
    budget: dict[str, int]
