import pandas
import pytest

from unlearning_robustness.analysis.attack_costs import COLUMNS, attack_costs
from unlearning_robustness.analysis.inputs import READERS, Inputs
from unlearning_robustness.config.cells import KIND, Cell
from unlearning_robustness.runtime.manifest import write_json

MEASURES = pandas.DataFrame(
    [
        {"model": "m", "benchmark": "b", "method": method, "defence": "none", "seed": seed, "operations": operations}
        for method, operations in (("rmu", 100.0), ("reference", float("nan")))
        for seed in (0, 1)
    ]
)


def table_of(paths, measures=MEASURES):
    return attack_costs(Inputs({"spent": READERS["spent"]("spent", paths), "measures": measures}, {}))


def point(operations, steps=0, setting="", documents=0):
    spent = {"seconds": 2.0, "forwards": 3, "backwards": 1, "tokens": 40, "operations": operations}
    return {"documents": documents, "steps": steps, "setting": setting, **spent}


def written(folder, method, seed, attack, points):
    path = folder / "records" / Cell("m", "b", method, "none", seed).path / attack / "manifest.json"
    write_json(path, {"attack_seconds": 1.0, **({} if points is None else {"points": points})})
    return path


@pytest.fixture
def table(tmp_path):
    paths = [
        written(tmp_path, "rmu", 0, "relearn", [point(0.0, 0, "", 4), point(50.0, 5, "", 4)]),
        written(tmp_path, "rmu", 1, "relearn", [point(0.0, 0, "", 4), point(70.0, 5, "", 4)]),
        written(tmp_path, "reference", 0, "relearn", [point(50.0, 5, "", 4)]),
        # What was chosen differs between seeds and is one point; bits are two.
        written(tmp_path, "rmu", 0, "logit-lens", [point(10.0, setting="layer 3")]),
        written(tmp_path, "rmu", 1, "logit-lens", [point(30.0, setting="layer 2")]),
        written(tmp_path, "rmu", 0, "quantise", [point(0.0, setting="8 bits"), point(0.0, setting="4 bits")]),
        written(tmp_path, "rmu", 1, "older", None),
    ]
    return table_of(paths)


def test_each_point_has_the_mean_over_seeds_and_its_share_of_what_unlearning_cost(table):
    found = table.set_index(["method", "attack", "steps", "point"])
    assert list(table.columns) == COLUMNS and len(table) == 6
    relearned = found.loc[("rmu", "relearn", 5, "")]
    assert (relearned["operations"], relearned["of_unlearning"], relearned["seeds"]) == (60.0, 0.6, 2)
    assert relearned[["seconds", "forwards", "backwards", "tokens"]].tolist() == [2.0, 3, 1, 40]
    lens = found.loc[("rmu", "logit-lens", 0, "")]
    assert (lens["operations"], lens["of_unlearning"], lens["seeds"]) == (20.0, 0.2, 2)
    assert {place for *_, place in found.loc[("rmu", "quantise")].index} == {"8 bits", "4 bits"}


def test_the_reference_was_not_unlearned(table):
    row = table[table["method"] == "reference"].iloc[0]
    assert row["operations"] == 50.0 and pandas.isna(row["of_unlearning"])


def test_without_points_and_without_counted_unlearning_there_is_a_table(tmp_path):
    empty = table_of([written(tmp_path, "rmu", 0, "older", None)])
    assert empty.empty and list(empty.columns) == COLUMNS
    uncounted = table_of([written(tmp_path, "rmu", 0, "relearn", [point(5.0, 5)])], MEASURES[[*KIND, "seed"]])
    assert uncounted["of_unlearning"].isna().all() and len(uncounted)
