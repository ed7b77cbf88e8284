"""How probably RNA rejects a forget token's effect (RNA paper §5.1), in closed form, by simulation, and measured.

The token changes a question's loss by Delta J. A model rejects the effect that the plainly unlearned model shows when
its own change has the other sign. The closed forms hold for a loss linear in the latent, whose perturbation by the
token has standard deviation eta, and RNA's noise nu; the paper's own expression is not public, so these are derived.
"""

import math

import numpy
import pandas


def rejection_probability(ratio: float, draws: int = 2, cosine: float = 1.0) -> float:
    """P(Delta J_rna * Delta J_plain <= 0) of the linear model, ``ratio`` = nu / eta.

    ``draws`` noise draws stand in RNA's change: 1 when the clean and the perturbed question share a draw of noise in
    one of them only, 2 when each has its own. ``cosine`` is that between both models' loss gradients. With cosine 1
    it is arctan(sqrt(draws) ratio) / pi, at most one half.
    """
    return math.acos(cosine / math.sqrt(1 + draws * ratio**2)) / math.pi


def simulated_rejection(
    ratio: float, draws: int, cosine: float = 1.0, width: int = 16, samples: int = 200_000, seed: int = 0
) -> float:
    """The same by Monte Carlo: Gaussian latents of ``width``, linear losses whose gradients have ``cosine``."""
    random = numpy.random.default_rng(seed)
    plain = random.standard_normal(width)
    plain /= numpy.linalg.norm(plain)
    other = random.standard_normal(width)
    other -= (other @ plain) * plain
    defended = cosine * plain + math.sqrt(1 - cosine**2) * other / numpy.linalg.norm(other)
    token = random.standard_normal((samples, width))
    noise = ratio * sum(random.standard_normal((samples, width)) for _ in range(draws)) if draws else 0.0
    return float((((token @ plain) * ((token + noise) @ defended)) <= 0).mean())


def answer_losses(records: pandas.DataFrame) -> pandas.Series:
    """J, the negative log-likelihood of the right answer (nats), of each record."""
    pairs = zip(records["log_likelihoods"], records["answer"], strict=True)
    return pandas.Series([-float(scores[answer]) for scores, answer in pairs], index=records.index, dtype=float)


def loss_changes(records: pandas.DataFrame, token_probe: str, baseline_probe: str) -> pandas.DataFrame:
    """Delta J of every retain question, one row a (seed, question): loss with the token less loss without.

    ``records`` are of one method and defence, unattacked.
    """
    asked = records[(records["role"] == "retain") & records["probe"].isin([token_probe, baseline_probe])]
    wide = asked.assign(loss=answer_losses(asked)).pivot_table(
        index=["seed", "fact", "question"], columns="probe", values="loss"
    )
    return (wide[token_probe] - wide[baseline_probe]).rename("change").dropna().reset_index()


def rejected(plain: pandas.DataFrame, defended: pandas.DataFrame) -> pandas.DataFrame:
    """Whether each question's change of loss has the other sign (or none) in the defended model: ``value``."""
    both = plain.merge(defended, on=["seed", "fact", "question"], suffixes=("_plain", "_defended"))
    return both.assign(value=both["change_plain"] * both["change_defended"] <= 0)
