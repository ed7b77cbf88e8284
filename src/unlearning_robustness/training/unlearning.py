"""Unlearn one cell: train, stop the plain run where it matches a defended one, or remake a cell without training."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from unlearning_robustness.config.effects import COSINES, SAME
from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.row import build_step, manifest_facts, matched_control, reschedule
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.cost import total
from unlearning_robustness.engine.engine import Engine, loss_mask
from unlearning_robustness.engine.lora import LowRankWeights, modules_of_layers
from unlearning_robustness.engine.precision import PureWeights, StochasticWeights
from unlearning_robustness.engine.released import ReleasedEngine
from unlearning_robustness.engine.schedule import Schedule
from unlearning_robustness.engine.weights import (
    Tensors,
    TrainedWeights,
    down_projections,
    every_tensor,
    norm,
    output_biases,
    tensors_of_layers,
)
from unlearning_robustness.errors import ConfigError, InterruptionError, TrainingError
from unlearning_robustness.methods.method import Method, build_method
from unlearning_robustness.runtime import parallel
from unlearning_robustness.runtime.artefacts import is_whole, seal_state
from unlearning_robustness.runtime.interruption import listen_for_stop
from unlearning_robustness.runtime.launcher import is_main
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.scoring.knowledge import KnowledgeScorer
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.training.matching import Matched, equality_of, remade, stop_when_equal
from unlearning_robustness.training.orders import batch_order
from unlearning_robustness.training.trainer import Trainer

CHECKPOINT_SECONDS = 60.0
# Which tensors are trained: their names in a model, by the value of `trained`.
NAMES = {
    "down-projections": down_projections,
    "output-biases": output_biases,
    "full": tensors_of_layers,
    "all": every_tensor,
}
SCHEDULE = ("steps", "learning_rate", "batch_size", "weight_decay", "warm_up", "decay", "clipping")


@dataclass
class Unlearned:
    """The changed tensors, the training history, and what the manifest should say."""

    tensors: Tensors
    history: list[dict]
    facts: dict


def make_trainer(
    model, settings: dict, row: list[dict], caches: dict[str, ActivationCache], seed: int, **changes
) -> Trainer:
    """A trainer for a resolved method entry and defence row; ``changes`` override entries of the schedule."""
    method = _by_topic(build_method(settings), caches["forget"])
    method.check_depth(model.config.num_hidden_layers)
    entries = {key: settings[key] for key in SCHEDULE if key in settings}
    schedule = reschedule(row, Schedule(**{**entries, **changes}))
    refusal = caches["refusal"] if getattr(method.forget_loss, "needs_refusal", False) else None
    weights = trained_weights(model, settings, seed)
    if settings.get("learning_rate_unit") == "norm":
        schedule = replace(schedule, learning_rate=schedule.learning_rate * root_mean_square(weights))
    if method.implementation == "released":
        kind, directions = ReleasedEngine, released_directions(model, method, seed)
        refusal = refusal and refusal.rows(slice(schedule.batch_size))
    else:
        kind, directions = Engine, direction_of(model, method, caches["forget"], schedule.batch_size, seed)
    engine = kind(model, method, weights, directions, refusal, settings["gradient_checkpointing"])
    step = build_step(row, schedule.learning_rate, lambda: noise_unit(caches["retain"]))
    return Trainer(engine, step, schedule, caches, seed)


def root_mean_square(weights: TrainedWeights) -> float:
    """Of the entries of all tensors that are trained, before training."""
    tensors = weights.reference_tensors()
    return norm(tensors) / sum(tensor.numel() for tensor in tensors.values()) ** 0.5


def activation_norm(cache: ActivationCache) -> float:
    """The mean norm of the reference's activations at the read layer, without each text's first token."""
    return cache.reference_hidden.float().norm(dim=-1)[loss_mask(cache.mask, "hidden")].mean().item()


def noise_unit(cache: ActivationCache) -> float:
    """The standard deviation of noise that is as long as the mean activation."""
    return activation_norm(cache) / cache.reference_hidden.shape[-1] ** 0.5


def _by_topic(method: Method, forget: ActivationCache) -> Method:
    """The method with settings for each topic of the forget texts; those that it says of one hold for all."""
    count = int(forget.topic.max()) + 1
    topics = method.topics * count if len(method.topics) == 1 else method.topics
    if method.implementation == "released" and len(topics) != count:
        raise ConfigError(
            f"methods.*.topics: there are {len(topics)}, and the forget texts are of {count}: give {count}"
        )
    return replace(method, topics=topics)


def direction_of(model, method: Method, forget: ActivationCache, batch_size: int, seed: int) -> torch.Tensor | None:
    """The vector (d,) of a method that has one; it may follow the activations of the seed's first forget batch."""
    loss = method.forget_loss
    direction = loss.direction(model.config.hidden_size, generator(seed, "steering"))
    if not hasattr(loss, "scaled"):
        return direction
    chosen = batch_order(len(forget), batch_size, 1, generator(seed, "forget-order"))[0]
    batch = forget.batch(chosen)
    counted = batch.reference_hidden[loss_mask(batch.mask, "hidden")].float()
    return loss.scaled(direction, counted.norm(dim=-1).mean().item())


def released_directions(model, method: Method, seed: int) -> torch.Tensor | None:
    """The vectors (K, d) of K topics, drawn in the model's number type."""
    random = generator(seed, "steering")
    drawn = [method.forget_loss.direction(model.config.hidden_size, random, model.dtype) for _ in method.topics]
    return None if drawn[0] is None else torch.stack(drawn)


def trained_weights(model, settings: dict, seed: int) -> TrainedWeights:
    """The tensors that a method entry trains (``NAMES``), or adapters in its layers.

    The entry's ``precision`` and ``parallel`` decide whether they have masters, sharded masters or none.
    """
    layers, trained, precision = settings["layers"], settings["trained"], settings["precision"]
    if trained == "lora":
        lora = settings["lora"]
        targets = modules_of_layers(model, layers, lora["targets"])
        return LowRankWeights(model, targets, lora["rank"], lora["alpha"], generator(seed, "adapters"))
    names = NAMES[trained](model, layers)
    if settings["parallel"]["sharded"]:
        # Few need FSDP, which takes long to import.
        from unlearning_robustness.engine.sharding import ShardedWeights

        return ShardedWeights(model, names)
    if precision == "stochastic":
        return StochasticWeights(model, names, generator(seed, "rounding", model.get_parameter(names[0]).device))
    return {"master": TrainedWeights, "pure": PureWeights}[precision](model, names)


def layers_needed(settings: dict, row: list[dict]) -> tuple[int, int] | None:
    """The first layer and the last (excluded) that training a cell runs; None when it also scores questions."""
    control = matched_control(row)
    if control and control.Facts.scores_select(vars(control)):
        return None
    method = build_method(settings)
    from_start = method.implementation == "released" or settings["trained"] == "all"
    return 0 if from_start else min(method.layers), method.read_layer + 1 if method.reads == "hidden" else None


def layer_divider(settings: dict, device: str) -> Callable[[torch.nn.Module], None] | None:
    """A function that divides each layer as it is loaded, or None where a method entry does not train sharded."""
    if not settings["parallel"]["sharded"]:
        return None
    from unlearning_robustness.engine.sharding import divider

    return divider(device)


def keep_untrained(scorer: QuestionScorer, model, settings: dict) -> None:
    """Keep of a scorer's questions what a method entry does not train, unless it is kept already."""
    first = min(settings["layers"])
    if scorer.first_layer != first:
        scorer.keep_prefix(model, first)


def unlearn(
    model,
    settings: dict,
    row: list[dict],
    caches: dict[str, ActivationCache],
    seed: int,
    scratch: Path,
    matched: Matched | None = None,
    scorer: KnowledgeScorer | None = None,
) -> Unlearned:
    """Train a cell and restore the model afterwards; ``scratch`` keeps the state while it trains.

    A control that is matched to another cell also takes that cell, ``matched``; one that is matched in forgetting takes
    a ``scorer`` of the forget questions of the ``select`` split.
    """
    control = matched_control(row)
    if control is None:
        trainer = make_trainer(model, settings, row, caches, seed)
        resume(trainer, scratch)
        facts = {"steps": trainer.schedule.steps}
    elif isinstance(control, EarlyStop):
        if scorer:
            keep_untrained(scorer.asked, model, settings)
        retain_weight = control.retain_factor * settings["retain_weight"]
        # The equality looks at the matched cell before the trainer takes hold of the weights.
        equality = equality_of(control, model, matched, scorer)
        trainer = make_trainer(model, {**settings, "retain_weight": retain_weight}, row, caches, seed)
        facts = stop_when_equal(trainer, control.every, equality)
    else:
        return Unlearned(*remade(control, model, settings["layers"], matched, seed))
    weights = trainer.engine.weights
    tensors = weights.delta()
    facts |= total(trainer.history) | conflicts(trainer.history) | cosines(trainer.history)
    if settings.get("learning_rate_unit") == "norm":
        facts["learning_rate"] = trainer.schedule.learning_rate
    facts |= {"weight_change": weights.change(tensors), "trained_tensors": sorted(tensors)}
    weights.release()
    facts |= relative_scales(settings, row, caches, trainer.engine.direction)
    return Unlearned(tensors, trainer.history, facts)


def conflicts(history: list[dict]) -> dict[str, float]:
    """The share of steps whose gradients opposed each other, where a defence compares them."""
    opposed = [entry["alignment"] < 0 for entry in history if "alignment" in entry]
    return {"conflicting_steps": sum(opposed) / len(opposed)} if opposed else {}


def cosines(history: list[dict]) -> dict[str, float | bool]:
    """The smallest cosine of the plain forget gradient with what each defence takes in its place, by its history name.

    ``acts`` says whether any is below ``SAME``; without a comparison there is none of it.
    """
    compared = {name: [entry[name] for entry in history if name in entry] for name in COSINES}
    smallest = {name: min(cosines) for name, cosines in compared.items() if cosines}
    return smallest | {"acts": min(smallest.values()) <= SAME} if smallest else {}


def resume(trainer: Trainer, scratch: Path) -> None:
    """Train to the end, continuing from ``scratch`` when it is there, and removing it at the end.

    A run whose loss is not finite stops with TrainingError, one that gets SIGTERM with InterruptionError after its
    step; both leave their last good state in ``scratch``.
    """
    if is_whole(scratch):
        trainer.restore(scratch)
        print(f"resumed at step {trainer.done}", flush=True)
    progress, saved = Progress("step", trainer.schedule.steps), time.monotonic()

    def save() -> None:
        trainer.save(scratch)
        if is_main():
            seal_state(scratch)

    def after(done: int) -> None:
        nonlocal saved
        progress(done, trainer.losses)
        # All processes stop, and save, after the same step.
        stop = parallel.count(int(request.stop)) > 0
        if stop or parallel.count(int(is_main() and time.monotonic() - saved > CHECKPOINT_SECONDS)):
            save()
            saved = time.monotonic()
        if stop:
            raise InterruptionError(f"stopped after step {done} as requested; the state is kept in {scratch}")

    try:
        with listen_for_stop() as request:
            trainer.run(after)
    except TrainingError as error:
        save()
        raise TrainingError(f"{error}; the last good state is kept in {scratch}") from None
    if is_main():
        scratch.unlink(missing_ok=True)


def relative_scales(settings: dict, row: list[dict], caches: dict[str, ActivationCache], direction=None) -> dict:
    """Coefficient and noise relative to the reference's activations at the read layer, where there are any."""
    norms = {name: activation_norm(caches[name]) for name in ("forget", "retain")}
    facts = {"mean_activation_norm": norms}
    if direction is not None:
        facts |= build_method(settings).forget_loss.manifest_facts(direction, norms["forget"])
    width = caches["retain"].reference_hidden.shape[-1]
    return facts | manifest_facts(row, width, norms["retain"])
