"""Distributions over the choices of a question, and how far two models' are apart."""

import numpy
import pandas
from scipy.special import log_softmax


def log_distributions(records: pandas.DataFrame) -> numpy.ndarray:
    """Log-probability of every choice among the choices, nats (N, C), from their summed log-likelihoods."""
    return log_softmax(numpy.stack(records["log_likelihoods"]).astype(float), axis=1)


def right_probabilities(logs: numpy.ndarray, answers: pandas.Series) -> numpy.ndarray:
    """Probability (N,) of the right choice among the choices, of their log-probabilities (N, C)."""
    return numpy.exp(logs[numpy.arange(len(logs)), answers.to_numpy(int)])


def divergence(true: numpy.ndarray, other: numpy.ndarray) -> numpy.ndarray:
    """KL(true || other) in nats (N,), of log-probabilities (N, C): what coding the truth by the other costs."""
    return (numpy.exp(true) * (true - other)).sum(axis=1)


def total_variation(first: numpy.ndarray, second: numpy.ndarray) -> numpy.ndarray:
    """Total variation (N,), 0 to 1, of log-probabilities (N, C): the largest difference that any event has."""
    return numpy.abs(numpy.exp(first) - numpy.exp(second)).sum(axis=1) / 2


def log_truth_ratios(logs: numpy.ndarray, answers: pandas.Series) -> numpy.ndarray:
    """Logarithm (N,) of TOFU's truth ratio over the choices: mean log-probability of wrong ones less the right one's.

    Below 0 the model knows the answer. The wrong choices stand for TOFU's perturbed answers, the right one for its
    paraphrase (arXiv 2401.06121, with the geometric mean of its released code); any increasing function of the ratio
    gives the same Kolmogorov-Smirnov test.
    """
    right = logs[numpy.arange(len(logs)), answers.to_numpy(int)]
    return (logs.sum(axis=1) - right) / (logs.shape[1] - 1) - right
