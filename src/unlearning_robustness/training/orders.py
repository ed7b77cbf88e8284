"""Which texts each step trains on."""

import math

import torch

from unlearning_robustness.engine.activation_cache import ActivationCache
from unlearning_robustness.engine.schedule import Schedule

CORPORA = ("forget", "retain")


def batch_order(count: int, batch_size: int, steps: int, random: torch.Generator) -> torch.Tensor:
    """Indices (steps, batch_size): seeded passes over ``count`` texts, one after another.

    A longer run begins with the same batches as a shorter one.
    """
    needed = steps * batch_size
    passes = [torch.randperm(count, generator=random) for _ in range(max(1, math.ceil(needed / count)))]
    return torch.cat(passes)[:needed].view(steps, batch_size)


def seeded_order(
    caches: dict[str, ActivationCache], schedule: Schedule, random: dict[str, torch.Generator]
) -> dict[str, torch.Tensor]:
    """The batches (steps, batch_size) of both corpora, each in the order of its own stream."""
    size, steps = schedule.batch_size, schedule.steps
    return {name: batch_order(len(caches[name]), size, steps, random[f"{name}-order"]) for name in CORPORA}


def order_in_turn(
    caches: dict[str, ActivationCache], schedule: Schedule, random: dict[str, torch.Generator]
) -> dict[str, torch.Tensor]:
    """The batches (steps, batch_size) as RNA's code takes them: topics in turn, each topic's texts as they lie.

    A retain batch serves one step of each topic. A corpus that ends begins again, where that code stops.
    """
    of_topic = [(caches["forget"].topic == topic).nonzero()[:, 0] for topic in caches["forget"].topic.unique()]
    retain, first_batch = torch.arange(len(caches["retain"])), torch.arange(schedule.batch_size)
    rows = {name: [] for name in CORPORA}
    for step in range(schedule.steps):
        begun = step // len(of_topic) * schedule.batch_size + first_batch
        for name, texts in (("forget", of_topic[step % len(of_topic)]), ("retain", retain)):
            rows[name].append(texts[begun % len(texts)])
    return {name: torch.stack(chosen) for name, chosen in rows.items()}
