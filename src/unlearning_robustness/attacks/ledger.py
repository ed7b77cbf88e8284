"""What an attack costs, point by point of its budget; scoring is not charged to it."""

import time
from collections.abc import Iterator

from torch import nn

from unlearning_robustness.attacks.base import AttackedModel
from unlearning_robustness.models.flop_counter import Spent, metered
from unlearning_robustness.scoring.records import BUDGET


class Ledger:
    """Counts passes, tokens, operations and seconds between an attack's points, and seconds alone for scoring."""

    def __init__(self, model: nn.Module):
        self.model, self.total, self.costs = model, dict.fromkeys(["seconds", *vars(Spent())], 0), []
        self.scoring_seconds = 0.0

    def charged(self, attack: Iterator[AttackedModel]) -> Iterator[AttackedModel]:
        """Yield the attack's points; until the caller asks for the next one, time counts as scoring."""
        running = dict.fromkeys(self.total, 0)
        while True:
            begun, spent = time.monotonic(), Spent()
            with metered(self.model, spent):
                attacked = next(attack, None)
            part = {"seconds": time.monotonic() - begun, **vars(spent)}
            self.total = _sum(self.total, part)
            if attacked is None:
                return
            running = _sum(running, part) if attacked.continues else part
            budget = dict.fromkeys(BUDGET, 0) | attacked.budget
            self.costs.append({**budget, "setting": attacked.setting, **running})
            begun = time.monotonic()
            yield attacked
            self.scoring_seconds += time.monotonic() - begun

    def cost(self) -> dict:
        """``attack_seconds`` and ``scoring_seconds``; passes, tokens and operations of the whole attack.

        ``points`` says what it takes to get to each point: where an attack ``continues``, that includes the points
        before it; where a run begins anew, it does not.
        """
        spent = {name: value for name, value in self.total.items() if name != "seconds"}
        seconds = {"attack_seconds": self.total["seconds"], "scoring_seconds": self.scoring_seconds}
        return {**seconds, **spent, "points": self.costs}


def _sum(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: value + other[name] for name, value in one.items()}
