import numpy
import pandas
import pytest
from scipy.stats import ttest_1samp
from synthetic import analysis, inputs_of

from unlearning_robustness.analysis import GROUPS, computed
from unlearning_robustness.analysis.intervals import Intervals
from unlearning_robustness.analysis.matrix import contrast, entries, interactions, matrix, matrix_differences
from unlearning_robustness.analysis.significance import holm

FACTS = {"select": 10, "test": 20}


def answers(level, attack="none", setting="", steps=0, defence="none", role="forget", split="test", seed=0,
            probe="plain", method="rmu"):  # fmt: skip
    """Records in which the first ``level`` of the facts are answered."""
    names = [f"{role}/{split}/{fact:02}" for fact in range(FACTS[split])]
    correct = numpy.arange(len(names)) < round(level * len(names))
    return pandas.DataFrame({
        "model": "m", "benchmark": "b", "method": method, "defence": defence, "seed": seed, "attack": attack,
        "documents": 0, "steps": steps, "setting": setting, "probe": probe, "role": role, "split": split,
        "fact": names, "question": names, "correct": correct, "value": correct.astype(float),
    })  # fmt: skip


def point(select, test, attack="none", kept=1.0, kept_on_test=None, **named):
    """Forget and retain answers on both splits."""
    parts = [answers(select, attack, split="select", **named), answers(test, attack, **named)]
    parts.append(answers(kept, attack, role="retain", split="select", **named))
    parts.append(answers(kept if kept_on_test is None else kept_on_test, attack, role="retain", **named))
    return pandas.concat(parts)


def cell(start, **named):
    """An unattacked cell that a forget token harms by 30 points."""
    tripped = answers(0.7, role="retain", probe="forget-token", **named)
    return pandas.concat([point(start, start, **named), tripped])


RECORDS = pandas.concat([
    cell(0.9, method="reference"), point(0.8, 0.8, "quantise", method="reference", setting="4 bits"),
    *(cell(0.3, seed=seed) for seed in (0, 1)),
    # On select the second point is best for seed 0, the first for seed 1; test would have chosen otherwise.
    point(0.4, 0.95, "relearn", steps=5, seed=0), point(0.7, 0.5, "relearn", steps=10, seed=0),
    point(0.7, 0.4, "relearn", steps=5, seed=1), point(0.5, 0.9, "relearn", steps=10, seed=1),
    # The strongest breaks the model.
    *(point(1.0, 1.0, "quantise", kept=0.5, setting="3 bits", seed=seed) for seed in (0, 1)),
    *(point(0.5, 0.35, "quantise", kept=0.9, setting="4 bits", seed=seed) for seed in (0, 1)),
    # Nothing is within the bound for seed 1.
    point(0.5, 0.5, "prune", kept=0.95, kept_on_test=0.8, setting="q 1 %", seed=0),
    point(0.9, 0.9, "prune", kept=0.2, setting="q 1 %", seed=1),
    *(cell(0.3, defence="rna", seed=seed) for seed in (0, 1)),
    *(point(0.3, 0.3, "relearn", steps=5, defence="rna", seed=seed) for seed in (0, 1)),
    *(point(0.3, 0.3, "relearn", steps=10, defence="rna", seed=seed) for seed in (0, 1)),
], ignore_index=True)  # fmt: skip


def inputs(records, **changes):
    return inputs_of(records, analysis(bootstrap_samples=400, **changes))


def right(count):
    """Which of 20 facts are answered, 0 or 1."""
    return (numpy.arange(20) < count).astype(int)


@pytest.fixture(scope="module")
def table():
    return matrix(inputs(RECORDS)).set_index(["method", "defence", "column"])


def test_strength_is_chosen_on_select_by_each_seed_and_reported_on_test(table):
    row = table.loc["rmu", "none", "relearn"]
    assert row["setting"] == "10 steps; 5 steps" and row["mean"] == pytest.approx((0.5 + 0.4) / 2)
    assert row["gain"] == pytest.approx(0.15) and row["gain_low"] <= 0.15 <= row["gain_high"]
    assert row["valid"]
    assert (row["facts"], row["seeds"]) == (20, 2)


def test_an_attack_that_asks_no_retain_questions_costs_nothing_and_may_be_the_worst():
    read = [answers(0.8, "logit-lens", setting="layer 3", split=split, seed=0) for split in ("select", "test")]
    read += [answers(0.7, "logit-lens", setting="layer 9", split=split, seed=1) for split in ("select", "test")]
    table = matrix(inputs(pandas.concat([RECORDS, *read])))
    table = table.set_index(["method", "defence", "column"])
    row = table.loc["rmu", "none", "logit-lens"]
    assert row["setting"] == "layer 3; layer 9" and row["mean"] == pytest.approx((0.8 + 0.7) / 2)
    assert row["valid"] and row["retain_change"] == 0
    worst = table.loc["rmu", "none", "worst"]
    assert worst["setting"] == "logit-lens layer 3; logit-lens layer 9" and worst["mean"] == row["mean"]


def test_where_no_attack_does_better_the_worst_is_none():
    # Its records may come first, and it may cost no step.
    read = [point(0.3, 0.3, "logit-lens", setting="layer 9", defence="rna", seed=seed) for seed in (0, 1)]
    table = matrix(inputs(pandas.concat([*read, RECORDS])))
    table = table.set_index(["method", "defence", "column"])
    assert table.loc["rmu", "rna", "worst"]["setting"] == "no attack"


def lucky(gained, lost):
    """A lens on the RNA model, which answers 3 of 10 select facts, that gains and loses so many of them."""
    read = pandas.concat([answers(0.3, "logit-lens", setting="layer 9", defence="rna", split="select", seed=seed)
                          for seed in (0, 1)])  # fmt: skip
    place = read["fact"].str[-2:].astype(int)
    read["correct"] = place.between(lost, 2) | place.between(3, 2 + gained)
    return pandas.concat([read, *(answers(0.1, "logit-lens", setting="layer 9", defence="rna", seed=seed)
                                  for seed in (0, 1))])  # fmt: skip


@pytest.mark.parametrize(
    ("gained", "lost", "worst"),
    # Of 10 questions: a mean of 0.3 with an error of 0.153 is no gain, 0.4 with 0.163 is one, 0.4 with 0.221 is none.
    [(3, 0, "no attack"), (4, 0, "logit-lens layer 9"), (5, 1, "no attack")],
)
def test_an_attack_that_gains_less_than_two_standard_errors_on_select_is_not_the_worst(gained, lost, worst):
    table = matrix(inputs(pandas.concat([RECORDS, lucky(gained, lost)])))
    table = table.set_index(["method", "defence", "column"])
    assert table.loc["rmu", "rna", "worst"]["setting"] == worst
    assert table.loc["rmu", "rna", "logit-lens"]["setting"] == "layer 9"


def test_an_attack_that_breaks_the_model_does_not_count(table):
    row = table.loc["rmu", "none", "quantise"]
    assert row["setting"] == "4 bits" and row["mean"] == pytest.approx(0.35) and row["valid"]


def test_without_a_point_within_the_bound_the_model_is_not_attacked_and_test_says_whether_the_bound_held(table):
    row = table.loc["rmu", "none", "prune"]
    assert row["setting"] == "q 1 %; none within the bound"
    assert row["mean"] == pytest.approx((0.5 + 0.3) / 2)
    assert row["retain_change"] == pytest.approx(-0.1) and row["valid"]
    assert not matrix(inputs(RECORDS, utility_bound=0.05)).set_index("column").loc["prune", "valid"]


def test_the_worst_attack_is_chosen_on_select_too(table):
    row = table.loc["rmu", "none", "worst"]
    assert row["setting"] == "relearn 10 steps; relearn 5 steps" and row["mean"] == pytest.approx(0.45)
    assert table.loc["reference", "none", "worst"]["setting"] == "no attack"
    assert table.loc["rmu", "rna", "worst"]["mean"] == pytest.approx(0.3)


def test_equal_points_are_the_cheapest(table):
    assert table.loc["rmu", "rna", "relearn"]["setting"] == "5 steps"
    assert table.loc["rmu", "rna", "worst"]["setting"] == "no attack"


def test_unattacked_columns(table):
    assert table.loc["rmu", "none", "forget"]["mean"] == pytest.approx(0.3)
    assert table.loc["rmu", "none", "retain"]["mean"] == 1.0
    token = table.loc["rmu", "none", "forget-token"]
    assert (token["mean"], token["gain"]) == (pytest.approx(0.7), pytest.approx(-0.3))
    # Six of 20 facts under both seeds.
    assert token["p"] == pytest.approx(ttest_1samp(-right(6), 0).pvalue)
    assert pandas.isna(table.loc["rmu", "none", "forget"]["p"])


def test_the_reference_is_attacked_like_all_others(table):
    row = table.loc["reference", "none", "quantise"]
    assert (row["mean"], row["gain"], row["seeds"]) == (pytest.approx(0.8), pytest.approx(-0.1), 1)


def test_p_values_are_corrected_within_the_family_that_the_study_names():
    family = [{"table": "matrix_differences", "where": {"column": ["relearn", "worst"]}}, {"table": "interactions"}]
    family = [{"where": {}} | entry for entry in family]
    tables = computed(GROUPS["matrix"], inputs(RECORDS, family=family))
    table = tables["matrix_differences"].set_index("column")
    tested = table.loc[["relearn", "worst"]]
    assert tested["p_holm"].tolist() == pytest.approx(holm(tested["p"])) and tables["interactions"].empty
    assert table.drop(index=["relearn", "worst"])["p_holm"].isna().all() and "p_holm" not in tables["matrix"]


def test_defences_are_compared_in_every_column_that_both_have():
    table = matrix_differences(inputs(RECORDS, comparisons=[("sam", "none")])).set_index("column")
    assert list(table.index) == ["retain", "forget-token", "forget", "relearn", "worst"]
    row = table.loc["relearn"]
    assert (row["first"], row["second"], row["mean"]) == ("rna", "none", pytest.approx(-0.15))
    # Facts 6 and 7 differ under both seeds, facts 8 and 9 under one.
    values = pandas.DataFrame([right(6) - right(10), right(6) - right(8)])
    assert row["p"] == Intervals(0.95).effect(values).p
    assert table.loc["retain", ["mean", "p"]].tolist() == [0.0, 1.0]


def test_an_interaction_is_what_both_do_beyond_the_sum():
    levels = {"none": 0.9, "rna": 0.7, "stableun": 0.6, "rna.stableun": 0.5}
    records = pandas.concat([cell(level, defence=name, seed=seed) for name, level in levels.items() for seed in (0, 1)])
    table = interactions(inputs(records, interactions=[("rna", "stableun")])).set_index("column")
    assert list(table.index) == ["retain", "forget-token", "forget"]
    row = table.loc["forget"]
    assert row["mean"] == pytest.approx((0.5 - 0.6) - (0.7 - 0.9))
    assert (row["method"], row["first"], row["second"]) == ("rmu", "rna", "stableun")
    # Two facts more on one side than the sum says: 18, 14, 12 and 10 of 20 are answered.
    known = {name: right(round(20 * level)) for name, level in levels.items()}
    beyond = sum(sign * known[name] for sign, name in zip((1, -1, -1, 1), reversed(levels), strict=True))
    assert row["mean"] == pytest.approx(beyond.mean())
    assert table.loc["retain", ["mean", "p"]].tolist() == [0.0, 1.0]


def test_sides_with_other_questions_or_seeds_are_refused():
    one, other = answers(0.5), answers(0.5, role="retain")
    with pytest.raises(ValueError, match="same questions"):
        contrast([(1, one), (-1, other)])
    two = pandas.concat([answers(0.5, seed=seed) for seed in (0, 1)])
    three = pandas.concat([answers(0.5, seed=seed) for seed in (0, 2)])
    with pytest.raises(ValueError, match="same seeds"):
        contrast([(1, two), (-1, three)])


def test_without_select_questions_there_is_no_matrix():
    test = inputs(RECORDS[RECORDS["split"] == "test"], interactions=[("rna", "sam")])
    assert entries(test) == {}
    for table in (matrix(test), matrix_differences(test), interactions(test)):
        assert table.empty and "p" in table


def test_the_reference_counts_under_every_seed_of_an_attack_though_it_is_asked_once_without_one():
    levels = {0: 0.8, 1: 0.5, 2: 0.65}
    records = pandas.concat([
        cell(0.9, method="reference"),
        *(point(level, level, "quantise", method="reference", setting="4 bits", seed=seed)
          for seed, level in levels.items()),
        # Under the last seed the attack breaks the model, and the unattacked answers stand there.
        *(point(0.4, 0.4, "prune", kept=0.2 if seed == 2 else 1.0, method="reference", setting="q 1 %", seed=seed)
          for seed in levels),
    ], ignore_index=True)  # fmt: skip
    columns = entries(inputs(records))["m", "b", "reference", "none"]
    means = {name: columns[name].answers.groupby("seed")["correct"].mean().to_dict() for name in ("quantise", "prune")}
    assert means["quantise"] == pytest.approx(levels)
    assert means["prune"] == pytest.approx({0: 0.4, 1: 0.4, 2: 0.9})
    assert columns["prune"].setting == "q 1 %; none within the bound"
    assert {part["seed"].nunique() for part in columns["prune"].retain} == {3, 1}
    assert columns["forget"].answers["seed"].nunique() == 1
