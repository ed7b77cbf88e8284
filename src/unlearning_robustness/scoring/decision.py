"""Which score decides what a model answers: a choice's summed log-likelihood, or its mean a token or a byte.

A sum favours short choices, since every further token costs some. lm-eval's ``acc`` decides by the sum, its
``acc_bytes`` (and ``acc_norm``, where all characters are ASCII) by the mean a byte, TOFU by the mean a token.
"""

from collections.abc import Sequence

import numpy

SUM, TOKEN_MEAN, BYTE_MEAN = RULES = ("sum", "token-mean", "byte-mean")


def divisors(rule: str, choices: Sequence[str], tokens: Sequence[Sequence[int]]) -> list[int]:
    """What each choice's sum is divided by under a rule: its text is in ``choices``, its ids are in ``tokens``.

    Bytes are those of UTF-8, without the space before a choice, as lm-eval counts them.
    """
    if rule == TOKEN_MEAN:
        return [len(ids) for ids in tokens]
    return [max(len(choice.encode()), 1) if rule == BYTE_MEAN else 1 for choice in choices]


def all_divisors(
    rules: Sequence[str], choices: Sequence[Sequence[str]], tokens: Sequence[Sequence[Sequence[int]]]
) -> numpy.ndarray:
    """The divisors (Q, C) of every question under its own rule, 1 where one has fewer choices than others."""
    rows = [divisors(*question) for question in zip(rules, choices, tokens, strict=True)]
    most = max(map(len, rows))
    return numpy.array([[*row, *[1] * (most - len(row))] for row in rows])


def right_log_probabilities(deciding: numpy.ndarray, answers: Sequence[int]) -> numpy.ndarray:
    """Log-probability (Q,), in nats, of the right choice among the choices, of the scores (Q, C) that decide."""
    shifted = deciding - deciding.max(-1, keepdims=True)
    return shifted[numpy.arange(len(shifted)), list(answers)] - numpy.log(numpy.exp(shifted).sum(-1))


def tied(deciding: numpy.ndarray) -> numpy.ndarray:
    """Whether several choices have exactly the largest of the scores (Q, C), so that their order decides: (Q,)."""
    return (deciding == deciding.max(-1, keepdims=True)).sum(-1) > 1
