import pytest
import torch

from unlearning_robustness.defences.projection import harmonise, inner

FORGET = {"a": torch.tensor([1.0, -2.0]), "b": torch.tensor([3.0])}
AGAINST = {"a": torch.tensor([-1.0, 1.0]), "b": torch.tensor([0.5])}
ALONG = {"a": torch.tensor([1.0, -1.0]), "b": torch.tensor([0.5])}


def test_conditional_takes_the_conflict_out_and_leaves_agreement_alone():
    found = harmonise(FORGET, AGAINST, "conditional", "global")
    factor = (-1 - 2 + 1.5) / (1 + 1 + 0.25)
    for name in FORGET:
        torch.testing.assert_close(found[name], FORGET[name] - factor * AGAINST[name])
    assert inner(found, AGAINST) == pytest.approx(0, abs=1e-6)
    assert harmonise(FORGET, ALONG, "conditional", "global") is FORGET


def test_unconditional_takes_agreement_out_too_and_none_takes_nothing():
    assert inner(harmonise(FORGET, ALONG, "unconditional", "global"), ALONG) == pytest.approx(0, abs=1e-6)
    assert harmonise(FORGET, AGAINST, "none", "tensor") is FORGET


def test_by_tensor_each_is_judged_alone():
    found = harmonise(FORGET, AGAINST, "conditional", "tensor")
    assert inner({"a": found["a"]}, {"a": AGAINST["a"]}) == pytest.approx(0, abs=1e-6)
    assert torch.equal(found["b"], FORGET["b"])


@pytest.mark.parametrize("projection", ["conditional", "unconditional"])
def test_a_retain_gradient_of_no_length_changes_nothing(projection):
    still = {name: torch.zeros_like(tensor) for name, tensor in FORGET.items()}
    found = harmonise(FORGET, still, projection, "global")
    assert all(torch.equal(found[name], FORGET[name]) for name in FORGET)


@pytest.mark.parametrize("granularity", ["global", "tensor"])
@pytest.mark.parametrize("projection", ["conditional", "unconditional", "none"])
def test_with_either_gradient_absent_harmonisation_is_the_identity(projection, granularity):
    absent = {name: torch.zeros_like(tensor) for name, tensor in FORGET.items()}
    for forget, retain in ((FORGET, absent), (absent, AGAINST), (absent, absent)):
        found = harmonise(forget, retain, projection, granularity)
        assert all(torch.equal(found[name], forget[name]) for name in forget)


@pytest.mark.parametrize("projection", ["conditional", "unconditional"])
def test_by_tensor_only_the_absent_one_is_left_as_it_is(projection):
    found = harmonise(FORGET, AGAINST | {"a": torch.zeros(2)}, projection, "tensor")
    assert torch.equal(found["a"], FORGET["a"])
    assert projection == "conditional" or inner({"b": found["b"]}, {"b": AGAINST["b"]}) == pytest.approx(0, abs=1e-6)
