"""Layers that run again for the backward pass: the same numbers, in less memory."""

import copy

import pytest
import torch
from objectives import PREFERENCE

from unlearning_robustness.engine.weights import TrainedWeights, tensors_of_layers
from unlearning_robustness.models.checkpointing import checkpointed
from unlearning_robustness.training.fine_tuning import fine_tune
from unlearning_robustness.training.unlearning import make_trainer

IDS = torch.arange(40).view(2, 20)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", ["rmu", *PREFERENCE])
@pytest.mark.parametrize("kind", ["dropout", "latent-noise", "rna"])
def test_a_cell_is_the_same_bit_for_bit(make_trainer, settings, defence, method, kind):
    """Noise is drawn once, outside of the layers that run again."""
    row = defence(kind, **({"rate": 0.3} if kind == "dropout" else {"noise_scale": 1.0}))
    plain, again = (
        make_trainer(settings(method, gradient_checkpointing=wanted, trained="full", steps=3), row)
        for wanted in (False, True)
    )
    assert [without_operations(row) for row in plain.run()] == [without_operations(row) for row in again.run()]
    assert same(plain.engine.weights.delta(), again.engine.weights.delta())
    assert again.history[0]["operations"] > 1.2 * plain.history[0]["operations"]


def without_operations(row):
    return {key: value for key, value in row.items() if key != "operations"}


def test_dropout_inside_the_layers_is_drawn_as_the_first_time(make_model):
    model = make_model(attention_dropout=0.5).train()
    weights = TrainedWeights(model, tensors_of_layers(model, [1, 2]))
    gradients = []
    for wanted in (False, True, True):
        torch.manual_seed(3 if len(gradients) < 2 else 4)
        with checkpointed(model, wanted):
            loss = model(IDS).logits.square().mean()
        gradients.append(weights.gradient(loss))
    assert same(gradients[0], gradients[1]) and not same(gradients[1], gradients[2])


def kept_bytes(work):
    """Bytes that the graph of what ``work`` gives keeps for the backward pass, those of parameters left out."""
    kept = {}

    def pack(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        work()
    return sum(kept.values())


def test_only_the_inputs_of_layers_are_kept(make_model):
    model = make_model(num_hidden_layers=8)
    TrainedWeights(model, tensors_of_layers(model, range(8)))

    def forward(wanted):
        with checkpointed(model, wanted):
            return model.model(IDS).last_hidden_state

    assert kept_bytes(lambda: forward(True)) < 0.3 * kept_bytes(lambda: forward(False))


def test_the_layers_are_as_they_were_after_the_block(tiny_model):
    with pytest.raises(RuntimeError, match="planned"), checkpointed(tiny_model):
        assert all("forward" in vars(layer) for layer in tiny_model.model.layers)
        raise RuntimeError("planned")
    assert not any("forward" in vars(layer) for layer in tiny_model.model.layers)


def test_relearning_is_the_same_bit_for_bit(tiny_model):
    ids, mask = torch.arange(60).view(3, 20), torch.ones(3, 20, dtype=torch.bool)
    mask[1, 12:] = False
    deltas = []
    for wanted in (False, True):
        model = copy.deepcopy(tiny_model)
        weights = TrainedWeights(model, tensors_of_layers(model, range(4)))
        batches = torch.tensor([[0, 1], [2, 1], [0, 2]])
        assert list(fine_tune(model, weights, ids, mask, batches, lambda step: 1e-2, wanted)) == [0, 1, 2, 3]
        deltas.append(weights.delta())
        assert weights.change(deltas[-1]) > 0
    assert same(*deltas)


def test_a_cell_of_a_bfloat16_model_is_the_same_too(make_model, make_caches, settings):
    model = make_model(dtype=torch.bfloat16)
    caches, deltas = make_caches(model), []
    for wanted in (False, True):
        trainer = make_trainer(copy.deepcopy(model), settings("npo", gradient_checkpointing=wanted), [], caches, 1)
        trainer.run()
        deltas.append(trainer.engine.weights.delta())
    assert same(*deltas)
