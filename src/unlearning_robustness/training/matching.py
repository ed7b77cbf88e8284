"""Controls that are matched to a trained cell: the plain run stopped where it is equal, or the cell made otherwise.

The earliest step that is equal is taken. Where a method has forgotten all there is to forget, further steps change what
it answers by chance alone, and a nearest step would be one of them by chance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy

from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.engine.cost import total
from unlearning_robustness.engine.weights import Tensors, change_of
from unlearning_robustness.models.delta import applied
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.scoring.bounds import not_above, standard_error
from unlearning_robustness.scoring.knowledge import KnowledgeScorer
from unlearning_robustness.training.trainer import Trainer


@dataclass(frozen=True)
class Matched:
    """The trained cell that a control is matched to: its tensors, and what its manifest says."""

    tensors: Tensors
    facts: dict


@dataclass(frozen=True)
class Equality:
    """What a run is compared with, and how: ``value`` is the matched cell's, a number or one a question.

    ``here`` gives the run's own, and ``reached`` says of it whether it is equal.
    """

    value: float | numpy.ndarray
    here: Callable[[Trainer], float | numpy.ndarray]
    reached: Callable[[float | numpy.ndarray], bool]

    def facts(self, own: float | numpy.ndarray) -> dict[str, float | bool]:
        """What a manifest says: both values (of questions, means with their difference's error), and ``equal``."""
        facts = {"matched_value": float(numpy.mean(self.value)), "own_value": float(numpy.mean(own))}
        if numpy.ndim(own):
            facts["value_error"] = standard_error(own - self.value)
        return facts | {"equal": self.reached(own)}


def equality_of(control: EarlyStop, model, matched: Matched, scorer: KnowledgeScorer | None) -> Equality:
    """The equality that a control looks for; ``model`` is the reference, which comes back bit for bit."""
    if control.equal == "forgetting":
        with applied(model, matched.tensors):
            margins = scorer.margins(model)
        return Equality(
            margins, lambda trainer: scorer.margins(model), lambda own: not_above(own, margins, control.confidence)
        )
    if control.equal == "distance":
        before = {name: model.get_parameter(name).detach() for name in matched.tensors}
        value, here = change_of(before, matched.tensors), distance_of
    else:
        value, here = matched.facts["operations"], operations_of
    return Equality(value, here, lambda own: own >= value)


def distance_of(trainer: Trainer) -> float:
    """How far a run has moved the weights, ||dW||."""
    weights = trainer.engine.weights
    return weights.change(weights.delta())


def operations_of(trainer: Trainer) -> float:
    """Floating point operations that a run has taken."""
    return total(trainer.history)["operations"]


def stop_when_equal(trainer: Trainer, every: int, equality: Equality) -> dict:
    """Train, look every ``every`` steps and at the end, and stop at the first step that is equal.

    Returns what the manifest says of it. A run that ends before it is equal says so in its log and its manifest.
    """
    progress, facts = Progress("step", trainer.schedule.steps), {"equal": False}

    def after(done: int) -> bool:
        if done % every == 0 or done == trainer.schedule.steps:
            facts.update(equality.facts(equality.here(trainer)))
        progress(done, f"{trainer.losses} {facts}")
        return facts["equal"]

    trainer.run(after)
    if not facts["equal"]:
        print(f"not equal after {trainer.done} steps: {facts}; raise the control's `longest`", flush=True)
    return {"steps": trainer.done, **facts}


def remade(control, model, layers: list[int], matched: Matched, seed: int) -> tuple[Tensors, list[dict], dict]:
    """What a control makes of the matched cell without training, no history, and what the manifest says.

    ``layers`` are those that the method trains. The model is left as it is.
    """
    tensors = control.remade(model, layers, matched.tensors, seed)
    tensors = {name: tensors[name] for name in sorted(tensors)}
    original = {name: model.get_parameter(name).detach() for name in tensors}
    facts = {"steps": 0, **total([]), "trained_tensors": list(tensors)}
    facts["weight_change"] = change_of(original, tensors)
    facts["matched_weight_change"] = change_of({name: original[name] for name in matched.tensors}, matched.tensors)
    return tensors, [], facts
