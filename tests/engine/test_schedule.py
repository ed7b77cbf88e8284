import pytest
import torch
from transformers import get_constant_schedule_with_warmup, get_linear_schedule_with_warmup

from unlearning_robustness.engine.schedule import Schedule

MAKERS = {
    "linear": get_linear_schedule_with_warmup,
    "none": lambda made, warm_up, _: get_constant_schedule_with_warmup(made, warm_up),
}


@pytest.mark.parametrize("decay", ["none", "linear"])
@pytest.mark.parametrize(("steps", "warm_up"), [(125, 12), (6, 0), (5, 5)])
def test_the_learning_rate_is_that_of_transformers(decay, steps, warm_up):
    schedule = Schedule(steps, 3.0, 4, warm_up=warm_up, decay=decay)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3.0)
    theirs = MAKERS[decay](optimiser, warm_up, steps)
    for step in range(steps):
        assert 3.0 * schedule.share_at(step) == pytest.approx(theirs.get_last_lr()[0])
        optimiser.step(), theirs.step()
