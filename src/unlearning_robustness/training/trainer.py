"""The training loop of every method and every defence."""

import json
import math
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from unlearning_robustness.defences.base import Step
from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.schedule import Schedule
from unlearning_robustness.engine.weights import Tensors, norm
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.runtime import parallel
from unlearning_robustness.runtime.launcher import is_main
from unlearning_robustness.runtime.manifest import atomic
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.training.orders import order_in_turn, seeded_order

ORDERS = {"corrected": seeded_order, "released": order_in_turn}
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
# Defences compare their forget gradients with the plain one in the second of so many steps: torch counts the first's
# operations.
COMPARED_EVERY = 10
STREAMS = ("forget-order", "retain-order", "noise", "perturbation")


class Trainer:
    """Unlearns by ``method`` and ``step`` from the seed's streams; resumable at every step, bit for bit."""

    def __init__(self, engine: Engine, step: Step, schedule: Schedule, caches: dict[str, ActivationCache], seed: int):
        self.engine, self.step, self.schedule, self.caches = engine, step, schedule, caches
        self.random = {name: generator(seed, name, engine.device if "order" not in name else "cpu") for name in STREAMS}
        self.random |= engine.weights.random
        self.order = ORDERS[engine.method.implementation](caches, schedule, self.random)
        self.master, self.optimised = list(engine.weights.master.values()), list(engine.weights.optimised.values())
        make = step.optimiser or engine.adamw
        self.optimiser = make(self.optimised, schedule.learning_rate, schedule.weight_decay)
        # Some defences have a learning rate of their own.
        self.learning_rate = self.optimiser.param_groups[0]["lr"]
        self.done = 0
        self.history: list[dict] = []

    def run(self, on_step: Callable[[int], bool | None] | None = None) -> list[dict]:
        """Train to the schedule's end, or until ``on_step(steps done)``, called after each, is True.

        Returns the history.
        """
        while self.done < self.schedule.steps:
            with self.engine.cost.step() as spent:
                parts = self._step(self.done)
            self.history.append(parts | spent())
            self.done += 1
            if self.step.after_step:
                self.step.after_step(self.engine, self.done)
            if on_step and on_step(self.done):
                break
        if self.step.finish:
            self.step.finish(self.engine)
        return self.history

    @property
    def losses(self) -> str:
        """The losses of the last step, in words."""
        last = self.history[-1]
        return f"forget loss {last['forget_loss']:.4g}, retain loss {last['retain_loss']:.4g}"

    def _batch(self, corpus: str, index: int) -> ActivationCache:
        return self.engine.batch(corpus, self.caches[corpus], self.order[corpus][index])

    def _step(self, index: int) -> dict:
        self.step.compares = index % COMPARED_EVERY == 1
        self.step.measures.clear()
        # The last step's gradients would be one more copy while this step's are taken.
        self.optimiser.zero_grad()
        self.optimiser.param_groups[0]["lr"] = self.learning_rate * self.schedule.share_at(index)
        self.engine.begin(index)
        try:
            forget_loss, forget = self.step.forget_gradient(
                self.engine, self._batch("forget", index), self.random["perturbation"]
            )
            retain_loss, retain = self.step.retain_gradient(
                self.engine, self._batch("retain", index), self.random["noise"]
            )
        except TrainingError as error:
            raise TrainingError(f"step {index + 1}: {error}") from None
        parts = {"step": index + 1, "forget_loss": forget_loss, "retain_loss": retain_loss}
        parts |= {"forget_gradient": norm(forget), "retain_gradient": norm(retain), **self.step.measures}
        if not all(math.isfinite(value) for value in parts.values()):
            raise TrainingError(f"not finite at {parts}: lower the learning rate or the coefficient")
        combined = self._clipped(self.step.combine(forget, retain))
        if self.step.before_update:
            self.step.before_update(self.optimiser, forget)
        self.engine.weights.step(self.optimiser, combined)
        return parts | self.step.measures

    def _clipped(self, gradients: Tensors) -> Tensors:
        """Gradients scaled to the schedule's norm where they are longer, as torch's clip_grad_norm_ does."""
        limit = self.schedule.clipping if self.step.clips else None
        if limit is None or (factor := limit / (norm(gradients) + 1e-6)) >= 1:
            return gradients
        return {name: tensor * factor for name, tensor in gradients.items()}

    def save(self, path: str | Path) -> None:
        """Write the whole state: masters, optimiser moments, random streams, step, history."""
        tensors = {f"master.{index}": parallel.gathered(tensor) for index, tensor in enumerate(self.master)}
        for index, tensor in enumerate(self.optimised):
            state = self.optimiser.state.get(tensor, {})
            tensors |= {f"{name}.{index}": parallel.gathered(state[name]).clone() for name in MOMENTS if name in state}
        tensors |= {f"random.{name}": random.get_state() for name, random in self.random.items()}
        tensors |= {f"memory.{name}": tensor for name, tensor in self.step.memory.items()}
        tensors |= {f"engine.{name}": tensor for name, tensor in self.engine.memory.items()}
        if not is_main():
            return
        with atomic(path) as temporary:
            save_file(tensors, temporary, metadata={"history": json.dumps(self.history)})

    def restore(self, path: str | Path) -> None:
        """Continue from :meth:`save`, bit for bit as without the interruption."""
        with safe_open(path, framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            metadata = handle.metadata()
        self.history = json.loads(metadata["history"])
        self.engine.cost.resume(self.history)
        self.done = len(self.history)
        for index, (master, moved) in enumerate(zip(self.master, self.optimised, strict=True)):
            master.data.copy_(parallel.part_as(master, tensors[f"master.{index}"]))
            for name in MOMENTS:
                if f"{name}.{index}" in tensors:
                    value = tensors[f"{name}.{index}"]
                    self.optimiser.state[moved][name] = value if name == "step" else parallel.part_as(master, value)
        for name, random in self.random.items():
            random.set_state(tensors[f"random.{name}"])
        memory = {name: tensor for name, tensor in tensors.items() if name.startswith("memory.")}
        self.step.memory = {
            name.removeprefix("memory."): tensor.to(self.engine.device) for name, tensor in memory.items()
        }
        for name, tensor in self.engine.memory.items():
            tensor.copy_(tensors[f"engine.{name}"])
        self.engine.weights.publish()
