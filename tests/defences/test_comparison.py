"""Whether a defence acts is measured beside the training, and changes nothing of it."""

import pytest
import torch

from unlearning_robustness.config.effects import COSINES, SAME
from unlearning_robustness.defences.projection import cosine
from unlearning_robustness.training import trainer as training
from unlearning_robustness.training.unlearning import cosines

# Far within a step of 0.01 a weight over 4,096 weights, 0.64 long, and far beyond it.
IDLE = {
    "sam": {"radius": 1e-3},
    "randomised-smoothing": {"scale": 1e-6, "draws": 2},
    "gradient-penalty": {"weight": 1e-6},
    "curvature": {"weight": 1e-6, "radius": 1e-3},
    "latent-adversarial": {"radius": 1e-4},
    "stableun": {"inner_radius": 1e-4, "sap_radius": 1e-3, "gpn_radius": 1e-3, "gap_rate": 1e-5},
}
ACTING = {
    "sam": {"radius": 1.0},
    "randomised-smoothing": {"scale": 0.05, "draws": 2},
    "gradient-penalty": {"weight": 3.0},
    "curvature": {"weight": 1.0, "radius": 1.0},
    "latent-adversarial": {"radius": 0.5},
    "stableun": {"inner_radius": 0.2, "sap_radius": 2.0, "gpn_radius": 2.0, "gap_rate": 1.0},
}


def run(make_trainer, settings, row, steps=2):
    trainer = make_trainer(settings("npo", steps=steps), row)
    return trainer, trainer.run()


@pytest.mark.parametrize("kind", list(IDLE))
def test_what_takes_the_plain_gradient_is_seen_to(make_trainer, settings, defence, kind):
    _, idle = run(make_trainer, settings, defence(kind, **IDLE[kind]))
    _, acting = run(make_trainer, settings, defence(kind, **ACTING[kind]))
    assert not set(COSINES) & set(idle[0]) and set(COSINES) & set(idle[1])
    assert cosines(idle)["acts"] is False and cosines(acting)["acts"] is True
    names = set(COSINES) & set(acting[1])
    assert {name: acting[1][name] for name in names} == {
        key: value for key, value in cosines(acting).items() if key != "acts"
    }
    assert all(idle[1][name] > SAME >= acting[1][name] for name in names)


@pytest.mark.parametrize("kind", list(ACTING))
def test_the_comparison_changes_neither_training_nor_what_it_costs(make_trainer, settings, defence, monkeypatch, kind):
    compared, history = run(make_trainer, settings, defence(kind, **ACTING[kind]), steps=3)
    monkeypatch.setattr(training, "COMPARED_EVERY", 100)
    monkeypatch.setattr(training.Trainer, "_step", without_comparison(training.Trainer._step))
    plain, other = run(make_trainer, settings, defence(kind, **ACTING[kind]), steps=3)
    assert all(torch.equal(one, two) for one, two in zip(compared.master, plain.master, strict=True))
    kept = [{key: value for key, value in row.items() if key not in COSINES} for row in history]
    assert kept == other and kept != history
    assert all(
        torch.equal(compared.random[name].get_state(), plain.random[name].get_state()) for name in compared.random
    )


def without_comparison(step):
    def taken(self, index):
        self.step.__class__ = Deaf
        return step(self, index)

    return taken


class Deaf(training.Step):
    """A step that nobody can ask to compare."""

    @property
    def compares(self):
        return False

    @compares.setter
    def compares(self, _):
        pass


def test_every_tenth_step_is_compared_and_the_cosine_is_that_of_the_gradients(make_trainer, settings, defence):
    trainer = make_trainer(settings("npo", steps=13), defence("sam", radius=1.0))
    taken, gradient = [], trainer.engine.forget_gradient

    def watched(*arguments, **named):
        loss, tensors = gradient(*arguments, **named)
        taken.append({name: tensor.clone() for name, tensor in tensors.items()})
        return loss, tensors

    trainer.engine.forget_gradient = watched
    history = trainer.run()
    assert [row["step"] for row in history if "cosine_sam" in row] == [2, 12]
    assert history[1]["cosine_sam"] == pytest.approx(cosine(taken[2], taken[3]))


def test_without_a_comparison_nothing_is_said():
    assert cosines([{"step": 1}, {"step": 2}]) == {}
    assert cosines([{"cosine_sap": 0.9999, "cosine_gpn": 0.99}, {"cosine_sap": 0.9995}]) == {
        "cosine_sap": 0.9995, "cosine_gpn": 0.99, "acts": True,
    }  # fmt: skip
