"""Answers of models that were never trained, by the log-likelihoods that they give to four choices."""

import numpy
import pandas

from unlearning_robustness.scoring.records import BUDGET

PLACE = {"model": "m", "benchmark": "b"}


def answers(scores, method, seed=0, role="forget", attack="none", **columns):
    """One row a row of ``scores`` (N, 4), each another fact, the first choice being right."""
    scores = numpy.asarray(scores, dtype=float)
    rows = [
        {"question": f"{role}/{number}/0", "fact": f"{role}/{number}", "log_likelihoods": row,
         "correct": bool(row.argmax() == 0), "probability": numpy.exp(row[0]) / numpy.exp(row).sum()}
        for number, row in enumerate(scores)
    ]  # fmt: skip
    named = {**PLACE, "method": method, "defence": "none", "seed": seed, "attack": attack, "role": role, "answer": 0,
             **dict.fromkeys(BUDGET, 0), "setting": "", "probe": "plain", "split": "test", "relation": "relation",
             "entity": "entity", "template": 0, "prediction": 0, "tied": False, **columns}  # fmt: skip
    return pandas.DataFrame(rows).assign(**named)


def knowing(count, margin, known=1.0, seed=0):
    """Scores (count, 4) in which the right choice of the first share ``known`` lies ``margin`` nats above the rest."""
    scores = numpy.random.default_rng(seed).normal(0, 0.3, (count, 4))
    scores[: round(known * count), 0] += margin
    return scores
