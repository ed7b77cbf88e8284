"""The metrics of TOFU (Maini et al., arXiv 2401.06121), as functions of losses a token in nats; no torch here.

A question has an answer, a paraphrased answer and wrong ones ("perturbed"). Losses are means over an answer's tokens,
(N,) for N questions, and (N, K) for K wrong answers of each.
"""

import json
from pathlib import Path
from typing import Literal

import numpy

from unlearning_robustness.errors import DataError

UTILITY_ROLES = ("retain", "real-authors", "world-facts")
Mean = Literal["geometric", "arithmetic"]


def probability(losses: numpy.ndarray) -> numpy.ndarray:
    """P(answer)^(1/tokens), of any shape: length-normalised."""
    return numpy.exp(-numpy.asarray(losses, dtype=float))


def probability_among(losses: numpy.ndarray, wrong: numpy.ndarray) -> numpy.ndarray:
    """(N,): the answer's probability over that of all answers, as real authors and world facts are scored."""
    right = probability(losses)
    return right / (right + probability(wrong).sum(axis=1))


def truth_ratio(paraphrase: numpy.ndarray, wrong: numpy.ndarray, mean: Mean = "geometric") -> numpy.ndarray:
    """(N,): how likely wrong answers are on average, over the paraphrased right one; 0 knows, 1 cannot tell.

    ``geometric`` means over wrong answers are what the released code and OpenUnlearning compute, ``arithmetic`` ones
    the paper's Eq. 1.
    """
    wrong = numpy.asarray(wrong, dtype=float)
    average = probability(wrong.mean(axis=1)) if mean == "geometric" else probability(wrong).mean(axis=1)
    return average / probability(paraphrase)


def truth_of_forget(ratios: numpy.ndarray) -> numpy.ndarray:
    """min(r, 1/r): 1 where right and wrong are equally likely, which is what forgetting should lead to."""
    ratios = numpy.asarray(ratios, dtype=float)
    with numpy.errstate(divide="ignore"):
        return numpy.minimum(ratios, 1 / ratios)


def truth_of_utility(ratios: numpy.ndarray) -> numpy.ndarray:
    """max(0, 1 - r): 1 where only the right answer is likely, 0 where wrong ones are at least as likely."""
    return numpy.maximum(0.0, 1 - numpy.asarray(ratios, dtype=float))


def forget_quality(ratios: numpy.ndarray, retain_only: numpy.ndarray) -> tuple[float, float]:
    """p-value and statistic of the two-sample Kolmogorov-Smirnov test of two models' truth ratios on the forget set.

    Near 1 nothing tells the unlearned model from one that never saw the forget set. Inverting all ratios changes
    nothing, so logs of either convention serve.
    """
    from scipy.stats import ks_2samp

    test = ks_2samp(ratios, retain_only)
    return float(test.pvalue), float(test.statistic)


def model_utility(values: numpy.ndarray) -> numpy.ndarray:
    """Harmonic mean over the first axis, of the nine means of three metrics on UTILITY_ROLES; 0 where one is 0."""
    values = numpy.asarray(values, dtype=float)
    least = values.min(axis=0)
    inverse = (1 / numpy.where(values > 0, values, 1.0)).sum(axis=0)
    return numpy.where(least > 0, len(values) / inverse, 0.0)


def retain_log(path: str | Path) -> numpy.ndarray:
    """Truth ratios on the forget set from a published log of the retain-only model, (N,).

    OpenUnlearning's TOFU_EVAL.json (forget_truth_ratio) or TOFU's eval_log_aggregated.json. Raises DataError for
    another file.
    """
    log = json.loads(Path(path).read_text(encoding="utf-8"))
    if "forget_truth_ratio" in log:
        scores = log["forget_truth_ratio"]["value_by_index"].values()
        return numpy.array([entry["score"] for entry in scores], dtype=float)
    if "eval_log_forget.json" in log:
        losses = log["eval_log_forget.json"]
        items = list(losses["avg_paraphrased_loss"])
        wrong = [losses["average_perturb_loss"][item] for item in items]
        return truth_ratio(numpy.array([losses["avg_paraphrased_loss"][item] for item in items]), numpy.array(wrong))
    raise DataError(
        f"{path}: neither forget_truth_ratio nor eval_log_forget.json stands in it: correct memorisation.retrain.log"
    )
