from dataclasses import replace

import numpy
import pytest
import torch

from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.row import reschedule
from unlearning_robustness.engine.schedule import Schedule
from unlearning_robustness.training.matching import Equality, Matched, equality_of, stop_when_equal

FACTS = 150


class Planted:
    """What a model knows, by how many of its trainer's steps are taken; without a trainer it is the matched cell."""

    def __init__(self, curve, matched, noise=0.3):
        self.curve, self.matched, self.trainer = curve, matched, None
        self.random, self.noise = numpy.random.default_rng(1), noise
        self.facts = self.random.normal(size=FACTS)

    def margins(self, model):
        level = self.matched if self.trainer is None else self.curve(self.trainer.done)
        return level + self.facts + self.noise * self.random.normal(size=FACTS)


def stopped(make_trainer, settings, planted, every=2, steps=20):
    control = EarlyStop("rna", every)
    equality = equality_of(control, torch.nn.Module(), Matched({}, {}), planted)
    planted.trainer = make_trainer(settings("rmu", steps=steps))
    return stop_when_equal(planted.trainer, every, equality), planted.trainer


def falling_to_a_floor(step, floor=0.1, end=8):
    return max(floor, 2.0 - (2.0 - floor) * step / end)


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_stretch_gives_its_first_step_however_it_goes_on(make_trainer, settings, seed):
    planted = Planted(falling_to_a_floor, matched=0.1)
    planted.random = numpy.random.default_rng(seed)
    facts, trainer = stopped(make_trainer, settings, planted)
    assert facts["steps"] == trainer.done == 8 and facts["equal"] is True
    assert abs(facts["own_value"] - facts["matched_value"]) < 0.1
    assert facts["value_error"] == pytest.approx(0.3 * 2**0.5 / FACTS**0.5, rel=0.2)


@pytest.mark.parametrize(("matched", "step"), [(2.5, 2), (1.0, 6), (1.5, 4)])
def test_a_cell_that_forgot_less_is_met_on_the_way_down(make_trainer, settings, matched, step):
    facts, _ = stopped(make_trainer, settings, Planted(falling_to_a_floor, matched, noise=0.01))
    assert facts["steps"] == step and facts["equal"]


def test_a_run_that_never_forgets_as_much_ends_with_the_schedule_and_says_so(make_trainer, settings, capsys):
    facts, trainer = stopped(make_trainer, settings, Planted(falling_to_a_floor, matched=-1.0), every=3, steps=8)
    assert facts["steps"] == trainer.done == 8 and facts["equal"] is False
    assert "not equal after 8 steps" in capsys.readouterr().out and facts["own_value"] > facts["matched_value"] + 0.5


def test_stopping_gives_the_tensors_and_the_history_of_a_plain_run_of_so_many_steps(make_trainer, settings):
    stopping, plain = make_trainer(settings("rmu", steps=9)), make_trainer(settings("rmu", steps=4))
    levels = iter([0.8, 0.5, 0.1])
    equality = Equality(0.5, lambda trainer: next(levels), lambda own: own <= 0.5)
    assert stop_when_equal(stopping, 2, equality) == {
        "steps": 4, "matched_value": 0.5, "own_value": 0.5, "equal": True
    }  # fmt: skip
    assert stopping.history == plain.run()
    one, other = stopping.engine.weights.delta(), plain.engine.weights.delta()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("equal", ["distance", "operations"])
@pytest.mark.parametrize("steps", [3, 5])
def test_a_plain_run_as_far_or_as_costly_as_another_plain_one_is_that_run(make_trainer, settings, equal, steps):
    cell = make_trainer(settings("rmu", steps=steps))
    cell.run()
    tensors = cell.engine.weights.delta()
    matched = Matched(tensors, {"operations": sum(entry["operations"] for entry in cell.history)})
    trainer = make_trainer(settings("rmu"))
    equality = equality_of(EarlyStop("rna", 1, equal), trainer.engine.model, matched, None)
    facts = stop_when_equal(trainer, 1, equality)
    assert (facts["steps"], facts["equal"]) == (steps, True) and facts["own_value"] == facts["matched_value"] > 0
    own = trainer.engine.weights.delta()
    assert all(torch.equal(tensors[name], own[name]) for name in tensors)


def test_as_many_operations_as_a_defence_of_two_passes_are_more_steps(make_trainer, settings, defence):
    cell = make_trainer(settings("rmu", steps=4), defence("sam", radius=0.5))
    cell.run()
    spent = sum(entry["operations"] for entry in cell.history)
    row = defence("early-stop", match="sam", every=1, equal="operations", longest=3.0)
    trainer = make_trainer(settings("rmu", steps=4), row)
    equality = equality_of(EarlyStop("sam", 1, "operations"), None, Matched({}, {"operations": spent}), None)
    facts = stop_when_equal(trainer, 1, equality)
    # SAM takes the forget gradient twice: three passes for two, of texts that are longer and shorter.
    assert facts["equal"] and 5 <= facts["steps"] <= 7
    assert facts["own_value"] - trainer.history[-1]["operations"] < spent <= facts["own_value"]


def test_the_longest_run_is_a_multiple_of_the_methods_and_its_steps_stay_plain(make_trainer, settings, defence):
    row = defence("early-stop", match="rna", every=2, longest=1.5)
    schedule = Schedule(6, 1e-2, 3)
    assert reschedule(row, schedule) == replace(schedule, steps=9)
    assert make_trainer(settings("rmu"), row).run()[:6] == make_trainer(settings("rmu")).run()
