import numpy
import pandas
import pytest
from planted import known, questions, reference_of, state, steered, unharmed

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.attacks.search import (
    Bounds,
    Point,
    best,
    going_on,
    halves,
    optimism,
    search_cell,
)
from unlearning_robustness.config.searches import as_chosen
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer

BOUNDS = Bounds(retain=0.9, left=0.6)
ENTRY = {
    "kind": "relearn",
    "parameters": {"documents": [40], "steps": [5, 10, 40], "learning_rate": 1e-9, "batch_size": 8, "tokens": 16},
}
SEARCH = {
    "grid": [{"learning_rate": [1e-6, 2e-2, 10.0]}], "trials": 3, "steps": [10, 40], "keep": 0.5, "seed": 1,
    "utility_bound": 0.3, "reference_bound": 0.4, "control": "seen",
}  # fmt: skip


def point(known, retain=1.0, left=1.0, **settings):
    margins = numpy.atleast_1d(numpy.asarray(known, dtype=float))
    return Point(settings, 10, margins, margins > 0.5, retain, left)


def test_the_best_point_knows_most_within_both_bounds_and_of_equal_ones_is_the_first():
    points = [point(0.9, retain=0.89), point(0.8, left=0.59), point(0.5, name=1), point(0.5, name=2), point(0.4)]
    assert best(points, BOUNDS) is points[2]
    assert best([point(0.9, retain=0.5), point(0.1, retain=0.8), point(0.4, left=0.1)], BOUNDS).known() == 0.1


def test_the_better_share_goes_on_and_what_breaks_the_model_comes_last():
    points = [point(0.9, retain=0.1, name="broken"), *(point(number / 10, name=number) for number in range(4))]
    assert going_on(points, BOUNDS, 2) == [{"name": 3}, {"name": 2}]
    assert going_on(points, BOUNDS, 1) == [{"name": 3}]
    assert going_on(points, BOUNDS, 5)[-1] == {"name": "broken"}


def test_halves_divide_entities_and_the_seed_decides_which():
    entities = pandas.Series([f"{number // 3}" for number in range(30)])
    first, second = halves(entities, 1)
    assert sorted([*first, *second]) == list(range(30)) and len(first) == 15
    assert not set(entities[first]) & set(entities[second])
    assert list(halves(entities, 1)[0]) == list(first) != list(halves(entities, 2)[0])


def test_optimism_is_what_the_best_of_equal_settings_owes_to_luck():
    """Settings that are all alike differ by chance: the winner's excess on new facts is none, so all of it is luck."""
    random, found, true = numpy.random.default_rng(0), [], []
    for _ in range(300):
        margins = random.normal(0.2, 0.3, (8, 60))
        points = [point(row) for row in margins]
        parts = numpy.arange(30), numpy.arange(30, 60)
        found.append(optimism(points, BOUNDS, parts)["known"])
        true.append(max(margins[:, :30].mean(axis=1)) - 0.2)
    assert numpy.mean(found) == pytest.approx(numpy.mean(true), abs=0.01)
    one = [point(numpy.arange(60) / 60)]
    assert optimism(one, BOUNDS, parts)["known"] == pytest.approx(0.0)


@pytest.fixture(scope="module")
def planted(make_model, tiny_tokenizer):
    """A model that knows answers, a shallow unlearner's delta, and documents that state the answers of each split."""
    model = make_model(mlp_bias=True)
    asked = known(model, tiny_tokenizer, questions(60, 30))
    rows = []
    for row in asked[asked["role"] == "forget"].itertuples():
        text = f"{row.prompt} {row.choices[row.answer]}"
        rows.append(("relearn" if row.split == "select" else "seen", "facts", text))
    retain = [("relearn", "facts", f"{row.prompt} {row.choices[row.answer]}") for row in
              asked[asked["role"] == "retain"].itertuples()]  # fmt: skip
    corpora = pandas.DataFrame([*rows, *retain], columns=["corpus", "kind", "text"])
    return model, asked, corpora, steered(model, 1, length=40.0)


def searched(planted, tokenizer, of_reference=False, recorded=None, **changes):
    model, asked, corpora, delta = planted
    entry = {**ENTRY, "parameters": Relearn(**ENTRY["parameters"]).__dict__}
    before, reference = state(model), reference_of(model, delta)
    with applied(model, {} if of_reference else delta):
        material = (entry, {**SEARCH, **changes}, asked, corpora, 64, reference)
        result = search_cell(model, tokenizer, 1, *material, recorded)
    assert unharmed(model, before)
    return result


@pytest.fixture(scope="module")
def results(planted, tiny_tokenizer):
    reference = searched(planted, tiny_tokenizer, of_reference=True)
    return reference, searched(planted, tiny_tokenizer, recorded=reference)


def tried(result):
    return [(row["settings"]["learning_rate"], row["steps"]) for row in result["points"]]


def test_the_setting_that_brings_back_most_wins(results):
    reference, result = results
    assert result["chosen"]["settings"] == {"learning_rate": 2e-2} and result["chosen"]["within_bounds"]
    assert result["chosen"]["forget"] >= result["start"]["forget"] + 0.2
    assert result["chosen"]["retain"] >= result["start"]["retain"] - SEARCH["utility_bound"]
    same = next(row for row in reference["points"] if row["steps"] == result["chosen"]["steps"]
                and row["settings"] == result["chosen"]["settings"])  # fmt: skip
    assert result["chosen"]["left"] == same["forget"] >= 1 - SEARCH["reference_bound"]


def test_a_setting_that_destroys_the_reference_is_tried_on_nothing_else(results):
    reference, result = results
    assert tried(reference) == [(1e-6, 10), (2e-2, 10), (10.0, 10), (1e-6, 40), (2e-2, 40)]
    assert tried(result) == [(1e-6, 10), (2e-2, 10), (2e-2, 40)]


def test_the_teaching_control_succeeds_where_the_attack_learns_and_fails_where_it_does_not(
    planted, results, tiny_tokenizer
):
    reference, result = results
    control = result["control"]
    assert "control" not in reference and control["reference"] == 1.0
    assert control["after"] - control["before"] >= 0.5 * (1 - control["before"])
    weak = searched(planted, tiny_tokenizer, recorded=reference, grid=[{"learning_rate": [1e-6]}])
    assert weak["control"]["after"] == weak["control"]["before"] == control["before"]
    assert "control" not in searched(planted, tiny_tokenizer, recorded=reference, control="none", steps=[10])


def test_the_test_questions_choose_nothing(planted, results, tiny_tokenizer):
    model, asked, corpora, delta = planted
    wrong = asked.assign(answer=asked["answer"].where(asked["split"] == "select", (asked["answer"] + 1) % 4))
    again = searched((model, wrong, corpora, delta), tiny_tokenizer, recorded=results[0])
    assert again["chosen"] == results[1]["chosen"] and again["points"] == results[1]["points"]


def test_a_recorded_point_is_the_attack_that_runs_with_what_was_chosen(planted, results, tiny_tokenizer):
    model, asked, corpora, delta = planted
    chosen = results[1]["chosen"]
    entry = as_chosen(ENTRY, chosen)
    steps = [step for step in (5, 10, 40) if step < chosen["steps"]] + [chosen["steps"]]
    assert entry["parameters"]["steps"] == steps
    select = asked[(asked["split"] == "select") & (asked["role"] == "forget")]
    with applied(model, delta):
        attack = AttackInput(model, tiny_tokenizer, corpora, 1)
        for attacked in Relearn(**entry["parameters"]).run(attack):
            accuracy = QuestionScorer(tiny_tokenizer, select, 64).accuracy(attacked.model)
    assert accuracy == chosen["forget"]
