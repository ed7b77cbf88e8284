import copy
import os
import signal

import numpy
import pytest
import torch

from unlearning_robustness.errors import InterruptionError, TrainingError
from unlearning_robustness.runtime.artefacts import seal_of
from unlearning_robustness.training import unlearning
from unlearning_robustness.training.matching import Matched
from unlearning_robustness.training.unlearning import keep_untrained, relative_scales, unlearn

NAMES = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (1, 2)]


@pytest.fixture
def run(tiny_model, tiny_caches, tmp_path):
    def make(entry, row=(), **changes):
        model = copy.deepcopy(tiny_model)
        return model, unlearn(model, entry, list(row), tiny_caches, 1, tmp_path / "scratch", **changes)

    return make


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_cell_is_what_its_trainer_made(run, make_trainer, settings, tiny_model, tmp_path):
    model, done = run(settings("rmu"))
    trainer = make_trainer(settings("rmu"))
    assert done.history == trainer.run()
    assert equal(done.tensors, trainer.engine.weights.delta()) and not (tmp_path / "scratch").exists()
    assert done.facts["steps"] == 6 and done.facts["trained_tensors"] == NAMES
    moved = torch.cat([(done.tensors[n] - tiny_model.get_parameter(n)).double().flatten() for n in NAMES])
    assert equal(dict(model.named_parameters()), dict(tiny_model.named_parameters()))
    assert not any(tensor.requires_grad for tensor in model.parameters())
    assert done.facts["weight_change"] == pytest.approx(moved.norm().item(), rel=1e-5)


def test_an_interrupted_cell_continues_from_its_scratch_file(run, make_trainer, settings, tmp_path, monkeypatch):
    _, whole = run(settings("rmu"))
    monkeypatch.setattr(unlearning, "CHECKPOINT_SECONDS", -1.0)
    broken = make_trainer(settings("rmu"))
    step, calls = broken._step, []

    def fail(index):
        calls.append(index)
        if index == 4:
            raise InterruptedError
        return step(index)

    broken._step = fail
    with pytest.raises(InterruptedError):
        unlearning.resume(broken, tmp_path / "scratch")
    assert calls == [0, 1, 2, 3, 4] and (tmp_path / "scratch").is_file()
    _, resumed = run(settings("rmu"))
    assert equal(resumed.tensors, whole.tensors) and resumed.history == whole.history
    assert not (tmp_path / "scratch").exists()


def test_a_cell_that_must_stop_keeps_its_step_and_continues(run, make_trainer, settings, tmp_path):
    _, whole = run(settings("rmu"))
    stopped = make_trainer(settings("rmu"))
    step = stopped._step

    def cancel(index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(index)

    stopped._step = cancel
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(InterruptionError, match="after step 3"):
        unlearning.resume(stopped, tmp_path / "scratch")
    assert stopped.done == 3 and signal.getsignal(signal.SIGTERM) is before
    _, resumed = run(settings("rmu"))
    assert equal(resumed.tensors, whole.tensors) and resumed.history == whole.history


@pytest.mark.parametrize("fault", ["flipped", "truncated", "without a seal"])
def test_a_damaged_state_is_no_state(run, make_trainer, settings, tmp_path, capsys, fault):
    _, whole = run(settings("rmu"))
    stopped, state = make_trainer(settings("rmu")), tmp_path / "scratch"
    step = stopped._step
    stopped._step = lambda index: (os.kill(os.getpid(), signal.SIGTERM) if index == 2 else None, step(index))[1]
    with pytest.raises(InterruptionError, match="after step 3"):
        unlearning.resume(stopped, state)
    content = bytearray(state.read_bytes())
    content[-9] ^= 64
    if fault == "without a seal":
        seal_of(state).unlink()
    else:
        state.write_bytes(content if fault == "flipped" else content[:-9])
    _, resumed = run(settings("rmu"))
    said = capsys.readouterr().out
    assert "is not as it was saved: it is removed, and the work begins anew" in said and "resumed" not in said
    assert equal(resumed.tensors, whole.tensors) and resumed.history == whole.history


def test_the_scales_are_relative_to_the_counted_activations(settings, tiny_caches, defence):
    # A direction of length 2, as Adaptive RMU's may be.
    facts = relative_scales(settings("rmu"), defence("rna", noise_scale=1.5), tiny_caches, torch.tensor([0.0, 2.0]))
    means = {}
    for name in ("forget", "retain"):
        cache = tiny_caches[name]
        norms = [
            cache.reference_hidden[row, place].double().norm().item()
            for row in range(len(cache))
            for place in range(1, int(cache.mask[row].sum()))
        ]
        means[name] = sum(norms) / len(norms)
    assert facts["mean_activation_norm"] == pytest.approx(means, rel=1e-5)
    assert facts["relative_coefficient"] == pytest.approx(2 * 6.0 / means["forget"], rel=1e-5)
    assert facts["relative_noise_scale"] == pytest.approx(1.5 * 32**0.5 / means["retain"], rel=1e-5)


def test_a_cell_without_noise_or_coefficient_has_no_such_scale(settings, tiny_caches):
    facts = relative_scales(settings("npo"), [], tiny_caches)
    assert "relative_coefficient" not in facts and "relative_noise_scale" not in facts


class Scorer:
    """One question, whose margin a rule reads off the model."""

    def __init__(self, rule):
        self.rule, self.asked, self.first_layer = rule, self, 0

    def keep_prefix(self, model, first_layer):
        self.first_layer = first_layer

    def margins(self, model):
        return numpy.array([self.rule(model)])


def test_an_early_stop_ends_where_the_matched_cell_is(run, make_trainer, settings, tiny_model, defence):
    start = tiny_model.get_parameter(NAMES[0])

    def knows(model):
        return 5.0 - (model.get_parameter(NAMES[0]).detach() - start).norm().item()

    shorter = make_trainer(settings("rmu", steps=4))
    shorter.run()
    matched, scorer = shorter.engine.weights.delta(), Scorer(knows)
    row = defence("early-stop", match="rna", every=2)
    model, done = run(settings("rmu"), row, matched=Matched(matched, {}), scorer=scorer)
    assert equal(done.tensors, matched) and scorer.first_layer == 1
    assert (done.facts["steps"], done.facts["equal"]) == (4, True)
    assert done.facts["matched_value"] == done.facts["own_value"] < 5.0
    assert equal(dict(model.named_parameters()), dict(tiny_model.named_parameters()))
    moved = torch.cat([(matched[name] - tiny_model.get_parameter(name)).double().flatten() for name in NAMES])
    assert done.facts["weight_change"] == pytest.approx(moved.norm().item(), rel=1e-5)


@pytest.mark.parametrize("equal_in", ["distance", "operations"])
def test_a_control_of_equal_distance_or_cost_asks_no_question(run, make_trainer, settings, defence, equal_in):
    shorter = make_trainer(settings("rmu", steps=4))
    spent = sum(entry["operations"] for entry in shorter.run())
    matched = Matched(shorter.engine.weights.delta(), {"operations": spent})
    _, done = run(settings("rmu"), defence("early-stop", match="rna", every=1, equal=equal_in), matched=matched)
    assert done.facts["steps"] == 4 and equal(done.tensors, matched.tensors)
    assert done.facts["operations"] == pytest.approx(spent)


def test_what_a_method_does_not_train_is_kept_of_questions_once(tiny_model, settings, monkeypatch):
    scorer, kept = Scorer(None), []
    keep = scorer.keep_prefix
    monkeypatch.setattr(scorer, "keep_prefix", lambda model, first: (kept.append(first), keep(model, first)))
    for layers in ([0, 1], [2, 3], [3, 2], [1]):
        keep_untrained(scorer, tiny_model, settings("npo", layers=layers))
    assert kept == [2, 1]


def test_the_schedule_can_be_shortened_without_changing_what_came_before(make_trainer, settings):
    long, short = make_trainer(settings("rmu")), make_trainer(settings("rmu"), steps=2)
    assert long.run()[:2] == short.run() and len(short.history) == 2


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_state(
    run, settings, tmp_path, monkeypatch, make_trainer
):
    make = unlearning.make_trainer

    def failing(*arguments, **changes):
        trainer = make(*arguments, **changes)
        forget = trainer.step.forget_gradient

        def spoilt(engine, batch, generator):
            loss, gradient = forget(engine, batch, generator)
            return (float("nan") if trainer.done == 3 else loss), gradient

        trainer.step.forget_gradient = spoilt
        return trainer

    monkeypatch.setattr(unlearning, "make_trainer", failing)
    with pytest.raises(TrainingError, match=r"'step': 4, 'forget_loss': nan.*last good state is kept in .*scratch"):
        run(settings("rmu"))
    kept, whole = make_trainer(settings("rmu")), make_trainer(settings("rmu"), steps=3)
    kept.restore(tmp_path / "scratch")
    whole.run()
    assert kept.done == 3
    assert all(torch.equal(one, other) for one, other in zip(kept.master, whole.master, strict=True))


TRAINED = {
    "full": ({"trained": "full"}, 2 * 9),
    "lora": ({"trained": "lora", "lora": {"rank": 3, "alpha": 6.0, "targets": ["q_proj", "down_proj"]}}, 2 * 2),
}
ROWS = [None, ("sam", {"radius": 0.5}), ("gradient-penalty", {"weight": 0.1}),
        ("stableun", {"inner_radius": 0.2, "sap_radius": 0.6, "gpn_radius": 0.5})]  # fmt: skip


@pytest.mark.parametrize("trained", list(TRAINED))
@pytest.mark.parametrize("entry", ROWS)
def test_whole_layers_and_adapters_are_trained_by_the_same_loop(run, settings, defence, tiny_model, trained, entry):
    changes, count = TRAINED[trained]
    row = [] if entry is None else defence(entry[0], **entry[1])
    model, done = run(settings("npo", **changes), row)
    assert equal(dict(model.named_parameters()), dict(tiny_model.named_parameters()))
    assert len(done.tensors) == count and set(done.tensors) <= set(dict(tiny_model.named_parameters()))
    assert all(name.startswith(("model.layers.1.", "model.layers.2.")) for name in done.tensors)
    assert all(not torch.equal(tensor, tiny_model.get_parameter(name)) for name, tensor in done.tensors.items())
    assert done.history[-1]["forget_loss"] < done.history[0]["forget_loss"]
    ranks = [torch.linalg.matrix_rank((tensor - tiny_model.get_parameter(name)).double(), rtol=1e-4).item()
             for name, tensor in done.tensors.items() if tensor.ndim == 2]  # fmt: skip
    assert max(ranks) == 3 if trained == "lora" else max(ranks) > 3


def test_an_early_stop_of_adapters_is_matched_by_what_the_model_answers(run, settings, defence, tiny_model):
    def knows(model):
        # Adapters beside a weight and merged into it differ in the last bits.
        return round(500.0 - (model(torch.arange(12)[None]).logits - start).norm().item(), 2)

    start = tiny_model(torch.arange(12)[None]).logits
    changes, _ = TRAINED["lora"]
    _, matched = run(settings("npo", steps=4, **changes))
    row = defence("early-stop", match="rna", every=2)
    cell = Matched(matched.tensors, matched.facts)
    _, done = run(settings("npo", **changes), row, matched=cell, scorer=Scorer(knows))
    assert done.facts["steps"] == 4 and done.facts["own_value"] == done.facts["matched_value"]
    assert equal(done.tensors, matched.tensors) and done.facts["weight_change"] > 0


def test_a_learning_rate_in_norms_is_one_of_the_trained_tensors_root_mean_square(run, settings, tiny_model):
    entries = torch.cat([tiny_model.get_parameter(name).double().flatten() for name in NAMES])
    size = entries.square().mean().sqrt().item()
    relative = settings("rmu") | {"learning_rate": 0.05, "learning_rate_unit": "norm"}
    _, done = run(relative)
    _, absolute = run(settings("rmu") | {"learning_rate": done.facts["learning_rate"]})
    assert done.facts["learning_rate"] == pytest.approx(0.05 * size, rel=1e-6)
    assert equal(done.tensors, absolute.tensors) and "learning_rate" not in absolute.facts


def test_noise_in_norms_is_as_long_as_the_mean_activation_of_the_retain_text(run, settings, tiny_caches):
    def row(**parameters):
        return [{"kind": "rna", "parameters": parameters}]

    cache = tiny_caches["retain"]
    counted = cache.mask.clone()
    counted[:, 0] = False
    streams = cache.reference_hidden.double()[counted.bool()]
    deviation = streams.norm(dim=-1).mean().item() / streams.shape[-1] ** 0.5
    _, relative = run(settings("rmu"), row(noise_scale=0.5, unit="norm"))
    _, absolute = run(settings("rmu"), row(noise_scale=0.5 * deviation))
    for name in NAMES:
        assert torch.allclose(relative.tensors[name], absolute.tensors[name], atol=1e-5)
    assert relative.facts["relative_noise_scale"] == 0.5
    assert absolute.facts["relative_noise_scale"] == pytest.approx(0.5, rel=1e-4)
