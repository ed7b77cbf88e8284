"""Lengths in steps and in norms of the trained tensors, for every defence that takes one."""

import pytest
import torch

from unlearning_robustness.defences.lengths import Unit, unit_of
from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.weights import norm

CHOSEN = torch.tensor([0, 2, 3])
RATE = 2e-3
# A length of each defence, and which side of the unit it counts in.
LENGTHS = [
    ("sam", {"radius": 3.0}, "length"),
    ("curvature", {"weight": 0.3, "radius": 3.0}, "length"),
    ("randomised-smoothing", {"scale": 3.0, "draws": 2}, "weight"),
    ("stableun", {"inner_radius": 2.0, "sap_radius": 6.0, "gpn_radius": 5.0}, "length"),
]
NUMBERS = ("radius", "scale", "inner_radius", "sap_radius", "gpn_radius")


def random():
    return torch.Generator().manual_seed(0)


def gradient(engine, caches, row):
    return build_step(row, RATE).forget_gradient(engine, caches["forget"].batch(CHOSEN), random())[1]


def same(one, other):
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-6)


def test_units_are_what_they_are_called(moved_engine, settings):
    engine, step = moved_engine("rmu"), build_step([], RATE)
    elements = 2 * 32 * 64
    assert unit_of("absolute", step, engine) == Unit(1.0, 1.0)
    in_steps, in_norms = unit_of("step", step, engine), unit_of("norm", step, engine)
    assert (in_steps.length, in_steps.weight) == pytest.approx((RATE * elements**0.5, RATE))
    whole = torch.cat([tensor.flatten() for tensor in engine.weights.original.values()])
    assert (in_norms.length, in_norms.weight) == pytest.approx((whole.norm().item(), whole.pow(2).mean().sqrt().item()))


def test_a_step_of_adamw_is_as_long_as_the_unit_says(make_trainer, settings):
    trainer = make_trainer(settings("npo", steps=1, learning_rate=RATE))
    before = {name: tensor.clone() for name, tensor in trainer.engine.weights.master.items()}
    trainer.run()
    moved = norm({name: tensor - before[name] for name, tensor in trainer.engine.weights.master.items()})
    assert moved == pytest.approx(unit_of("step", build_step([], RATE), trainer.engine).length, rel=0.02)


@pytest.mark.parametrize("unit", ["step", "norm"])
@pytest.mark.parametrize(("kind", "lengths", "side"), LENGTHS)
def test_a_length_in_a_unit_is_so_many_units(moved_engine, tiny_caches, defence, kind, lengths, side, unit):
    engine = moved_engine("npo")
    lengths = {name: value * (0.05 if unit == "norm" else 1) if name in NUMBERS else value
               for name, value in lengths.items()}  # fmt: skip
    one = getattr(unit_of(unit, build_step([], RATE), engine), side)
    absolute = {name: value * one if name in NUMBERS else value for name, value in lengths.items()}
    same(
        gradient(engine, tiny_caches, defence(kind, **lengths, unit=unit)),
        gradient(engine, tiny_caches, defence(kind, **absolute)),
    )


def test_a_gap_rate_moves_by_so_many_units_a_gradient_as_long_as_the_first(moved_engine, tiny_caches, defence):
    engine = moved_engine("npo")
    _, first = engine.forget_gradient(tiny_caches["forget"].batch(CHOSEN))
    one = unit_of("step", build_step([], RATE), engine).length
    relative = defence("stableun", inner_radius=2.0, gap_rate=4.0, unit="step")
    absolute = defence("stableun", inner_radius=2.0 * one, gap_rate=4.0 * one / norm(first))
    same(gradient(engine, tiny_caches, relative), gradient(engine, tiny_caches, absolute))
