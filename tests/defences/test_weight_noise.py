import copy

import pytest
import torch

from unlearning_robustness.defences.weight_noise import disturbed
from unlearning_robustness.runtime.seeds import generator
from unlearning_robustness.training.matching import Matched
from unlearning_robustness.training.unlearning import unlearn

ROW = [{"id": "weight-noise", "kind": "weight-noise", "parameters": {"match": "none"}}]


def tensors(dtype=torch.float32):
    random = torch.Generator().manual_seed(0)
    original = {name: torch.randn(40, 50, generator=random).to(dtype) for name in ("a", "b", "c")}
    sizes = {"a": 0.5, "b": 3.0, "c": 0.0}
    drawn = {name: sizes[name] * torch.randn(40, 50, generator=random) for name in sizes}
    return original, {name: (original[name].float() + drawn[name]).to(dtype) for name in sizes}


def distance(one, other):
    return (one.double() - other.double()).norm().item()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_the_noise_of_each_tensor_is_as_large_as_the_matched_change(dtype, tolerance):
    original, changed = tensors(dtype)
    found = disturbed(original, changed, torch.Generator().manual_seed(1))
    for name in ("a", "b"):
        assert found[name].dtype is dtype
        assert distance(found[name], original[name]) == pytest.approx(
            distance(changed[name], original[name]), tolerance
        )
    assert torch.equal(found["c"], original["c"])


def test_the_noise_is_gaussian_and_has_nothing_of_the_matched_changes_direction():
    original, changed = tensors()
    noise, change = (
        (values["b"] - original["b"]).flatten()
        for values in (disturbed(original, changed, torch.Generator().manual_seed(1)), changed)
    )
    assert abs(torch.nn.functional.cosine_similarity(noise, change, dim=0)) < 4 / 2000**0.5
    scaled = noise / noise.std()
    assert abs((scaled**4).mean().item() - 3) < 0.5 and abs(scaled.mean().item()) < 0.1


@pytest.fixture
def cell(make_trainer, settings, tiny_model, tmp_path):
    trainer = make_trainer(settings("rmu"))
    trainer.run()
    matched = trainer.engine.weights.delta()

    def make(seed):
        model = copy.deepcopy(tiny_model)
        done = unlearn(model, settings("rmu"), ROW, {}, seed, tmp_path / "scratch", Matched(matched, {}))
        assert all(
            torch.equal(one, other) for one, other in zip(model.parameters(), tiny_model.parameters(), strict=True)
        )
        return done, matched, trainer.engine.weights.change(trainer.engine.weights.delta())

    return make


def test_a_cell_takes_no_step_and_says_how_far_it_is_from_the_reference(cell, tiny_model):
    done, matched, change = cell(1)
    assert done.tensors.keys() == matched.keys() and done.history == []
    assert done.facts["steps"] == 0 and done.facts["trained_tensors"] == sorted(matched)
    assert done.facts["matched_weight_change"] == pytest.approx(change, 1e-5)
    assert done.facts["weight_change"] == pytest.approx(change, 1e-5)
    moved = torch.cat([(done.tensors[n] - tiny_model.get_parameter(n)).double().flatten() for n in matched])
    assert moved.norm().item() == pytest.approx(change, 1e-5)


def test_the_seed_of_the_cell_draws_the_noise(cell, tiny_model):
    one, again, other = cell(1)[0].tensors, cell(1)[0].tensors, cell(2)[0].tensors
    assert all(torch.equal(one[name], again[name]) and not torch.equal(one[name], other[name]) for name in one)
    original = {name: tiny_model.get_parameter(name).detach() for name in one}
    expected = disturbed(original, cell(1)[1], generator(1, "weight-noise"))
    assert all(torch.equal(one[name], expected[name]) for name in one)
