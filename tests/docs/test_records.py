"""docs/records.md says what records are, and its lines open them."""

import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from synthetic import records_of

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.record_schema import SCHEMA, table
from unlearning_robustness.scoring.records import COLUMNS, label, write

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
LINES = dict(re.findall(r'```python title="(\w+)"\n(.*?)\n```', PAGE, re.S))
CELL = Cell("m", "b", "rmu", "rna", 3)


def type_of(column: pyarrow.DataType) -> str:
    """A type of Parquet as the page calls it."""
    if pyarrow.types.is_list(column) or pyarrow.types.is_large_list(column):
        return f"list of {type_of(column.value_type)}"
    if pyarrow.types.is_string(column) or pyarrow.types.is_large_string(column):
        return "text"
    return {pyarrow.int64(): "integer", pyarrow.float32(): "float32", pyarrow.bool_(): "boolean"}[column]


def test_the_table_is_what_the_code_says():
    assert table() in PAGE, "write it anew: python -m unlearning_robustness.scoring.record_schema"
    assert tuple(SCHEMA) == COLUMNS


def test_a_file_has_the_columns_of_the_page(tiny_model, tiny_tokenizer, question_table, tmp_path):
    answered = QuestionScorer(tiny_tokenizer, question_table.assign(probe="plain"), 4).records(tiny_model)
    write(tmp_path / "records.parquet", [label(answered, CELL, "none")])
    written = pyarrow.parquet.read_table(tmp_path / "records.parquet")
    documented = {name: kind for name, kind in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.M)}
    assert {field.name: type_of(field.type) for field in written.schema} == documented
    assert [name for name in written.column_names if written[name].null_count] == []


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_one_line_opens_them(library, tmp_path, monkeypatch):
    module = pytest.importorskip(library)
    asked = [({}, role, "plain", split) for role in ("forget", "retain") for split in ("test", "select")]
    records = records_of(CELL, "none", asked)
    write(tmp_path / "records.parquet", [records])
    monkeypatch.chdir(tmp_path)
    line = LINES[library]
    assert "\n" not in line
    answer = eval(line, {library: module})
    rows = {
        "pandas": lambda: answer.reset_index().itertuples(index=False),
        "polars": lambda: answer.rows(),
        "duckdb": lambda: answer.fetchall(),
    }[library]()
    expected = records[records["split"] == "test"].groupby("role")["correct"].mean()
    assert {(role, probe): share for role, probe, share in rows} == {
        (role, "plain"): pytest.approx(share) for role, share in expected.items()
    }  # fmt: skip
    assert len(set(expected)) == 2
