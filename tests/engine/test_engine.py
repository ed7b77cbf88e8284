import dataclasses

import pytest
import torch

from unlearning_robustness.engine.cost import SPENT
from unlearning_robustness.engine.engine import CLEAN, loss_mask
from unlearning_robustness.engine.weights import down_projections
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.methods.method import build_method
from unlearning_robustness.methods.nll import NLLRetain

CHOSEN = torch.tensor([0, 2, 3])


def outputs(model, batch):
    return model(batch.input_ids, attention_mask=batch.mask, output_hidden_states=True)


# Layers 1 and 3 with read layer 2: a trained layer lies above the read layer, where the reference runs on.


def test_the_reference_of_the_kl_retain_stays_the_original_when_the_weights_move(moved_engine, tiny_model, tiny_caches):
    engine = moved_engine("npo", layers=[1, 3])
    moved = engine.weights.delta()
    batch = tiny_caches["retain"].batch(CHOSEN)
    logits = engine._reference(batch, None)["reference_logits"]
    expected = outputs(tiny_model, batch).logits
    torch.testing.assert_close(logits[batch.mask], expected[batch.mask], atol=1e-5, rtol=1e-5)
    assert all(torch.equal(engine.weights.live[name], tensor) for name, tensor in moved.items())


def test_both_losses_are_at_rest_before_the_first_step(make_trainer, settings, tiny_caches):
    batch = tiny_caches["retain"].batch(CHOSEN)
    for name in ("rmu", "npo"):
        value, _ = make_trainer(settings(name)).engine.retain_gradient(batch)
        assert value == pytest.approx(0, abs=1e-6)


def test_only_the_trained_tensors_move(make_trainer, settings, tiny_model):
    trainer = make_trainer(settings("rmu"))
    trainer.run()
    names = down_projections(tiny_model, (1, 2))
    for name, tensor in trainer.engine.model.named_parameters():
        assert torch.equal(tensor, tiny_model.get_parameter(name)) == (name not in names), name


def test_corrected_masks_leave_out_padding_and_of_activations_the_sink():
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert loss_mask(mask, "hidden").tolist() == [[False, True, True], [False, True, False]]
    assert loss_mask(mask.flip(1), "hidden").tolist() == [[False, True, True], [False, False, True]]
    assert loss_mask(mask, "logits").tolist() == mask.tolist()
    assert mask[:, 0].all()


@pytest.mark.parametrize("changes", [{"layers": [2, 4]}, {"read_layer": 4}])
def test_layers_beyond_the_model_are_a_configuration_error(tiny_model, settings, changes):
    with pytest.raises(ConfigError, match="has 4 layers"):
        build_method(settings("rmu", **changes)).check_depth(tiny_model.config.num_hidden_layers)


def run_layers(engine):
    """How often each span and the reference's copy of the weights are used, counted from here on."""
    counts = {"below": 0, "above": 0, "reference": 0}

    def counted(name, take):
        def use(*given, **named):
            counts[name] += 1
            return take(*given, **named)

        return use

    engine.to_read_layer.forward = counted("below", engine.to_read_layer.forward)
    engine.from_read_layer.forward = counted("above", engine.from_read_layer.forward)
    engine.weights.reference = counted("reference", engine.weights.reference)
    return counts


@pytest.mark.parametrize("method", ["rmu", "npo"])
def test_with_a_retain_weight_of_0_nothing_is_run_for_the_retain_gradient(moved_engine, tiny_caches, method):
    engine, batch = moved_engine(method, retain_weight=0.0), tiny_caches["retain"].batch(CHOSEN)
    counts = run_layers(engine)
    loss, gradient = engine.retain_gradient(batch)
    assert loss == 0.0 and list(gradient) == list(engine.weights.master)
    assert all(torch.equal(gradient[name], torch.zeros_like(tensor)) for name, tensor in engine.weights.master.items())
    assert set(counts.values()) == {0}


@pytest.mark.parametrize(("retain_loss", "times"), [("nll", 1), ("kl", 2), ("mse", 2)])
def test_the_reference_is_run_only_for_a_retain_loss_that_reads_it(moved_engine, tiny_caches, retain_loss, times):
    engine = moved_engine("gradient-ascent", retain_loss=retain_loss)
    counts = run_layers(engine)
    engine.retain_gradient(tiny_caches["retain"].batch(CHOSEN))
    assert counts == {"below": 1, "above": times, "reference": times - 1}


@pytest.mark.parametrize("kind", ["rna", "gradient-noise", "stableun", "none"])
@pytest.mark.parametrize("changes", [{"retain_weight": 0.0}, {"retain_loss": "nll"}])
def test_what_is_left_out_changes_no_bit_of_a_run(make_trainer, settings, defence, monkeypatch, changes, kind):
    """Against an engine that runs everything and multiplies by the weight, as before."""
    row = defence(kind, **({"inner_radius": 0.2} if kind == "stableun" else {"noise_scale": 1.0}))
    spare, full = (
        make_trainer(settings("gradient-ascent", **changes), [] if kind == "none" else row) for _ in range(2)
    )

    def everything(batch, noise=CLEAN):
        loss = full.engine.retain_loss(batch, noise)
        return loss.item(), full.engine.weights.gradient(loss)

    history = spare.run()
    monkeypatch.setattr(NLLRetain, "needs_reference", True)
    full.engine.retain_gradient = everything
    # They differ in what they spend.
    assert [{**row, **dict.fromkeys(SPENT)} for row in full.run()] == [
        {**row, **dict.fromkeys(SPENT)} for row in history
    ]
    assert sum(row["forwards"] for row in history) < sum(row["forwards"] for row in full.history)
    assert all(torch.equal(one, other) for one, other in zip(spare.master, full.master, strict=True))
    assert (history[-1]["retain_loss"] == 0.0) == ("retain_weight" in changes)


def test_the_forget_text_is_disturbed_alone_and_the_refusals_are_not(moved_engine, tiny_caches):
    engine, batch = moved_engine("dpo"), tiny_caches["forget"].batch(CHOSEN)
    seen = []

    def shift(hidden):
        seen.append(hidden.shape)
        return hidden + 1.0

    shifted = dataclasses.replace(batch, prefix=batch.prefix + 1.0)
    assert engine.forget_loss(batch, entering=shift).item() == engine.forget_loss(shifted).item()
    assert seen == [batch.prefix.shape]
    assert engine.forget_loss(batch).item() != engine.forget_loss(shifted).item()
