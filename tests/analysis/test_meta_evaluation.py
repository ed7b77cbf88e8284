import pandas
import pytest
from answers_of_models import answers, knowing
from synthetic import analysis, inputs_of
from synthetic_measures import nothing

from unlearning_robustness.analysis.cell_measures import cell_measures
from unlearning_robustness.analysis.meta_evaluation import meta_correlations, meta_evaluation, recovery

METHODS = {"reference": 1.0, "rmu": 0.3, "npo-kl": 0.3, "retrained": 0.3, "retrained-b": 0.3}
# What each answers after ten steps: the two that hide the facts give them back, the others learn a little.
AFTER = {"reference": 1.0, "rmu": 0.9, "npo-kl": 0.7, "retrained": 0.4, "retrained-b": 0.4}
SETTINGS = analysis(
    yardstick="retrained",
    never_trained=["retrained-b"],
    knowing=[["rmu", "none"], ["npo-kl", "none"]],
    attack="relearn",
)


def world(model="m", after=AFTER, seeds=(0, 1)):
    """Answers to forty forget questions before relearning, after five of its steps and after all ten."""
    parts = []
    for steps, shares in ((0, METHODS), (5, METHODS), (10, after)):
        attack = {"attack": "relearn", "steps": steps, "documents": 60} if steps else {}
        for method, share in shares.items():
            for seed in seeds:
                scores = knowing(40, 30.0, share, seed=seed)
                scores[round(40 * share) :, 1] += 60
                parts.append(answers(scores, method, seed, **attack).assign(model=model))
    return pandas.concat(parts, ignore_index=True)


def sharp(levels):
    """A measure of sharpness, the same under both seeds, by method."""
    rows = [
        {"model": "m", "benchmark": "b", "method": method, "defence": "none", "seed": seed, "statistic": "sam_gap",
         "at": 3.0, "value": level, "error": 0.0}
        for method, level in levels.items() for seed in (0, 1)
    ]  # fmt: skip
    return pandas.DataFrame(rows)


def inputs(records, settings=SETTINGS, **measured):
    kinds = {"sharpness", "memorisation", "latents"} - measured.keys()
    return inputs_of(records, settings, **{kind: nothing(kind) for kind in kinds}, **measured)


def areas(table):
    return table.set_index(["measure", "attack"])["mean"].to_dict()


def test_an_attack_tells_what_accuracy_does_not_and_a_reversed_measure_has_area_zero():
    given = inputs(world(), sharpness=sharp({"rmu": 1.0, "npo-kl": 2.0, "retrained": 5.0, "retrained-b": 4.0}))
    table = meta_evaluation(given)
    assert areas(table) == pytest.approx({
        ("accuracy", "none"): 0.5, ("probability", "none"): 0.5, ("accuracy", "relearn"): 1.0,
        ("probability", "relearn"): 1.0, ("accuracy gain", "relearn"): 1.0, ("probability gain", "relearn"): 1.0,
        ("sam_gap", "none"): 0.0,
    }, abs=0.01)  # fmt: skip
    assert set(table["knowing"]) == {2} and set(table["never"]) == {2} and set(table["models"]) == {1}
    row = table.set_index(["measure", "attack"]).loc[("accuracy", "none")]
    assert row["low"] < 0.5 < row["high"]


def test_each_model_has_its_own_areas_unless_models_are_replicates():
    reversed_after = {**AFTER, "rmu": 0.3, "npo-kl": 0.3, "retrained": 0.5, "retrained-b": 0.5}
    both = pandas.concat([world(), world("n", reversed_after)])
    together = {**SETTINGS, "analysis": {**SETTINGS["analysis"], "replicates": "models"}}
    for settings, means, never in ((SETTINGS, [1.0, 0.0], 2), (together, [0.5, 0.5], 4)):
        table = meta_evaluation(inputs(both, settings))
        rows = table[(table["measure"] == "accuracy") & (table["attack"] == "relearn")]
        assert rows["mean"].tolist() == means and set(rows["never"]) == {never} and set(rows["knowing"]) == {2}


def test_models_that_were_treated_alike_take_the_place_of_those_that_never_were_treated():
    treated = world()
    treated = pandas.concat([treated, treated[treated["method"] == "rmu"].assign(method="rmu-never")])
    settings = {**SETTINGS["analysis"], "replicates": "models", "unknowing": [["rmu-never", "none"]]}
    given = pandas.concat([treated, treated.assign(model="n")])
    levels = sharp({"rmu": 1.0, "npo-kl": 2.0, "rmu-never": 1.0, "retrained": 5.0})
    asked = inputs(given, {**SETTINGS, "analysis": settings}, sharpness=levels)
    table = meta_evaluation(asked).set_index(["measure", "attack"])
    # The hidden facts of one come back as those of its twin, those of the other less.
    assert table.loc[("accuracy", "relearn"), "mean"].unique() == [0.25]
    # A kind of cells is one, in however many places it is.
    assert table["never"].unique() == [1] and table["knowing"].unique() == [2]
    assert table.loc[("sam_gap", "none"), "mean"] == 0.75
    assert "rmu-never" not in set(recovery(asked)["method"])


def test_measures_are_taken_at_the_largest_budget():
    table = cell_measures(inputs(world()))
    after = table[(table["measure"] == "accuracy") & (table["attack"] == "relearn")].set_index(["method", "seed"])
    assert after["value"].groupby(level=0).first().to_dict() == AFTER and len(after) == 10
    gains = table[table["measure"] == "accuracy gain"].groupby("method")["value"].mean()
    assert gains.to_dict() == pytest.approx({name: AFTER[name] - METHODS[name] for name in METHODS})


def test_membership_inference_is_an_area_for_each_cell():
    rows = [
        {"model": "m", "benchmark": "b", "method": method, "defence": "none", "seed": 0, "attack": "none",
         "metric": "min-k", "role": role, "item": item, "value": value}
        for method, values in (("rmu", [0.0, 0.1]), ("retrained", [0.0, 0.3]))
        for role, shift in (("forget", 0.0), ("holdout", 0.2))
        for item, value in enumerate(value + shift for value in values)
    ]  # fmt: skip
    table = cell_measures(inputs(world(), memorisation=pandas.DataFrame(rows)))
    assert table[table["family"] == "memorisation"].set_index("method")["value"].to_dict() == {
        "rmu": 0.0,
        "retrained": 0.25,
    }


def test_recovery_is_what_the_attack_adds_beyond_what_it_teaches():
    table = recovery(inputs(world())).groupby("method")[["start", "gain"]].mean()
    assert table.loc["rmu"].tolist() == pytest.approx([0.3, 0.5])
    assert table.loc["npo-kl"].tolist() == pytest.approx([0.3, 0.3])
    assert set(table.index) == {"reference", "rmu", "npo-kl"}


def test_a_measure_in_the_order_of_recovery_correlates_with_it():
    levels = {"reference": 0.0, "npo-kl": 1.0, "rmu": 2.0, "retrained": 9.0, "retrained-b": 9.0}
    table = meta_correlations(inputs(world(), sharpness=sharp(levels)))
    row = table[(table["measure"] == "sam_gap") & (table["given"] == "nothing")].iloc[0]
    assert row["mean"] == pytest.approx(1.0) and row["cells"] == 6 and row["at"] == "3"
    assert "relearn" not in set(table["attack"])


def test_without_models_that_are_known_to_know_there_is_no_row():
    assert meta_evaluation(inputs(world(), {**SETTINGS, "analysis": {**SETTINGS["analysis"], "knowing": []}})).empty
    assert meta_correlations(inputs(world(), analysis(knowing=[]))).empty
