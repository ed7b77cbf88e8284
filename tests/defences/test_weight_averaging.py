import pytest
import torch


def run(make_trainer, settings, row, steps=6):
    trainer, seen = make_trainer(settings("rmu", steps=steps), row), {}
    trainer.run(lambda done: seen.update({done: trainer.master[0].clone()}))
    return trainer, seen


def test_the_run_ends_at_the_mean_of_the_collected_weights(make_trainer, settings, defence):
    trainer, seen = run(make_trainer, settings, defence("weight-averaging", start=2, every=2))
    live = next(iter(trainer.engine.weights.live.values()))
    torch.testing.assert_close(live.detach(), (seen[2] + seen[4] + seen[6]) / 3)
    assert not torch.equal(live, seen[6])


def test_the_path_itself_is_that_of_plain_unlearning(make_trainer, settings, defence):
    averaged, plain = (
        run(make_trainer, settings, row)[1] for row in (defence("weight-averaging", start=2, every=1), [])
    )
    assert all(torch.equal(averaged[step], plain[step]) for step in plain)


def test_a_start_that_is_never_reached_averages_nothing(make_trainer, settings, defence):
    trainer, seen = run(make_trainer, settings, defence("weight-averaging", start=99, every=1))
    assert torch.equal(next(iter(trainer.engine.weights.live.values())), seen[6])


@pytest.mark.parametrize("stopped", [1, 3, 5])
def test_a_resumed_run_ends_at_the_same_mean(make_trainer, settings, defence, tmp_path, stopped):
    row = defence("weight-averaging", start=2, every=2)
    whole = make_trainer(settings("rmu"), row)
    whole.run(lambda done: whole.save(tmp_path / "state") if done == stopped else None)
    rest = make_trainer(settings("rmu"), row)
    rest.restore(tmp_path / "state")
    rest.run()
    ends = [list(trainer.engine.weights.delta().values()) for trainer in (whole, rest)]
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
