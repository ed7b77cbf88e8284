"""Trained tensors without masters: what stochastic rounding keeps, and what pure bfloat16 loses."""

import pytest
import torch

from unlearning_robustness.engine.precision import PureWeights, StochasticWeights, round_stochastically
from unlearning_robustness.engine.weights import TrainedWeights

NAME = "model.layers.2.mlp.down_proj.weight"
# A unit in the last place of bfloat16 in [1, 2).
UNIT = 2.0**-7


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def low(make_model):
    return make_model(dtype=torch.bfloat16)


@pytest.fixture
def weights_of(low):
    def make(kind):
        made = {"master": TrainedWeights, "pure": PureWeights}
        return StochasticWeights(low, [NAME], random()) if kind == "stochastic" else made[kind](low, [NAME])

    return make


def neighbours(values):
    """The bfloat16 below and above each value, towards zero and away from it, by the double type's arithmetic."""
    nearest = values.bfloat16()
    down = torch.where(nearest.double().abs() <= values.double().abs(), nearest, step(nearest, -1))
    return down, step(down, 1)


def step(values, by):
    return (values.view(torch.int16) + by).view(torch.bfloat16)


@pytest.mark.parametrize("share", [0.0, 0.125, 0.5, 0.75, 1 - 2.0**-16])
@pytest.mark.parametrize("base", [1.0, -3.0, 2.0**-130, 1e30])
def test_a_value_is_rounded_up_as_often_as_it_lies_near(base, share):
    base = torch.tensor(base).bfloat16()
    above = step(base, 1)
    exact = base.double() + share * (above.double() - base.double())
    value = exact.float()
    assert value.double() == exact
    rounded = round_stochastically(value.expand(200_000).contiguous(), random())
    assert set(rounded.tolist()) <= {base.item(), above.item()}
    up = (rounded == above).double().mean().item()
    assert up == pytest.approx(share, abs=5 * (share * (1 - share) / 200_000) ** 0.5 + 2.0**-16)


def test_over_all_draws_the_mean_is_the_value_itself(monkeypatch):
    """Exactly, without chance: each of the 2^16 draws once."""
    values = torch.tensor([1.001, -0.3, 7.77e-5, 65504.0, 3e-39, -1e-44])
    monkeypatch.setattr(torch, "randint", lambda low, high, shape, **_: torch.arange(low, high, dtype=torch.int32))
    for value in values:
        rounded = round_stochastically(value.expand(1 << 16).contiguous(), random())
        assert rounded.double().mean().item() == value.double().item()


def test_what_bfloat16_holds_stays_and_so_do_infinity_and_nan():
    held = torch.randn(1000, generator=random()).bfloat16()
    assert torch.equal(round_stochastically(held.float(), random(1)), held)
    special = round_stochastically(torch.tensor([torch.inf, -torch.inf, torch.nan, 0.0, -0.0]), random())
    assert special[:2].tolist() == [torch.inf, -torch.inf] and special[2].isnan() and (special[3:] == 0).all()


def test_rounding_gives_neighbours_and_is_unbiased_over_many_values():
    values = torch.randn(400_000, generator=random())
    rounded = round_stochastically(values, random(1))
    down, up = neighbours(values)
    assert ((rounded == down) | (rounded == up)).all()
    gap = (up.double() - down.double()).abs()
    error = (rounded.double() - values.double()) / gap.clamp_min(1e-300)
    # The share above the lower neighbour is uniform, so an error has variance 1/6 of a gap squared.
    assert error.mean().abs().item() < 5 * (1 / 6 / len(values)) ** 0.5
    assert error.var().item() == pytest.approx(1 / 6, rel=0.02)


def test_the_seed_decides_the_rounding():
    values = torch.randn(1000, generator=random())
    assert torch.equal(round_stochastically(values, random(1)), round_stochastically(values, random(1)))
    assert not torch.equal(round_stochastically(values, random(1)), round_stochastically(values, random(2)))


def run(weights, steps, rate):
    """Weights of one, moved by SGD on a gradient of one."""
    weights.master[NAME].fill_(1.0)
    weights.publish()
    optimiser = torch.optim.SGD(list(weights.optimised.values()), lr=rate)
    for _ in range(steps):
        weights.step(optimiser, {NAME: -torch.ones(32, 64)})
    return weights.delta()[NAME].float()


@pytest.mark.parametrize("steps", [1, 40])
def test_steps_below_half_a_unit_vanish_in_pure_bfloat16_and_add_up_otherwise(weights_of, steps):
    rate = 0.4 * UNIT
    assert (run(weights_of("pure"), steps, rate) == 1.0).all()
    exact = 1 + steps * rate
    moved = run(weights_of("stochastic"), steps, rate)
    spread = (steps * 0.25) ** 0.5 * UNIT
    assert moved.mean().item() == pytest.approx(exact, abs=5 * spread / moved.numel() ** 0.5)
    assert len(moved.unique()) > 1
    assert (run(weights_of("master"), steps, rate) == torch.tensor(exact).bfloat16().float()).all()


def test_a_step_above_half_a_unit_moves_pure_weights_by_a_whole_one(weights_of):
    assert (run(weights_of("pure"), 3, 0.6 * UNIT) == 1 + 3 * UNIT).all()


@pytest.mark.parametrize(("kind", "weight", "moment"), [("pure", 2, 2), ("stochastic", 0, 4), ("master", 4, 4)])
def test_what_a_weight_needs_between_steps(weights_of, kind, weight, moment):
    """Bytes beside the model's own: of what is moved, less what the model holds itself, and of each moment."""
    weights = weights_of(kind)
    optimiser = torch.optim.AdamW(list(weights.optimised.values()), lr=1e-3, fused=True)
    weights.step(optimiser, {NAME: torch.ones(32, 64)})
    (moved,) = weights.optimised.values()
    assert moved.numel() * moved.element_size() == weight * 32 * 64
    assert (moved.data_ptr() == weights.live[NAME].data_ptr()) == (kind == "pure")
    for name in ("exp_avg", "exp_avg_sq"):
        state = optimiser.state[moved][name]
        assert state.numel() * state.element_size() == moment * 32 * 64


@pytest.mark.parametrize("kind", ["pure", "stochastic"])
def test_at_other_values_and_back_no_bit_is_lost(weights_of, kind):
    weights = weights_of(kind)
    run(weights, 2, UNIT)
    before = weights.delta()[NAME]
    with weights.at({NAME: weights.master[NAME] + 0.3}):
        assert weights.displacement() == pytest.approx(0.3 * (32 * 64) ** 0.5, rel=0.02)
        with weights.reference():
            assert torch.equal(weights.live[NAME].detach(), weights.original[NAME])
        assert weights.displacement() > 0
    assert torch.equal(weights.live[NAME].detach(), before) and weights.displacement() == 0


@pytest.mark.parametrize("kind", ["pure", "stochastic"])
def test_released_the_model_is_as_it_was_on_memory_of_its_own(weights_of, low, kind):
    before = {name: tensor.detach().clone() for name, tensor in low.named_parameters()}
    weights = weights_of(kind)
    run(weights, 2, UNIT)
    weights.release()
    assert all(torch.equal(tensor, before[name]) for name, tensor in low.named_parameters())
    assert not low.get_parameter(NAME).requires_grad
    weights.original[NAME].fill_(7.0)
    assert torch.equal(low.get_parameter(NAME), before[NAME])


@pytest.fixture
def low_trainer(low, make_caches, settings):
    import copy

    from unlearning_robustness.training.unlearning import make_trainer

    caches = make_caches(low)

    def make(precision, row=(), **changes):
        entry = settings("rmu", precision=precision, **changes)
        return make_trainer(copy.deepcopy(low), entry, list(row), caches, 1)

    return make


@pytest.mark.parametrize("precision", ["pure", "stochastic"])
def test_a_resumed_run_continues_bit_for_bit(low_trainer, defence, tmp_path, precision):
    row, path = defence("rna", noise_scale=1.0), tmp_path / "state.safetensors"
    whole, broken, resumed = (low_trainer(precision, row) for _ in range(3))
    whole.run()

    def stop(done):
        if done == 3:
            broken.save(path)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        broken.run(stop)
    resumed.restore(path)
    resumed.run()
    one, other = whole.engine.weights.delta(), resumed.engine.weights.delta()
    assert resumed.history == whole.history and all(torch.equal(one[name], other[name]) for name in one)


def test_at_a_small_rate_pure_weights_stand_still_and_stochastic_ones_follow_the_masters(low_trainer):
    """As released code does at 5e-6: here every step of Adam is below half a unit of most weights."""
    done = {}
    for precision in ("master", "stochastic", "pure"):
        trainer = low_trainer(precision, learning_rate=2e-5, steps=30, retain_weight=0.0)
        start = {name: tensor.clone() for name, tensor in trainer.engine.weights.original.items()}
        trainer.run()
        after = trainer.engine.weights.delta()
        done[precision] = torch.cat([(after[name].float() - start[name].float()).flatten() for name in start])
    still = {name: (moved == 0).float().mean().item() for name, moved in done.items()}
    assert still["pure"] > 0.9 > still["stochastic"]
    along = {name: (moved @ done["master"] / done["master"].norm() ** 2).item() for name, moved in done.items()}
    assert along["pure"] < 0.5 and 0.6 < along["stochastic"] < 1.5


@pytest.mark.parametrize("precision", ["pure", "stochastic"])
def test_a_perturbation_that_is_swallowed_is_refused_as_with_masters_and_a_large_one_comes_back(
    low_trainer, defence, precision
):
    from unlearning_robustness.errors import TrainingError

    for kind, small, large in (
        ("sam", {"radius": 1e-4}, {"radius": 2.0}),
        ("randomised-smoothing", {"scale": 1e-6}, {"scale": 0.05}),
    ):
        with pytest.raises(TrainingError, match="after rounding to the model's number type"):
            low_trainer(precision, defence(kind, **small)).run()
        trainer = low_trainer(precision, defence(kind, **large))
        step, weights = trainer._step, trainer.engine.weights
        trainer._step = lambda index, step=step, weights=weights: (step(index), checked(weights))[0]
        assert len(trainer.run()) == 6


def checked(weights):
    assert weights.displacement() == 0
    assert all(weights.live[name].data_ptr() == tensor.data_ptr() for name, tensor in weights.master.items())


@pytest.mark.parametrize(
    "row", [("weight-averaging", {"start": 2, "every": 1}), ("stableun", {"inner_radius": 2.0, "hws_decay": 0.9})]
)
def test_averages_of_weights_are_kept_in_float32(low_trainer, defence, row):
    from unlearning_robustness.config.parameters import complete

    kind, given = row
    trainer = low_trainer("pure", defence(kind, **complete("defences.DEFENCES", kind, given, kind)))
    trainer.run()
    kept = [tensor for name, tensor in trainer.step.memory.items() if "layers" in name]
    assert kept and all(tensor.dtype == torch.float32 for tensor in kept)


def test_what_released_code_puts_on_and_takes_off_drifts_in_what_is_trained(weights_of):
    weights = weights_of("pure")
    before = weights.delta()[NAME]
    added = {NAME: 1e-3 * torch.randn(32, 64, generator=random(2))}
    with weights.shifted(added):
        assert weights.displacement() == 0
    after = weights.delta()[NAME]
    expected = before.add(added[NAME].bfloat16()).add(added[NAME].bfloat16(), alpha=-1.0)
    assert torch.equal(after, expected) and not torch.equal(after, before)
    assert torch.equal(weights.master[NAME], after)
