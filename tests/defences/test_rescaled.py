"""Rescaled weights compute the same, however far they lie from the cell's."""

import copy

import pytest
import torch
from families import FAMILIES, MIXTURES, family_model

from unlearning_robustness.defences.rescaled import Rescaled
from unlearning_robustness.engine.weights import change_of
from unlearning_robustness.models.architecture import ArchitectureError
from unlearning_robustness.models.delta import applied
from unlearning_robustness.training.matching import Matched
from unlearning_robustness.training.unlearning import unlearn

LAYERS = [1, 2]
WITHOUT_A_GATE = ("phi3", "gpt-neox parallel", "gpt-neox serial", "gpt2", "phi", "falcon", "opt", "starcoder2")
GATED = [family for family in FAMILIES if family not in (*WITHOUT_A_GATE, *MIXTURES)]
TOKENS = torch.arange(24).view(2, 12)


def changed_cell(model):
    """A cell that moved the down-projections of two layers."""
    names = [name for name, _ in model.named_parameters() if any(f".{n}." in name for n in LAYERS) and "down" in name]
    random = torch.Generator().manual_seed(5)
    start = {name: model.get_parameter(name).detach() for name in names if name.endswith("weight")}
    return {name: (own + 0.05 * torch.randn(own.shape, generator=random)).to(own.dtype) for name, own in start.items()}


def logits(model, tensors):
    with applied(model, tensors), torch.no_grad():
        return model(TOKENS).logits


@pytest.mark.parametrize("family", GATED)
def test_logits_are_the_same_and_the_weights_lie_far_away(family):
    model = family_model(family)
    cell = changed_cell(model)
    tensors = Rescaled("none", factor=7.3).remade(model, LAYERS, cell, 0)
    before, after, reference = (logits(model, change) for change in (cell, tensors, {}))
    assert (after - before).abs().max() < 1e-5 * before.abs().max() and (before - reference).abs().max() > 1e-2
    original = {name: model.get_parameter(name).detach() for name in tensors}
    assert change_of(original, tensors) > 10 * change_of({name: original[name] for name in cell}, cell)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_power_of_two_changes_no_bit_of_the_logits(dtype):
    model = family_model("llama with biases", dtype=dtype)
    cell = changed_cell(model)
    tensors = Rescaled("none", factor=16.0).remade(model, LAYERS, cell, 0)
    assert torch.equal(logits(model, cell), logits(model, tensors))
    up = "model.layers.1.mlp.up_proj"
    assert torch.equal(tensors[f"{up}.bias"], 16 * model.get_parameter(f"{up}.bias"))
    assert torch.equal(16 * tensors["model.layers.1.mlp.down_proj.weight"], cell["model.layers.1.mlp.down_proj.weight"])
    assert not any(".layers.0." in name or "down_proj.bias" in name for name in tensors)


@pytest.mark.parametrize("family", [*WITHOUT_A_GATE, *MIXTURES])
def test_an_mlp_that_does_not_scale_through_is_one_line(family):
    with pytest.raises(ArchitectureError) as raised:
        Rescaled("none").remade(family_model(family), LAYERS, {}, 0)
    assert len(str(raised.value).splitlines()) == 1


def test_a_cell_of_it_takes_no_step_and_says_how_far_both_lie_from_the_reference(
    make_trainer, settings, tiny_model, tmp_path
):
    trainer = make_trainer(settings("rmu"))
    trainer.run()
    cell, change = trainer.engine.weights.delta(), trainer.engine.weights.change(trainer.engine.weights.delta())
    row = [{"id": "rescaled", "kind": "rescaled", "parameters": {"match": "none", "factor": 8.0}}]
    model = copy.deepcopy(tiny_model)
    done = unlearn(model, settings("rmu"), row, {}, 1, tmp_path / "scratch", Matched(cell, {}))
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), tiny_model.parameters(), strict=True))
    assert done.history == [] and done.facts["steps"] == 0 and done.facts["trained_tensors"] == sorted(done.tensors)
    assert done.facts["matched_weight_change"] == pytest.approx(change, 1e-5)
    assert done.facts["weight_change"] > 10 * change
    assert torch.equal(logits(model, cell), logits(model, done.tensors))
