"""WA: the mean of the weights along the last part of the run (stochastic weight averaging; arXiv 2502.05374)."""

from dataclasses import dataclass

import torch

from unlearning_robustness.defences.base import Step
from unlearning_robustness.models.engine import Engine

COUNT = "average.count"


@dataclass(frozen=True)
class WeightAveraging:
    """Equal mean of the weights after step ``start`` and every ``every`` steps from there on."""

    start: int
    every: int

    def install(self, step: Step) -> None:
        """Collect the mean after steps, and end the run at it."""
        step.replace("after_step", lambda engine, done: self._collect(step, engine, done), "weight-averaging")
        step.replace("finish", lambda engine: self._finish(step, engine), "weight-averaging")

    def _collect(self, step: Step, engine: Engine, done: int) -> None:
        if done < self.start or (done - self.start) % self.every:
            return
        memory = step.memory
        count = memory.get(COUNT, torch.zeros(())) + 1
        for name, tensor in engine.weights.master.items():
            past = memory.get(f"average.{name}", torch.zeros_like(tensor))
            memory[f"average.{name}"] = past + (tensor - past) / count.item()
        memory[COUNT] = count

    def _finish(self, step: Step, engine: Engine) -> None:
        if COUNT in step.memory:
            engine.weights.publish({name: step.memory[f"average.{name}"] for name in engine.weights.master})
