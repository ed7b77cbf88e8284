"""How cost grows: with the length of texts, layers, cells, questions, and processes at once."""

import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from compare_scoring import BATCH, Subject, questions
from compare_steps import METHODS, OurStep, batches_of
from comparison import cpu_seconds

from unlearning_robustness.scoring.questions import QuestionScorer


@dataclass(frozen=True)
class Growth:
    """CPU-seconds of a work at some sizes, smallest first; ``per`` names what the work is done to."""

    name: str
    per: str
    sizes: list[int]
    seconds: list[float]

    @property
    def ratios(self) -> list[float]:
        """Seconds as multiples of those at the smallest size."""
        return [each / self.seconds[0] for each in self.seconds]


def grown(name: str, per: str, sizes: Iterable[int], work_of: Callable[[int], Callable], repeats: int) -> Growth:
    """The quickest of some repeats at each size."""
    works = {size: work_of(size) for size in sizes}
    seconds = {size: min(cpu_seconds(work) for _ in range(repeats)) for size, work in works.items()}
    return Growth(name, per, list(seconds), list(seconds.values()))


def step_of(model, tokens: int, read_layer: int) -> Callable[[], torch.Tensor]:
    """One RMU step on texts of so many tokens that trains and reads up to a layer."""
    settings = METHODS["rmu"] | {"layers": tuple(range(read_layer - 2, read_layer + 1)), "read_layer": read_layer}
    batches = batches_of(model, settings, tokens)

    def step() -> torch.Tensor:
        ours = OurStep(model, settings, [], batches)
        gradient = ours()
        ours.engine.weights.release()
        return gradient

    return step


def cells_of(model, cells: int, steps: int = 2) -> Callable[[], None]:
    """So many cells of RMU, each of a few steps, from one activation cache."""

    def work() -> None:
        batches = batches_of(model, METHODS["rmu"])
        for _ in range(cells):
            ours = OurStep(model, METHODS["rmu"], [], batches)
            for _ in range(steps):
                ours()
            ours.engine.weights.release()

    return work


def scoring_of(model, tokenizer, count: int, words: int) -> Callable[[], torch.Tensor]:
    """So many questions, answered by a letter, of so many words."""
    scorer = QuestionScorer(tokenizer, questions((Subject(count, words, 3),), 0, True), BATCH)
    return lambda: scorer.log_likelihoods(model)


def at_once(work: Callable[[], object], count: int) -> float:
    """CPU-seconds a process of ``count`` forks of this one that do the same work at once."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    processes = [context.Process(target=lambda: results.put(cpu_seconds(work))) for _ in range(count)]
    for process in processes:
        process.start()
    seconds = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return sum(seconds) / count


def with_processes(work: Callable[[], object], repeats: int) -> Growth:
    """The work in one and in two processes at once: what caches and memory that they share cost each."""
    seconds = {count: min(at_once(work, count) for _ in range(repeats)) for count in (1, 2)}
    return Growth("RMU step in each of several processes", "processes", list(seconds), list(seconds.values()))


def growths(model, tokenizer, tiny: bool) -> list[Growth]:
    """All of them."""
    lengths, counts, depth, repeats = ((8, 16), (4, 8), 8, 1) if tiny else ((32, 64, 128, 256), (4, 8, 16), 24, 2)
    layers = [layer for layer in (3, 7, 15, 23) if layer < depth]
    return [
        grown("RMU step", "tokens of a text", lengths, lambda tokens: step_of(model, tokens, 7), repeats),
        grown("RMU step", "read layer", layers, lambda layer: step_of(model, lengths[0], layer), repeats),
        grown("RMU cells of two steps and their cache", "cells", (1, 2, 4), lambda cells: cells_of(model, cells), 1),
        grown("scoring letters", "questions", counts, lambda n: scoring_of(model, tokenizer, n, 20), 1),
        grown("scoring letters", "words of a stem", lengths, lambda n: scoring_of(model, tokenizer, 2, n), 1),
        with_processes(step_of(model, lengths[0], 7), repeats),
    ]
