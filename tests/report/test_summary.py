import pytest
from worlds import default_world, rna_world

from unlearning_robustness.report.summary import page, summary
from unlearning_robustness.report.words import interval


def test_an_estimate_is_printed_in_percent_with_its_bounds():
    assert interval({"mean": 0.954, "low": 0.93, "high": 0.98}) == "95 [93, 98]"


def test_the_paper_s_rows_stand_in_the_study_s_order_with_the_reference_first():
    context = rna_world().context
    table = summary(context)
    nine = ["RMU", "Adaptive RMU", "RSV", "NPO+KL", "NPO+MSE", "SimNPO+KL", "SimNPO+MSE", "DPO+KL", "DPO+MSE"]
    rows = [name for name in table["model"] if name in nine or name.removesuffix(" + RNA") in nine]
    assert table["model"][0] == "reference" and len(rows) == 18
    assert rows[:4] == ["RMU", "RMU + RNA", "Adaptive RMU", "Adaptive RMU + RNA"]
    assert "RMU + RNA + SGD" in set(table["model"])


def test_every_row_has_the_numbers_of_the_tables():
    context = default_world().context
    table = summary(context).set_index("model")
    accuracy = context.tables["accuracy"].set_index(["method", "defence", "role", "probe"])
    assert table.loc["RSV + RNA", "retain: forget token before it"] == interval(
        accuracy.loc["rsv", "rna", "retain", "forget-token"]
    )
    assert not any("letters" in name for name in table.columns)
    assert float(table.loc["RMU", "‖ΔW‖"]) == pytest.approx(41.0)
    assert "| RMU + RNA |" in page(context)
