import pytest
import torch

from unlearning_robustness.defences.row import reschedule
from unlearning_robustness.engine.schedule import Schedule


@pytest.mark.parametrize(("factor", "steps"), [(1.0, 6), (2.0, 12), (3.5, 21), (0.01, 1)])
def test_the_schedule_is_as_many_times_as_long(defence, factor, steps):
    assert reschedule(defence("more-steps", factor=factor), Schedule(6, 1e-2, 3, 0.1)) == Schedule(steps, 1e-2, 3, 0.1)


def test_a_row_without_it_keeps_the_schedule(defence):
    assert reschedule(defence("sam", radius=0.5), Schedule(6, 1e-2, 3)) == Schedule(6, 1e-2, 3)


def test_the_longer_run_begins_as_the_shorter_one_and_composes(make_trainer, settings, defence):
    plain = make_trainer(settings("rmu", steps=3), defence("sam", radius=0.5))
    longer = make_trainer(settings("rmu", steps=3), defence("sam", radius=0.5) + defence("more-steps", factor=2.0))
    history, seen = plain.run(), []
    longer.run(lambda done: seen.append(longer.master[0].clone()))
    assert len(longer.history) == 6 and longer.history[:3] == history
    assert torch.equal(seen[2], plain.master[0]) and not torch.equal(seen[5], seen[2])


def test_equal_passes_for_the_cost_of_all_four_perturbations(make_trainer, settings, defence):
    four = {"sap_radius": 0.6, "gpn_radius": 0.5, "gap_rate": 0.1, "hws_decay": 0.9}
    stable = make_trainer(settings("rmu", steps=2), defence("stableun", inner_radius=0.2, **four)).run()
    plain = make_trainer(settings("rmu", steps=2), defence("more-steps", factor=3.5)).run()
    assert sum(row["forwards"] for row in stable) == sum(row["forwards"] for row in plain) == 14
