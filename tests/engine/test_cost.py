import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from unlearning_robustness.engine.cost import total

ROWS = {
    "none": ([], 2, 2),
    "rna": (["rna", {"noise_scale": 1.0}], 2, 2),
    "sam": (["sam", {"radius": 0.5}], 3, 3),
    "randomised-smoothing": (["randomised-smoothing", {"scale": 0.05, "draws": 3}], 4, 4),
    # One forward, a backward that keeps its graph, and a backward through that.
    "gradient-penalty": (["gradient-penalty", {"weight": 0.1}], 2, 3),
    # g(theta), g(theta + rv), and at both places a product with the Hessian.
    "curvature": (["curvature", {"weight": 0.1, "radius": 0.5}], 5, 7),
    # The clean loss, three steps of the adversary, and the step itself.
    "latent-adversarial": (["latent-adversarial", {"radius": 0.1, "steps": 3}], 6, 5),
    "stableun": (
        ["stableun", {"inner_radius": 0.2, "sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 0.1, "hws_decay": 0.9}],
        7, 7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ROWS))
def test_each_step_counts_its_passes(make_trainer, settings, defence, name):
    row, forwards, backwards = ROWS[name]
    # A retain loss on activations runs nothing above the read layer, so the reference costs no pass.
    trainer = make_trainer(settings("rmu", steps=2), defence(row[0], **row[1]) if row else [])
    history = trainer.run()
    assert [(entry["forwards"], entry["backwards"]) for entry in history] == [(forwards, backwards)] * 2


def test_the_reference_above_the_read_layer_is_a_pass(make_trainer, settings):
    history = make_trainer(settings("npo", steps=1)).run()
    assert (history[0]["forwards"], history[0]["backwards"]) == (3, 2)


def test_tokens_are_the_real_ones_of_every_forward(make_trainer, settings, tiny_caches):
    trainer = make_trainer(settings("rmu", steps=2))
    history = trainer.run()
    for step, entry in enumerate(history):
        chosen = {corpus: trainer.order[corpus][step] for corpus in ("forget", "retain")}
        assert entry["tokens"] == sum(int(tiny_caches[corpus].mask[index].sum()) for corpus, index in chosen.items())


def test_operations_are_those_of_the_first_step_in_proportion_to_tokens(make_trainer, settings):
    history = make_trainer(settings("rmu", steps=3)).run()
    again = make_trainer(settings("rmu", steps=3))
    with FlopCounterMode(display=False) as counter:
        again._step(0)
    assert history[0]["operations"] == counter.get_total_flops() > 0
    for entry in history:
        ratio = history[0]["operations"] / history[0]["tokens"]
        assert entry["operations"] == pytest.approx(entry["tokens"] * ratio)
    assert total(history)["tokens"] == sum(entry["tokens"] for entry in history)


def test_a_resumed_run_charges_as_the_whole_one(make_trainer, settings, tmp_path):
    whole = make_trainer(settings("rmu", steps=3))
    whole.run(lambda done: whole.save(tmp_path / "state") if done == 1 else None)
    rest = make_trainer(settings("rmu", steps=3))
    rest.restore(tmp_path / "state")
    assert rest.run() == whole.history
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))


def test_double_backwards_cost_operations(make_trainer, settings, defence):
    plain = make_trainer(settings("npo", steps=1)).run()[0]
    penalised = make_trainer(settings("npo", steps=1), defence("gradient-penalty", weight=0.1)).run()[0]
    assert penalised["tokens"] == plain["tokens"] and penalised["operations"] > 1.3 * plain["operations"]
