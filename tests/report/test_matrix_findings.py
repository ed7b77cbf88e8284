import pandas
import pytest
from worlds import default_world, study_world

from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.matrix_findings import worst_attacks

SETTINGS = {
    "methods": {"rmu": {"label": "RMU"}}, "defences": {}, "attacks": {"lens": {"label": "logit lens"}}
}  # fmt: skip


def row(**values):
    return {"method": "rmu", "mean": 0.2, "low": 0.1, "high": 0.3, "p_holm": 0.001} | values


def context(differences=(), interactions=()):
    cells = [row(method=method, defence="none", column=column, mean=mean, low=mean, high=mean, setting="lens layer 3")
             for method in ("reference", "rmu") for column, mean in (("forget", 0.4), ("worst", 0.7))]  # fmt: skip
    columns = ["method", "column", "first", "second", "mean", "low", "high", "p_holm"]
    parts = {"matrix_differences": differences, "interactions": interactions}
    compared = {part: pandas.DataFrame(list(rows), columns=columns) for part, rows in parts.items()}
    return ReportContext({"matrix": pandas.DataFrame(cells)} | compared, SETTINGS)


def test_the_worst_attack_is_named_beside_no_attack():
    reference, unlearned, _ = worst_attacks(context())
    assert reference.startswith("The reference: forget accuracy 40 % [40, 40] without an attack, 70 % [70, 70]")
    assert unlearned.startswith("RMU, plain unlearning:") and unlearned.endswith("(lens layer 3).")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, True),
        ({"p_holm": 0.06}, False),
        ({"p_holm": None}, False),
        ({"mean": -0.2, "low": -0.3, "high": -0.1}, True),
    ],
)
def test_only_what_the_family_shows_is_named_as_a_difference(changes, named):
    rows = [row(column="lens", first="rna", second="none", **changes),
            row(column="lens", first="rna", second="sam")]  # fmt: skip
    lines = worst_attacks(context(differences=rows))[2:]
    tested = int(changes.get("p_holm", 1) is not None)
    assert lines[0].startswith(f"Of {tested} comparisons of a defence with plain unlearning in the study's family, ")
    assert f", {int(named)} are shown to differ" in lines[0] and f"; {1 - tested} more are outside" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == (
        ["RMU, rna − plain unlearning, forget accuracy after logit lens"] if named else []
    )


@pytest.mark.parametrize(
    ("changes", "reading"),
    [({}, "more than the sum"), ({"p_holm": None}, "not shown"), ({"p_holm": 0.2}, "not shown"),
     ({"mean": -0.2, "low": -0.3, "high": -0.1}, "less than the sum")],
)  # fmt: skip
def test_interactions_are_read_by_their_corrected_p_value(changes, reading):
    rows = [row(column="worst", first="rna", second="sam", **changes), row(column="lens", first="rna", second="sam")]
    last = worst_attacks(context(interactions=rows))[3:]
    assert len(last) == 1 and last[0].startswith("RMU, rna + sam, forget accuracy under the worst attack")
    assert reading in last[0]


def test_the_page_of_a_study_with_a_matrix_has_them_and_others_say_why_not():
    world = study_world("matrix")
    lines = worst_attacks(world.context)
    assert sum("under the worst one" in line for line in lines) == 16
    assert any("RMU, RNA + StableUN-SAP" in line and "together" in line for line in lines)
    (line,) = worst_attacks(default_world().context)
    assert "scoring.splits" in line
