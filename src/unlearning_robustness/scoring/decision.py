"""Which score decides what a model answers: a choice's summed log-likelihood, or its mean a token or a byte.

A sum favours short choices, since every further token costs some. lm-eval's ``acc`` decides by the sum, its
``acc_bytes`` (and ``acc_norm``, where all characters are ASCII) by the mean a byte, TOFU by the mean a token.
"""

from collections.abc import Sequence

import numpy

SUM, TOKEN_MEAN, BYTE_MEAN = RULES = ("sum", "token-mean", "byte-mean")


class Scores:
    """Log-likelihoods of the choices of Q questions, float64 (Q, C): ``sum`` as scored, and the means of it.

    ``tokens`` and ``sizes`` (Q, C) are the choices' lengths; a size is in bytes of UTF-8, without the space before the
    choice, as lm-eval counts them.
    """

    def __init__(self, sums: numpy.ndarray, tokens: Sequence[Sequence[int]], sizes: Sequence[Sequence[int]]):
        self.sum = numpy.asarray(sums, dtype=numpy.float64)
        self.token_mean, self.byte_mean = self.sum / tokens, self.sum / numpy.maximum(sizes, 1)

    def deciding(self, rules: Sequence[str]) -> numpy.ndarray:
        """Of each question the scores that its rule compares, (Q, C)."""
        by_rule = dict(zip(RULES, (self.sum, self.token_mean, self.byte_mean), strict=True))
        return numpy.stack([by_rule[rule][row] for row, rule in enumerate(rules)])


def tied(deciding: numpy.ndarray) -> numpy.ndarray:
    """Whether several choices have exactly the largest of the scores (Q, C), so that their order decides: (Q,)."""
    return (deciding == deciding.max(-1, keepdims=True)).sum(-1) > 1
