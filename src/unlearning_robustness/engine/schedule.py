"""How long and how fast a run trains."""

from dataclasses import dataclass


def share_of_rate(step: int, steps: int, warm_up: int, decay: str) -> float:
    """What ``step``, counted from 0, has of the learning rate, 0 to 1, as transformers' schedules have it.

    It rises over ``warm_up`` steps from 0, so that the first of them moves nothing. With ``decay: linear`` it falls
    from there on, and would be 0 again after the last of ``steps``.
    """
    if step < warm_up:
        return step / warm_up
    return (steps - step) / max(1, steps - warm_up) if decay == "linear" else 1.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: a batch of forget and one of retain texts a step; ``clipping`` is a gradient norm."""

    steps: int
    learning_rate: float
    batch_size: int
    weight_decay: float = 0.0
    warm_up: int = 0
    decay: str = "none"
    clipping: float | None = None

    def share_at(self, step: int) -> float:
        """What ``step``, counted from 0, has of the learning rate."""
        return share_of_rate(step, self.steps, self.warm_up, self.decay)
