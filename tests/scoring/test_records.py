import json

import numpy
import pandas
import pytest
from synthetic import planted_records, records_of, study

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.scoring.records import (
    ANALYSED,
    BUDGET,
    COLUMNS,
    UNREAD,
    label,
    read,
    read_answers,
    read_measures,
    write,
)

CELL = Cell("m", "b", "rmu", "rna", 3)


@pytest.fixture
def records():
    return records_of(CELL, "none", [({}, "forget", "plain", "test")])


def test_a_label_says_of_which_model_a_record_is(records):
    unlabelled = records[["probe", "role", *[name for name in COLUMNS[11:]]]]
    labelled = label(unlabelled.assign(extra=1), CELL, "relearn", {"documents": 5, "steps": 2}, "gently")
    assert tuple(labelled.columns) == COLUMNS
    first = labelled.iloc[0]
    assert [first[name] for name in COLUMNS[:9]] == ["m", "b", "rmu", "rna", 3, "relearn", 5, 2, "gently"]


def test_a_model_that_is_not_attacked_has_spent_nothing(records):
    assert (label(records, CELL, "none")[list(BUDGET)] == 0).all(axis=None)


def test_a_record_without_a_needed_column_is_refused(records):
    with pytest.raises(KeyError, match="correct"):
        label(records.drop(columns="correct"), CELL, "none")


def test_records_survive_the_way_through_files_in_order(records, tmp_path):
    other = records.assign(seed=4)
    write(tmp_path / "a" / "one.parquet", [records.head(3), records.tail(2)])
    write(tmp_path / "b.parquet", [other])
    back = read([tmp_path / "a" / "one.parquet", tmp_path / "b.parquet"])
    assert tuple(back.columns) == COLUMNS
    assert list(back["seed"]) == [3] * 5 + [4] * len(other)
    assert list(back["question"]) == [*records["question"].head(3), *records["question"].tail(2), *other["question"]]
    assert list(back["choices"].iloc[0]) == ["north", "south", "east", "west"]
    assert numpy.array_equal(back["log_likelihoods"].iloc[0], records["log_likelihoods"].iloc[0])
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["one.parquet"]


def test_only_the_asked_columns_are_read(records, tmp_path):
    write(tmp_path / "r.parquet", [records])
    assert list(read([tmp_path / "r.parquet"], ["seed", "correct"]).columns) == ["seed", "correct"]
    assert set(COLUMNS) - set(ANALYSED) == set(UNREAD) and set(ANALYSED) - set(COLUMNS) == {"probability"}


def test_the_right_choices_probability_is_its_share_by_the_score_that_decides(records, tmp_path):
    scores = {
        "log_likelihoods": [[0.5, 0.25], [0.1, 0.3], [0.9, 0.1], [0.2, 0.2]],
        "token_means": [[0.1, 0.1], [0.1, 0.1], [0.2, 0.6], [0.1, 0.1]],
        "byte_means": [[0.1, 0.1], [0.1, 0.1], [0.1, 0.1], [0.4, 0.1]],
    }
    planted = records.iloc[:4].assign(
        answer=[0, 1, 1, 0], decided_by=["sum", "sum", "token-mean", "byte-mean"],
        **{name: [numpy.log(row).astype("float32") for row in rows] for name, rows in scores.items()},
    )  # fmt: skip
    # Questions with other numbers of choices are in the same file.
    wider = records.iloc[4:5].assign(answer=[2], log_likelihoods=[numpy.log([0.1, 0.1, 0.6])], decided_by="sum")
    write(tmp_path / "r.parquet", [planted, wider])
    answers = read_answers([tmp_path / "r.parquet"])
    assert list(answers.columns) == ANALYSED
    assert answers["probability"].tolist() == pytest.approx([2 / 3, 0.75, 0.75, 0.8, 0.75], rel=1e-6)


def test_measures_come_with_the_cell_they_are_of(tmp_path):
    path = tmp_path / "records" / CELL.path / "none" / "measures.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"perplexity": 4.5}))
    assert read_measures([path]) == read_measures([str(path)]) == [{**vars(CELL), "perplexity": 4.5}]


def test_planted_records_are_the_same_every_time(tmp_path):
    config = study([{"methods": ["rmu"], "defences": ["none"], "attacks": ["none", "relearn"]}])
    first, second = (planted_records(config, tmp_path / name) for name in "ab")
    pandas.testing.assert_frame_equal(first, second)
