import pytest
from synthetic import ONLY_RMU, planted_records, study
from worlds import default_world

from unlearning_robustness.report.examples import example_answers, example_page


@pytest.fixture(scope="module")
def config():
    return default_world().config


@pytest.fixture(scope="module")
def records():
    return default_world().records


@pytest.fixture(scope="module")
def table(config, records):
    return example_answers(records, config, 6, 11)


def test_the_page_shows_a_column_for_each_kind_of_cell(table):
    kinds = {"reference", "rmu", "rmu + rna", "rsv", "rsv + rna", "npo-kl", "npo-kl + rna"}
    assert set(table.columns) == {"set", "question", "answer", *kinds}
    head = example_page(table).splitlines()[4]
    assert all(f"| {kind} |" in head for kind in kinds)


def test_six_facts_of_each_set_are_shown_under_each_probe_that_asks_them(table):
    assert list(table["set"]) == ["forget"] * 6 + ["retain"] * 18
    for probe in ("plain", "forget-token", "neutral-token"):
        assert table["question"].str.contains(f"Asked by {probe} ").sum() == (12 if probe == "plain" else 6)


def test_a_wrong_answer_is_marked_and_a_right_one_is_the_answer(table):
    said = table.drop(columns=["set", "question", "answer"]).to_numpy().ravel()
    assert set(said) == {"north", "✗ south"}
    assert set(table["answer"]) == {"north"}


def test_answers_are_those_of_the_studys_first_seed(config, records):
    wrong = records.assign(prediction=records["prediction"].where(records["seed"] == 0, 3), correct=True)
    shown = example_answers(wrong, config, 6, 11)
    assert "west" not in set(shown.to_numpy().ravel())


def test_facts_are_drawn_by_the_seed_and_not_in_order(config, records):
    first = example_answers(records, config, 6, 11)
    assert first.equals(example_answers(records, config, 6, 11))
    assert not first.equals(example_answers(records, config, 6, 12))


def test_attacked_models_are_not_shown(config, records):
    assert example_answers(records[records["attack"] == "none"], config, 6, 11).equals(
        example_answers(records, config, 6, 11)
    )


def test_a_study_of_one_plain_method_shows_what_it_has(tmp_path):
    config = study(ONLY_RMU, seeds=[2])
    table = example_answers(planted_records(config, tmp_path), config, 2, 11)
    assert list(table.columns) == ["set", "question", "answer", "reference", "rmu"]


def test_where_there_are_fewer_facts_than_asked_for_all_are_shown(config, records):
    few = records[records["fact"].str.endswith("/1")]
    table = example_answers(few, config, 6, 11)
    assert list(table["set"]) == ["forget", "retain", "retain", "retain"]
