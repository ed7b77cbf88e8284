import numpy
import pandas
import pytest

from unlearning_robustness.analysis.significance import holm, with_family
from unlearning_robustness.errors import ConfigError


def test_holm_multiplies_the_smallest_by_all_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02] and holm([]) == []


def test_holm_rejects_what_the_step_down_rule_rejects():
    random = numpy.random.default_rng(1)
    for _ in range(50):
        values = random.random(12) ** 3
        rejected, order = set(), values.argsort()
        for rank, place in enumerate(order):
            if values[place] > 0.05 / (12 - rank):
                break
            rejected.add(place)
        assert {place for place, value in enumerate(holm(values)) if value <= 0.05} == rejected


def table(p_values, column="worst"):
    return pandas.DataFrame({"model": "m", "benchmark": "b", "column": column, "p": p_values})


def test_a_family_is_corrected_across_its_tables_and_nothing_beside_it():
    tables = {"one": pandas.concat([table([0.01, 0.02]), table([0.001], "other")], ignore_index=True),
              "two": table([0.03]), "three": table([0.04])}  # fmt: skip
    family = [{"table": "one", "where": {"column": "worst"}}, {"table": "two", "where": {}}]
    corrected = with_family(tables, family)
    assert corrected["one"]["p_holm"].tolist() == pytest.approx([0.03, 0.04, numpy.nan], nan_ok=True)
    assert corrected["two"]["p_holm"].tolist() == [0.04] and "p_holm" not in corrected["three"]
    # A row that two entries name counts once, and another model is another family.
    again = with_family(tables, [*family, {"table": "one", "where": {"column": ["worst"]}}])
    assert again["one"].equals(corrected["one"])
    models = pandas.concat([table([0.01, 0.02]), table([0.02]).assign(model="n")], ignore_index=True)
    assert with_family({"one": models}, family[:1])["one"]["p_holm"].tolist() == pytest.approx([0.02, 0.02, 0.02])


def test_a_family_of_a_column_that_does_not_exist_is_one_line():
    with pytest.raises(ConfigError, match=r"analysis\.family\.where: the table has no column 'colum'"):
        with_family({"one": table([0.1])}, [{"table": "one", "where": {"colum": 1}}])
    assert with_family({"one": table([0.1])}, []).keys() == {"one"}
