"""A study has what its estimates are compared with."""

import pytest

from unlearning_robustness.config.comparisons import check_compared
from unlearning_robustness.errors import ConfigError


def grid(methods, defences="none", attacks="none"):
    return {"methods": methods.split(), "defences": defences.split(), "attacks": attacks.split()}


REFERENCE = grid("reference", attacks="none relearn")
REFUSED = {
    "no reference": ([grid("rmu", attacks="none relearn")], "'reference' is missing"),
    "only the attacked reference": ([grid("reference", attacks="relearn"), grid("rmu")], "reference with none meets"),
    "a cell only attacked": ([REFERENCE, grid("rmu"), grid("rmu", "rna", "relearn")], "rmu with rna meets relearn"),
    "no plain cell": ([REFERENCE, grid("rmu npo-kl", "rna")], "no method has defence 'none'"),
}
ACCEPTED = {
    "the reference alone": [REFERENCE],
    "attacks in another grid": [REFERENCE, grid("rmu", "none rna"), grid("rmu", "rna", "relearn")],
    "a variant without its plain cell": [REFERENCE, grid("rmu", "none rna"), grid("rmu-deep", "rna")],
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_study_without_it_is_refused(case):
    cells, said = REFUSED[case]
    with pytest.raises(ConfigError) as raised:
        check_compared({"cells": cells})
    assert str(raised.value).startswith(f"study.cells: {said}") and "add" in str(raised.value)


@pytest.mark.parametrize("case", ACCEPTED)
def test_other_studies_are_not(case):
    check_compared({"cells": ACCEPTED[case]})
