import pandas
import pytest
from synthetic import analysis, inputs_of
from worlds import default_world

from unlearning_robustness.analysis.attacked import attacked_differences, attacks, budget_points
from unlearning_robustness.analysis.curves import curves
from unlearning_robustness.analysis.relearning import early_recovery, relearning

FACTS = 20


def answers(attack, level, setting="", method="rmu", defence="none", role="forget", seeds=(0, 1), templates=(0,)):
    """Records in which the first ``level`` of the facts are answered."""
    return pandas.DataFrame([
        {"model": "m", "benchmark": "b", "method": method, "defence": defence, "seed": seed, "attack": attack,
         "documents": 0, "steps": 0, "setting": setting, "probe": "plain", "role": role, "fact": f"{role}{fact:02}",
         "question": f"{role}{fact:02}/{template}", "correct": fact < level * FACTS and not template}
        for fact in range(FACTS) for seed in seeds for template in templates
    ])  # fmt: skip


RECORDS = pandas.concat([
    answers("none", 0.9, method="reference", seeds=(0,), templates=(0, 1)),
    answers("none", 0.3, templates=(0, 1)), answers("none", 0.9, role="retain"),
    answers("none", 0.4, defence="rna"),
    answers("lens", 0.5, "layer 3", seeds=(0,)), answers("lens", 0.7, "layer 2", seeds=(1,)),
    answers("lens", 0.4, "layer 3", defence="rna", seeds=(0,)),
    answers("lens", 0.4, "layer 1", defence="rna", seeds=(1,)),
    answers("lens", 0.8, "layer 3", role="retain", seeds=(0,)),
    answers("lens", 0.8, "layer 2", role="retain", seeds=(1,)),
    answers("quantise", 0.3, "8 bits"), answers("quantise", 0.6, "4 bits"),
    answers("quantise", 0.8, "4 bits", method="reference"),
    answers("noise", 0.3, "noise 0.1"),
], ignore_index=True)  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return attacks(inputs_of(RECORDS, analysis())).set_index(["method", "defence", "attack", "role", "setting"])


def test_each_point_of_a_budget_has_a_row_and_what_was_chosen_has_one_for_all_seeds(table):
    assert sorted(table.index) == [
        ("reference", "none", "quantise", "forget", "4 bits"),
        ("rmu", "none", "lens", "forget", "layer 3; layer 2"),
        ("rmu", "none", "lens", "retain", "layer 3; layer 2"),
        ("rmu", "none", "noise", "forget", "noise 0.1"),
        ("rmu", "none", "quantise", "forget", "4 bits"),
        ("rmu", "none", "quantise", "forget", "8 bits"),
        ("rmu", "rna", "lens", "forget", "layer 3; layer 1"),
    ]
    assert set(table["facts"]) == {FACTS} and set(table["seeds"]) == {2}


def test_levels_and_gains_are_the_planted_ones_on_the_questions_that_were_asked(table):
    """The other template of a fact, which no attack asks, is always answered wrongly and must not count."""
    expected = {
        ("rmu", "lens", "forget", "layer 3; layer 2"): (0.6, 0.3),
        ("rmu", "lens", "retain", "layer 3; layer 2"): (0.8, -0.1),
        ("rmu", "noise", "forget", "noise 0.1"): (0.3, 0.0),
        ("rmu", "quantise", "forget", "8 bits"): (0.3, 0.0),
        ("rmu", "quantise", "forget", "4 bits"): (0.6, 0.3),
        ("reference", "quantise", "forget", "4 bits"): (0.8, -0.1),
    }
    found = {(key[0], *key[2:]): row for key, row in table.iterrows() if key[1] == "none"}
    assert set(found) == set(expected)
    for name, (level, gain) in expected.items():
        row = found[name]
        assert (row["mean"], row["gain"]) == (pytest.approx(level), pytest.approx(gain))
        assert row["low"] < row["mean"] < row["high"]
    assert found["rmu", "noise", "forget", "noise 0.1"][["gain_low", "gain_high"]].tolist() == [
        pytest.approx(sign * (1 - 0.025 ** (1 / 20))) for sign in (-1, 1)
    ]
    assert found["rmu", "quantise", "forget", "4 bits"]["gain_low"] > 0
    assert found["rmu", "lens", "retain", "layer 3; layer 2"]["gain_low"] < 0


def test_points_of_a_budget_differ_from_choices():
    named = RECORDS.assign(point=budget_points(RECORDS)).groupby("attack")["point"].unique().map(sorted)
    assert named.to_dict() == {"none": [""], "lens": [""], "noise": [""], "quantise": ["4 bits", "8 bits"]}


def test_differences_between_defences_do_not_mix_points():
    more = pandas.concat([RECORDS, *(answers("quantise", level, bits, defence="rna") for level, bits in
                                     ((0.4, "8 bits"), (0.45, "4 bits")))], ignore_index=True)  # fmt: skip
    table = attacked_differences(inputs_of(more, analysis()))
    found = table.set_index(["attack", "point", "quantity"])["mean"]
    assert found.to_dict() == pytest.approx({
        ("lens", "", "level"): -0.2, ("lens", "", "gain"): -0.3,
        ("quantise", "8 bits", "level"): 0.1, ("quantise", "8 bits", "gain"): 0.0,
        ("quantise", "4 bits", "level"): -0.15, ("quantise", "4 bits", "gain"): -0.25,
    })  # fmt: skip


def test_tables_of_relearning_are_the_same_beside_attacks_without_steps():
    world = default_world()
    extra = world.records[world.records["attack"] == "none"].assign(attack="quantise", setting="4 bits")
    both = pandas.concat([world.records, extra[extra["probe"] == "plain"]], ignore_index=True)
    more, fewer = (inputs_of(records, world.config, world.measures) for records in (both, world.records))
    pandas.testing.assert_frame_equal(relearning(more), relearning(fewer))
    pandas.testing.assert_frame_equal(early_recovery(more), early_recovery(fewer))
    assert list(curves(more)) == list(curves(fewer))
    assert attacks(fewer).empty and set(attacks(more)["gain"]) == {0.0}
