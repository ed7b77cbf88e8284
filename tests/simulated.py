"""Simulated coverage of intervals: ``python tests/simulated.py`` prints the table of docs/measurement.md."""

import sys
from collections.abc import Callable, Iterator

import numpy
import pandas
from scipy.special import ndtri, stdtrit

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.intervals import Intervals

INTERVALS, BOOTSTRAP = Intervals(0.95), CrossedBootstrap(400, 0.95, 1)
BETWEEN_FACTS = RESIDUAL = 0.35
# Numbers of seeds and facts, and spreads between seeds.
SEEDS, FACTS, SPREADS = (3, 5, 8, 10), (30, 100, 300), (0.0, 0.03, 0.08, 0.12)


def effects(draws: int, seeds: int, facts: int, spread: float, random, planted: float = 0.0) -> numpy.ndarray:
    """Differences (draws, seeds, facts) around a planted one, with a spread between seeds."""
    return (
        planted
        + spread * random.standard_normal((draws, seeds, 1))
        + BETWEEN_FACTS * random.standard_normal((draws, 1, facts))
        + RESIDUAL * random.standard_normal((draws, seeds, facts))
    )


def answers(
    draws: int, seeds: int, facts: int, spread: float, random, accuracy: float, of_facts: numpy.ndarray | None = None
) -> numpy.ndarray:
    """Right (1) and wrong (0) answers (draws, seeds, facts) whose expected share is ``accuracy``.

    A probit model: what a fact takes, ``of_facts`` (draws, 1, facts), has a standard deviation of 1, as has chance.
    """
    if of_facts is None:
        of_facts = random.standard_normal((draws, 1, facts))
    latent = ndtri(accuracy) * numpy.sqrt(2 + spread**2) + of_facts
    latent = latent + spread * random.standard_normal((draws, seeds, 1)) + random.standard_normal((draws, seeds, facts))
    return (latent > 0).astype(float)


def two_way(values: numpy.ndarray) -> tuple[float, float]:
    """The project's interval of an effect (seeds, facts)."""
    estimate = INTERVALS.effect(pandas.DataFrame(values))
    return estimate.low, estimate.high


def share(values: numpy.ndarray) -> tuple[float, float]:
    """The project's interval of an accuracy (seeds, facts)."""
    estimate = INTERVALS.share(pandas.DataFrame(values))
    return estimate.low, estimate.high


def crossed(values: numpy.ndarray) -> tuple[float, float]:
    """The crossed bootstrap's interval."""
    return BOOTSTRAP.interval(BOOTSTRAP.drawn(values))


def by_seeds(values: numpy.ndarray) -> tuple[float, float]:
    """A t interval of the seeds' means, which holds the facts fixed."""
    means, count = values.mean(axis=1), len(values)
    half = stdtrit(count - 1, 0.975) * means.std(ddof=1) / count**0.5
    return means.mean() - half, means.mean() + half


def bootstrap_t(values: numpy.ndarray, samples: int = 200) -> tuple[float, float]:
    """The crossed bootstrap of (mean - truth) / error."""
    random = numpy.random.default_rng(1)
    seeds, facts = values.shape
    rows, columns = random.integers(seeds, size=(samples, seeds)), random.integers(facts, size=(samples, facts))
    drawn = values[rows[:, :, None], columns[:, None, :]]
    mean, error = _moments(values[None])
    means, errors = _moments(drawn)
    low, high = numpy.quantile((means - mean) / errors, [0.025, 0.975])
    return mean[0] - high * error[0], mean[0] - low * error[0]


def _moments(values: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Means (draws,) and their errors from mean squares."""
    _, seeds, facts = values.shape
    by_seed, by_fact, mean = values.mean(axis=2), values.mean(axis=1), values.mean(axis=(1, 2))
    left = values - by_seed[:, :, None] - by_fact[:, None, :] + mean[:, None, None]
    residual = (left**2).sum(axis=(1, 2)) / (seeds - 1) / (facts - 1)
    variance = by_seed.var(axis=1, ddof=1) / seeds + by_fact.var(axis=1, ddof=1) / facts - residual / seeds / facts
    return mean, numpy.sqrt(numpy.maximum(variance, 1e-9))


def coverage(interval: Callable, drawn: numpy.ndarray, truth: float) -> float:
    """How often the intervals of drawn values (draws, seeds, facts) hold the truth."""
    bounds = numpy.array([interval(values) for values in drawn])
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


CANDIDATES = {
    "two-way t": two_way,
    "crossed bootstrap": crossed,
    "bootstrap-t": bootstrap_t,
    "t of the seeds' means": by_seeds,
}


def rows(draws: int) -> Iterator[list[str]]:
    """One row a (seeds, facts): the coverage in percent of every candidate at every spread between seeds."""
    yield ["seeds", "facts", *CANDIDATES]
    yield ["---"] * (2 + len(CANDIDATES))
    for seeds in SEEDS:
        for facts in FACTS:
            random = numpy.random.default_rng([seeds, facts])
            samples = [effects(draws, seeds, facts, spread, random) for spread in SPREADS]
            covered = [[100 * coverage(interval, drawn, 0.0) for drawn in samples] for interval in CANDIDATES.values()]
            yield [str(seeds), str(facts), *(" ".join(f"{value:.0f}" for value in values) for values in covered)]


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
        print(f"| {' | '.join(row)} |", flush=True)
