import pandas

from unlearning_robustness.data.places import joined, place, with_places


def test_a_row_knows_its_file_and_line_also_through_parquet_and_beside_other_files(tmp_path):
    first = with_places(pandas.DataFrame({"a": list("wxyz")}), "a.csv", "line", [2, 3, 6, 7])
    second = with_places(pandas.DataFrame({"a": list("uv")}), "b.parquet", "row", [1, 2])
    joined([first, second]).to_parquet(tmp_path / "both.parquet", index=False)
    table = pandas.read_parquet(tmp_path / "both.parquet").assign(b=1)
    assert [place(table, number) for number in range(1, 7)] == [
        "a.csv, line 2", "a.csv, line 3", "a.csv, line 6", "a.csv, line 7", "b.parquet, row 1", "b.parquet, row 2"
    ]  # fmt: skip


def test_a_table_from_elsewhere_counts_its_rows():
    table = pandas.DataFrame({"a": [1, 2]})
    assert place(table, 2) == place(joined([table, table]), 2) == "row 2"
