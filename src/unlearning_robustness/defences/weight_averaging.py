"""WA: the mean of the weights along the last part of the run (stochastic weight averaging; arXiv 2502.05374)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from unlearning_robustness.config.ranges import Count, Index
from unlearning_robustness.defences.base import Step
from unlearning_robustness.defences.facts import DefenceFacts
from unlearning_robustness.engine.engine import Engine

COUNT = "average.count"


@dataclass(frozen=True)
class WeightAveraging:
    """Equal mean of the weights after step ``start`` and every ``every`` steps from there on.

    The mean is of the masters, in float32. ``implementation: released`` takes the rounded weights after every step from
    ``start`` on that is a multiple of ``every``, and rounds the running mean to the model's number type each time.
    """

    start: Index
    every: Count
    implementation: Literal["corrected", "released"] = "corrected"

    class Facts(DefenceFacts):
        replaces = ("after_step", "finish")

        @staticmethod
        def unfit(settings: dict, method: dict) -> Iterator[str]:
            if method["trained"] == "lora":
                yield "it averages whole weights, and adapters are trained; leave it out there, or change `trained`"
            if settings["start"] + settings["every"] > method["steps"]:
                yield f"{method['steps']} steps leave one checkpoint or none to average; let it start earlier"

    def install(self, step: Step) -> None:
        """Collect the mean after steps, and end the run at it."""
        step.replace("after_step", lambda engine, done: self._collect(step, engine, done))
        step.replace("finish", lambda engine: self._finish(step, engine))

    def _collect(self, step: Step, engine: Engine, done: int) -> None:
        released = self.implementation == "released"
        if done < self.start or (done if released else done - self.start) % self.every:
            return
        memory = step.memory
        count = memory.get(COUNT, torch.zeros(())) + 1
        seen = count.item()
        for name, tensor in (engine.weights.delta() if released else engine.weights.master).items():
            tensor = tensor if released else tensor.float()
            past = memory.get(f"average.{name}", torch.zeros_like(tensor))
            mean = (past * (seen - 1) + tensor) / seen if released else past + (tensor - past) / seen
            memory[f"average.{name}"] = mean
        memory[COUNT] = count

    def _finish(self, step: Step, engine: Engine) -> None:
        if COUNT in step.memory:
            engine.weights.publish({name: step.memory[f"average.{name}"] for name in engine.weights.master})
