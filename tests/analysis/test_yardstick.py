import numpy
import pandas
import pytest
from answers_of_models import PLACE, answers, knowing
from scipy.stats import ks_2samp
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis.yardstick import COLUMNS, ON_THE_WAY, Beside, yardstick, yardstick_trajectory

SETTINGS = analysis(yardstick="retrained-a", never_trained=["retrained-b"])
NOTHING = {
    "memorisation": pandas.DataFrame(columns=[*PLACE, "method", "defence", "seed", "attack", "metric", "role", "item"]),
    "trajectory": pandas.DataFrame(columns=["probe", "relearning"]),
}
COUNT = 60


def table_of(*parts, settings=SETTINGS, **recorded):
    table = yardstick(inputs_of(pandas.concat(parts, ignore_index=True), settings, **NOTHING | recorded))
    return table.set_index(["method", "role", "distance"]).sort_index()


def never(method, seed):
    return answers(knowing(COUNT, 0.0, seed=seed), method)


def test_a_model_that_is_the_yardstick_is_at_no_distance_at_all():
    same = [answers(knowing(COUNT, 0.0), method, seed) for method in ("retrained-a", "rmu") for seed in (0, 1)]
    rows = table_of(*same).loc["rmu", "forget"]
    assert set(rows.index) == {
        "accuracy",
        "probability",
        "absolute_probability",
        "kl",
        "total_variation",
        "truth_ratio",
    }
    assert rows["mean"].to_numpy() == pytest.approx(numpy.zeros(6), abs=1e-9)
    assert rows.loc["truth_ratio", "p"] == 1.0
    assert not rows["never_trained"].any()


def test_distances_are_means_over_questions_of_what_their_formulas_say():
    own, true = knowing(COUNT, 3.0, 0.5, seed=2), knowing(COUNT, 0.0, seed=3)
    rows = table_of(answers(own, "rmu"), answers(true, "retrained-a")).loc["rmu", "forget"]["mean"]
    one, other = (numpy.exp(scores) / numpy.exp(scores).sum(1, keepdims=True) for scores in (own, true))
    assert rows["accuracy"] == pytest.approx((own.argmax(1) == 0).mean() - (true.argmax(1) == 0).mean())
    assert rows["probability"] == pytest.approx((one - other)[:, 0].mean())
    assert rows["absolute_probability"] == pytest.approx(abs(one - other)[:, 0].mean())
    assert rows["kl"] == pytest.approx((other * numpy.log(other / one)).sum(1).mean())
    assert rows["total_variation"] == pytest.approx(numpy.maximum(one - other, 0).sum(1).mean())
    ratios = [numpy.log(each[:, 1:]).mean(1) - numpy.log(each[:, 0]) for each in (one, other)]
    assert rows["truth_ratio"] == pytest.approx(ks_2samp(*ratios).statistic)


def test_another_true_model_is_nearer_than_one_that_knows_and_is_marked_as_the_zero():
    rows = table_of(never("retrained-a", 0), never("retrained-b", 1), answers(knowing(COUNT, 4.0), "reference"))
    for distance in ("kl", "total_variation", "truth_ratio", "absolute_probability"):
        zero, knows = (rows.loc[(method, "forget", distance)] for method in ("retrained-b", "reference"))
        assert zero["mean"] < knows["mean"] / 2 and zero["never_trained"] and not knows["never_trained"]
    assert rows.loc[("reference", "forget", "truth_ratio"), "p"] < 1e-6 < rows.loc[
        ("retrained-b", "forget", "truth_ratio"), "p"]  # fmt: skip


def test_the_adjacent_domain_is_compared_as_a_role_of_its_own():
    known = knowing(40, 30.0)
    harmed = known.copy()
    harmed[:10, 0] -= 60
    both = {"retrained-a": known, "rmu": harmed}
    rows = table_of(*(answers(scores, method, role="neighbour") for method, scores in both.items()))
    rows = rows.loc["rmu", "neighbour"]
    assert rows.loc["accuracy", "mean"] == -0.25
    assert "truth_ratio" not in rows.index


@pytest.mark.parametrize(("own", "true"), [((0, 1), (0,)), ((0,), (0, 1)), ((0, 1), (0, 1))])
def test_a_side_with_one_seed_stands_for_every_seed_of_the_other(own, true):
    sides = [
        pandas.concat([answers(knowing(5, 1.0, seed=10 * seed + shift), "m", seed) for seed in seeds])
        for shift, seeds in enumerate((own, true))
    ]
    beside = Beside.of(*sides)
    assert sorted(set(beside.records["seed"])) == [0, 1] and len(beside.own) == len(beside.true) == 10
    assert beside.means()["kl"].shape == (2, 5)


def test_other_questions_are_not_compared():
    with pytest.raises(ValueError, match="same questions"):
        Beside.of(answers(knowing(5, 1.0), "m"), answers(knowing(6, 1.0), "m"))


def test_a_study_without_a_yardstick_has_no_distances():
    table = yardstick(inputs_of(never("rmu", 0), analysis(), **NOTHING))
    assert table.empty and list(table.columns) == COLUMNS
    assert yardstick_trajectory(inputs_of(never("rmu", 0), analysis(), **NOTHING)).empty


def min_k(method, shift, count=30):
    """Scores of forget texts that lie ``shift`` above those of texts that no model has seen."""
    rows = [
        {**PLACE, "method": method, "defence": "none", "seed": 0, "attack": "none", "metric": "min-k", "role": role,
         "item": f"{role}/{number}", "value": number / count + (shift if role == "forget" else 0.0)}
        for role in ("forget", "holdout") for number in range(count)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


def test_membership_is_the_area_above_the_yardsticks():
    scores = pandas.concat([min_k("retrained-a", 0.0), min_k("reference", 2.0), min_k("rmu", 0.0)])
    models = [never(name, seed) for seed, name in enumerate(("retrained-a", "reference", "rmu"))]
    rows = table_of(*models, memorisation=scores)
    # A forget text never scores below an unseen one under the reference; nothing tells them apart under the yardstick.
    assert rows.loc[("reference", "forget", "membership"), "mean"] == pytest.approx(0.5)
    assert rows.loc[("rmu", "forget", "membership"), ["mean", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    assert ("retrained-a", "forget", "membership") not in rows.index


def test_a_trajectory_comes_nearer_step_by_step():
    true, rows = answers(knowing(20, 0.0), "retrained-a"), []
    right = dict(zip(true["fact"], true["probability"], strict=True))
    for step, extra in ((0, 0.5), (6, 0.1), (12, 0.0)):
        for seed in (0, 1):
            for fact, probability in right.items():
                rows.append({**PLACE, "method": "rmu", "defence": "none", "seed": seed, "steps": step,
                             "change": step / 2, "operations": 1.0, "relearning": 0, "probe": "plain", "role": "forget",
                             "fact": fact, "correct": True,
                             "log_probability": numpy.log(probability + extra)})  # fmt: skip
    table = yardstick_trajectory(inputs_of(true, SETTINGS, **NOTHING | {"trajectory": pandas.DataFrame(rows)}))
    assert set(table["distance"]) == set(ON_THE_WAY)
    gaps = table[table["distance"] == "absolute_probability"].set_index("steps")
    assert gaps["mean"].tolist() == pytest.approx([0.5, 0.1, 0.0], abs=1e-6) and gaps["change"].tolist() == [0, 3, 6]
    accuracy = table[(table["distance"] == "accuracy") & (table["steps"] == 0)]["mean"].item()
    assert accuracy == pytest.approx(1 - true["correct"].mean())
