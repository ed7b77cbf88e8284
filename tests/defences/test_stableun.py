import pytest
import torch

from unlearning_robustness.defences.projection import inner
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.training import unlearning

CHOSEN = torch.tensor([0, 2, 3])
ALL = {"sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 0.1, "hws_decay": 0.9}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def step_of(engine, caches, row, seed=0):
    """Loss, both gradients and their combination of one step."""
    step = build_step(row)
    loss, forget = step.forget_gradient(engine, caches["forget"].batch(CHOSEN), random(seed))
    _, retain = step.retain_gradient(engine, caches["retain"].batch(CHOSEN), random(seed))
    return step, loss, forget, retain, step.combine(forget, retain)


def at(engine, batch, values):
    with engine.weights.at(values):
        return engine.forget_gradient(batch)[1]


def close(one, other):
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


def test_without_any_feedback_it_is_a_plain_forgetting_step(moved_engine, tiny_caches, defence):
    engine = moved_engine("npo")
    row = defence("stableun", inner_radius=0.2, forget_feedback=0.0, retain_feedback=0.0)
    *_, combined = step_of(engine, tiny_caches, row)
    close(combined, engine.forget_gradient(tiny_caches["forget"].batch(CHOSEN))[1])


def test_an_ascent_beyond_the_inner_step_raises_the_loss_and_one_that_undoes_it_does_not(
    moved_engine, tiny_caches, defence
):
    engine = moved_engine("npo")
    far, *_ = step_of(engine, tiny_caches, defence("stableun", inner_radius=0.2, sap_radius=0.8))
    undone, *_ = step_of(engine, tiny_caches, defence("stableun", inner_radius=0.2, sap_radius=0.2))
    assert far.measures["loss_inner"] < far.measures["loss"] < far.measures["loss_perturbed"]
    gap = abs(undone.measures["loss_perturbed"] - undone.measures["loss"])
    assert gap < 0.2 * (far.measures["loss_perturbed"] - far.measures["loss"])


def test_the_branches_do_not_conflict_after_harmonisation(moved_engine, tiny_caches, defence):
    for seed in range(3):
        engine = moved_engine("rmu", size=0.1 + 0.2 * seed)
        row = defence("stableun", inner_radius=0.2, retain_feedback=3.0, **ALL)
        _, _, forget, retain, combined = step_of(engine, tiny_caches, row, seed)
        share = {name: 0.5 * tensor for name, tensor in engine.forget_gradient(
            tiny_caches["forget"].batch(CHOSEN))[1].items()}  # fmt: skip
        retain = {name: share[name] + 3.0 * retain[name] for name in retain}
        harmonised = {name: combined[name] - retain[name] for name in combined}
        assert inner(harmonised, retain) >= -1e-5
        if inner(forget, retain) >= 0:
            close(harmonised, forget)


def test_the_branches_may_be_held_apart_with_the_same_sum(moved_engine, tiny_caches, defence):
    engine, sums = moved_engine("npo"), []
    for forget_share, retain_share in ((0.5, 0.5), (1.0, 0.0)):
        shares = {"forget_share": forget_share, "retain_branch_share": retain_share, "projection": "none"}
        step, _, forget, retain, combined = step_of(
            engine, tiny_caches, defence("stableun", inner_radius=0.2, sap_radius=0.6, **shares)
        )
        sums.append(combined)
    close(*sums)
    # Held apart, the retain branch is the gradient of retain text alone.
    close({name: combined[name] - forget[name] for name in combined}, retain)
    flat = [torch.cat([gradient[name].flatten() for name in forget]) for gradient in (forget, retain)]
    assert step.measures["alignment"] == pytest.approx(torch.cosine_similarity(*flat, dim=0).item(), abs=1e-5)


def test_the_history_says_how_the_branches_are_aligned_and_the_cell_how_often_they_conflict(
    make_trainer, settings, defence
):
    row = defence("stableun", inner_radius=0.2, forget_share=1.0, retain_branch_share=0.0)
    history = make_trainer(settings("npo", steps=4), row).run()
    share = sum(entry["alignment"] < 0 for entry in history) / 4
    assert unlearning.conflicts(history) == {"conflicting_steps": share}
    assert unlearning.conflicts(make_trainer(settings("npo", steps=2)).run()) == {}


def test_it_composes_with_rna_on_the_retain_branch(moved_engine, tiny_caches, defence):
    engine, row = moved_engine("rmu"), defence("stableun", inner_radius=0.2)
    _, _, forget, clean, _ = step_of(engine, tiny_caches, row)
    _, _, same, noisy, _ = step_of(engine, tiny_caches, defence("rna", noise_scale=2.0) + row)
    close(forget, same)
    assert any(not torch.equal(clean[name], noisy[name]) for name in clean)


def test_the_history_is_a_moving_average_that_a_resumed_run_keeps(make_trainer, settings, defence, tmp_path):
    row = defence("stableun", inner_radius=0.2, hws_decay=0.5)
    whole, seen = make_trainer(settings("rmu", steps=3), row), []
    seen.append(whole.master[0].clone())

    def after(done: int) -> None:
        seen.append(whole.master[0].clone())
        if done == 2:
            whole.save(tmp_path / "s")

    whole.run(after)
    average = seen[0]
    for weights in seen[1:3]:
        average = 0.5 * average + 0.5 * weights
    (name, *_) = whole.engine.weights.master
    torch.testing.assert_close(whole.step.memory[f"history.{name}"], average)
    rest = make_trainer(settings("rmu", steps=3), row)
    rest.restore(tmp_path / "s")
    rest.run()
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))
    assert "loss_perturbed" in whole.history[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_before_there_is_a_history_it_is_the_present_weights_bit_for_bit(
    make_model, make_caches, settings, defence, dtype
):
    model = make_model(dtype=dtype)
    caches = make_caches(model)
    row = defence("stableun", inner_radius=0.5, hws_decay=0.9, forget_feedback=2.0)
    trainer = unlearning.make_trainer(model, settings("npo", steps=2), row, caches, 1)
    engine, batch = trainer.engine, caches["forget"].batch(CHOSEN)
    present = engine.forget_gradient(batch)[1]
    _, found = trainer.step.forget_gradient(engine, batch, random())
    assert all(torch.equal(found[name], 0.5 * present[name] + 2.0 * present[name]) for name in present)
    for name, tensor in engine.weights.master.items():
        assert torch.equal(trainer.step.memory[f"history.{name}"], tensor)
    # A history nearer than bfloat16 can tell apart is no reason to stop.
    assert len(trainer.run()) == 2


@pytest.mark.parametrize(("dtype", "rate", "least", "most"), [
    (torch.float32, 0.1, 0.999, 1.001),
    (torch.bfloat16, 1e-9, 0.0, 0.5),
])  # fmt: skip
def test_a_relearning_step_that_shrinks_with_its_gradient_stops_no_run_and_is_said(
    make_model, make_caches, settings, defence, dtype, rate, least, most
):
    model = make_model(dtype=dtype)
    row = defence("stableun", inner_radius=2.0, gap_rate=rate)
    entry = settings("npo") | {"steps": 2}
    history = unlearning.make_trainer(model, entry, row, make_caches(model), 1).run()
    assert all(least <= kept <= most for kept in (step["gap_kept"] for step in history))
