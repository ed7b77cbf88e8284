"""How long and how fast a run trains."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: constant learning rate, a batch of forget and one of retain texts a step."""

    steps: int
    learning_rate: float
    batch_size: int
    weight_decay: float = 0.0
