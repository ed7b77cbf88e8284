import math

import numpy
import pandas
import pytest

from unlearning_robustness.analysis.rejection import (
    answer_losses,
    loss_changes,
    rejected,
    rejection_probability,
    simulated_rejection,
)


@pytest.mark.parametrize(("ratio", "value"), [(0.1, 0.045), (0.5, 0.196), (1, 0.304), (2, 0.392), (5, 0.455)])
def test_two_draws_give_the_known_values(ratio, value):
    assert rejection_probability(ratio, draws=2) == pytest.approx(value, abs=5e-4)
    assert rejection_probability(ratio, draws=2) == pytest.approx(math.atan(math.sqrt(2) * ratio) / math.pi)


def test_one_draw_is_the_arctangent_and_none_is_never_or_the_angle():
    assert rejection_probability(1.7, draws=1) == pytest.approx(math.atan(1.7) / math.pi)
    assert rejection_probability(0.0) == 0 and rejection_probability(0.0, cosine=0.0) == pytest.approx(0.5)
    assert rejection_probability(1e6) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("draws", "cosine"), [(1, 1.0), (2, 1.0), (1, 0.6), (3, 0.6)])
@pytest.mark.parametrize("ratio", [0.2, 1.0, 4.0])
def test_simulation_equals_the_closed_form_to_three_decimals(ratio, draws, cosine):
    simulated = simulated_rejection(ratio, draws, cosine, width=4, samples=1_000_000)
    assert simulated == pytest.approx(rejection_probability(ratio, draws, cosine), abs=1.5e-3)


def records(changes, start=1.0):
    """Two questions a fact; the token adds ``changes`` to the right answer's loss."""
    rows = []
    for index, change in enumerate(changes):
        for probe, added in (("plain", 0.0), ("token", change)):
            scores = numpy.array([-9.0, -(start + added)])
            rows.append({"role": "retain", "probe": probe, "seed": 0, "fact": f"f{index // 2}", "question": f"q{index}",
                         "log_likelihoods": scores, "answer": 1})  # fmt: skip
    return pandas.DataFrame(rows)


def test_the_change_of_loss_is_that_of_the_right_answer():
    assert answer_losses(records([0.5]))[1] == pytest.approx(1.5)
    assert loss_changes(records([0.5, -2.0]), "token", "plain")["change"].tolist() == pytest.approx([0.5, -2.0])


def test_an_effect_is_rejected_when_its_sign_turns():
    plain, defended = (loss_changes(records(values), "token", "plain") for values in ([1, 1, -1, -1], [2, -1, 3, -4]))
    table = rejected(plain, defended)
    assert table["value"].tolist() == [False, True, True, False] and table["fact"].tolist() == [
        "f0",
        "f0",
        "f1",
        "f1",
    ]
    assert rejected(plain, plain)["value"].sum() == 0
