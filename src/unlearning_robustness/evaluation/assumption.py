"""Is a forget token's effect on the latents the isotropic Gaussian of the RNA paper's Assumption 1?

Everything is computed from residuals eps (Q, d): the change of a latent at one position, one row a question. A
statistic stands beside its value under the assumption, drawn with the same number of questions and dimensions.
"""

import numpy


def eta(residuals: numpy.ndarray) -> float:
    """The assumption's scale: root mean square of all elements."""
    return float(numpy.sqrt(numpy.mean(residuals**2)))


def mean_share(residuals: numpy.ndarray) -> float:
    """Share of the squared length that is one vector common to all questions; 1 / Q under the assumption."""
    return float((residuals.mean(0) ** 2).sum() / (residuals**2).sum(1).mean())


def excess_kurtosis(residuals: numpy.ndarray) -> float:
    """Of all elements together, after dividing by their common scale; 0 under the assumption."""
    centred = residuals - residuals.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2 - 3)


def covariance_spectrum(residuals: numpy.ndarray) -> numpy.ndarray:
    """Eigenvalues of the covariance over questions, largest first, at most min(Q, d)."""
    centred = residuals - residuals.mean(0)
    return numpy.linalg.svd(centred, compute_uv=False) ** 2 / max(len(residuals) - 1, 1)


def participation_ratio(residuals: numpy.ndarray) -> float:
    """(sum of the covariance's eigenvalues)^2 / sum of their squares: how many directions the residuals use."""
    centred = residuals - residuals.mean(0)
    gram = centred @ centred.T
    return float(numpy.trace(gram) ** 2 / (gram**2).sum())


def squared_lengths(residuals: numpy.ndarray) -> numpy.ndarray:
    """||eps||^2 / eta^2 of each question: chi-squared with d degrees of freedom under the assumption.

    Q is below d, so the full covariance has no inverse; this is Mahalanobis' distance under isotropy.
    """
    return (residuals**2).sum(1) / eta(residuals) ** 2


def length_spread(residuals: numpy.ndarray) -> float:
    """Standard deviation of the squared lengths over that of chi-squared, sqrt(2 d); 1 under the assumption."""
    return float(squared_lengths(residuals).std() / numpy.sqrt(2 * residuals.shape[1]))


def cross_query_cosine(residuals: numpy.ndarray) -> float:
    """Mean cosine between the residuals of different questions; 0 if the effect is independent of the question."""
    unit = residuals / numpy.linalg.norm(residuals, axis=1, keepdims=True)
    count = len(unit)
    return float(((unit.sum(0) ** 2).sum() - count) / (count * (count - 1)))


STATISTICS = {
    "eta": eta,
    "mean_share": mean_share,
    "excess_kurtosis": excess_kurtosis,
    "participation_ratio": participation_ratio,
    "length_spread": length_spread,
    "cross_query_cosine": cross_query_cosine,
}


def statistics(residuals: numpy.ndarray) -> dict[str, float]:
    """All statistics by name."""
    return {name: measure(residuals) for name, measure in STATISTICS.items()}


def standard_errors(residuals: numpy.ndarray) -> dict[str, float]:
    """Jackknife standard error over questions of every statistic."""
    count = len(residuals)
    left_out = [list(statistics(numpy.delete(residuals, index, axis=0)).values()) for index in range(count)]
    errors = numpy.sqrt((count - 1) * numpy.var(left_out, axis=0))
    return dict(zip(STATISTICS, errors.tolist(), strict=True))


def under_assumption(questions: int, width: int, scale: float, seed: int = 0) -> dict[str, float]:
    """The statistics of one draw of the assumption with as many questions and dimensions."""
    return statistics(scale * numpy.random.default_rng(seed).standard_normal((questions, width)))


def standard_quantiles(residuals: numpy.ndarray, probabilities: numpy.ndarray) -> numpy.ndarray:
    """Quantiles at ``probabilities`` of all elements in units of their scale, to be held against the normal's."""
    return numpy.quantile(residuals / eta(residuals), probabilities)
