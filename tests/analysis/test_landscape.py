import pandas
import pytest
from synthetic import analysis
from worlds import study_world

from unlearning_robustness.analysis.inputs import Inputs, read_inputs
from unlearning_robustness.analysis.landscape import POINT, landscape

CELL = {"model": "m", "benchmark": "b", "method": "npo", "defence": "none"}


def rows(seed, values, length):
    """A line of two points on forget text."""
    points = [{"slice": "line", "corpus": "forget", "a": a, "b": 0.0, "nll": nll} for a, nll in values]
    return pandas.DataFrame(points).assign(**CELL, seed=seed, length=length)


def test_points_are_means_over_seeds_with_their_range(tmp_path):
    paths = [tmp_path / f"{seed}.parquet" for seed in (0, 1, 2)]
    for seed, path in enumerate(paths):
        rows(seed, [(0.0, 4.0 + seed), (1.0, 2.0)], 10.0 * seed).to_parquet(path)
    table = landscape(read_inputs({"landscape": paths}, analysis())).set_index("a")
    assert table.loc[0.0, ["mean", "least", "most", "seeds", "length"]].tolist() == [5.0, 4.0, 6.0, 3, 10.0]
    assert table.loc[1.0, ["mean", "least", "most"]].tolist() == [2.0, 2.0, 2.0]


def test_slices_corpora_and_defences_are_never_pooled():
    one = rows(0, [(0.0, 1.0)], 1.0)
    others = [one.assign(nll=9.0, **{name: "x"}) for name in ("slice", "corpus", "defence", "method", "model")]
    table = landscape(Inputs({"landscape": pandas.concat([one, *others])}, analysis()))
    assert sorted(table["mean"]) == [1.0, *[9.0] * 5] and set(table["seeds"]) == {1}


def test_without_a_measured_cell_the_table_has_its_columns_and_no_rows():
    table = landscape(read_inputs({"landscape": []}, analysis()))
    assert table.empty and list(table) == [*POINT, "mean", "least", "most", "seeds", "length"]


def test_the_study_s_plain_cells_fall_the_most_as_planted():
    table = study_world("stableun-controls").tables["landscape"]
    table = table.query("slice == 'line' and corpus == 'forget' and a == 0")
    found = table.groupby("defence")["mean"].mean()
    assert found["none"] == pytest.approx(4.05) and found["sam"] == found["stableun"] == pytest.approx(3.05)
