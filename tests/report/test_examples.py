from dataclasses import replace

import pytest
from synthetic import ONLY_RMU, planted_context, study
from worlds import default_world

from unlearning_robustness.report.examples import example_answers, page


@pytest.fixture(scope="module")
def context():
    return default_world().context


@pytest.fixture(scope="module")
def table(context):
    return example_answers(context, 6, 11)


def test_the_page_shows_a_column_for_each_kind_of_cell(context, table):
    kinds = {"reference", "RMU", "RMU + RNA", "RSV", "RSV + RNA", "NPO+KL", "NPO+KL + RNA"}
    assert set(table.columns) == {"set", "question", "answer", *kinds}
    head = page(context).splitlines()[4]
    assert all(f"| {kind} |" in head for kind in kinds)


def test_six_facts_of_each_set_are_shown_under_each_probe_that_asks_them(table):
    assert list(table["set"]) == ["forget"] * 6 + ["retain"] * 18
    for probe in ("plain", "forget-token", "neutral-token"):
        assert table["question"].str.contains(f"Asked by {probe} ").sum() == (12 if probe == "plain" else 6)


def test_a_wrong_answer_is_marked_and_a_right_one_is_the_answer(table):
    said = table.drop(columns=["set", "question", "answer"]).to_numpy().ravel()
    assert set(said) == {"north", "✗ south"}
    assert set(table["answer"]) == {"north"}


def test_answers_are_those_of_the_studys_first_seed(context):
    records = context.records
    wrong = records.assign(prediction=records["prediction"].where(records["seed"] == 0, 3), correct=True)
    assert "west" not in set(example_answers(replace(context, records=wrong), 6, 11).to_numpy().ravel())


def test_facts_are_drawn_by_the_seed_and_not_in_order(context):
    first = example_answers(context, 6, 11)
    assert first.equals(example_answers(context, 6, 11))
    assert not first.equals(example_answers(context, 6, 12))


def test_attacked_models_are_not_shown(context, table):
    unattacked = context.records[context.records["attack"] == "none"]
    assert example_answers(replace(context, records=unattacked), 6, 11).equals(table)


def test_a_study_of_one_plain_method_shows_what_it_has(tmp_path):
    table = example_answers(planted_context(study(ONLY_RMU, seeds=[2]), tmp_path), 2, 11)
    assert list(table.columns) == ["set", "question", "answer", "reference", "RMU"]


def test_where_there_are_fewer_facts_than_asked_for_all_are_shown(context):
    few = context.records[context.records["fact"].str.endswith("/1")]
    table = example_answers(replace(context, records=few), 6, 11)
    assert list(table["set"]) == ["forget", "retain", "retain", "retain"]
