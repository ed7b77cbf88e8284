import pytest
import torch

from unlearning_robustness.defences.early_stop import EarlyStop, NearestCheckpoint
from unlearning_robustness.training.unlearning import stop_nearest


def offered(target, accuracies):
    nearest = NearestCheckpoint(target)
    for step, accuracy in enumerate(accuracies, start=1):
        nearest.offer(step, accuracy, {"tensor": torch.tensor(step)})
    return nearest


def test_the_nearest_checkpoint_is_kept_with_its_tensors():
    nearest = offered(0.5, [0.9, 0.7, 0.45, 0.3])
    assert (nearest.step, nearest.accuracy, nearest.tensors["tensor"].item()) == (3, 0.45, 3)


def test_of_equally_near_ones_the_earliest_is_kept():
    assert offered(0.5, [0.75, 0.25, 0.75, 0.25]).step == 1
    assert offered(0.5, [0.9, 0.5, 0.5]).step == 2


@pytest.mark.parametrize("count", [20, 30, 37])
def test_rounding_does_not_break_a_tie(count):
    """Shares of questions right are equally near when the counts are."""
    for target in range(1, count):
        for distance in range(1, min(target, count - target) + 1):
            above, below = (target + distance) / count, (target - distance) / count
            assert offered(target / count, [above, below]).step == 1
            assert offered(target / count, [below, above]).step == 1


def stopped(make_trainer, settings, scores, every, target, steps=6):
    trainer, asked = make_trainer(settings("rmu", steps=steps)), iter(scores)
    nearest = stop_nearest(trainer, EarlyStop("rna", every), target, lambda: next(asked))
    assert next(asked, None) is None
    return nearest


@pytest.mark.parametrize(("target", "step"), [(0.8, 2), (0.5, 4), (0.1, 6)])
def test_stopping_gives_the_tensors_of_a_plain_run_cut_there_bit_for_bit(make_trainer, settings, target, step):
    nearest = stopped(make_trainer, settings, [0.8, 0.5, 0.1], 2, target)
    assert (nearest.step, nearest.accuracy) == (step, target)
    plain = make_trainer(settings("rmu", steps=step))
    plain.run()
    expected = plain.engine.weights.delta()
    assert nearest.tensors.keys() == expected.keys()
    assert all(torch.equal(nearest.tensors[name], expected[name]) for name in expected)


def test_the_last_step_is_looked_at_too(make_trainer, settings):
    nearest = stopped(make_trainer, settings, [0.9, 0.2], every=4, target=0.0, steps=5)
    assert (nearest.step, nearest.accuracy) == (5, 0.2)


def test_the_control_leaves_every_step_plain(make_trainer, settings, defence):
    plain, control = (make_trainer(settings("rmu"), row) for row in ([], defence("early-stop", match="rna", every=2)))
    assert plain.run() == control.run()
