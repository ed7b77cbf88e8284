"""The steps of docs/one-step.md compute what the package computes."""

import copy
import importlib.util
import re
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "one-step.md"
STEPS = 3


@pytest.fixture
def page(tmp_path):
    """The page's code as a module."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    path = tmp_path / "one_step.py"
    path.write_text("\n\n".join(blocks))
    spec = importlib.util.spec_from_file_location("one_step", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def follow_page(page, trainer, entry, model, step):
    """Train a copy of ``model`` by the page's code on the batches of ``trainer``; returns the trained tensors."""
    reference, model = copy.deepcopy(model), copy.deepcopy(model)
    trained = [model.get_parameter(name).requires_grad_(True) for name in trainer.engine.weights.master]
    optimiser = torch.optim.AdamW(trained, lr=entry["learning_rate"], weight_decay=0.0)
    layer, coefficient = entry["read_layer"], entry["parameters"]["coefficient"]

    def batch(corpus, index):
        cache, chosen = trainer.caches[corpus], trainer.order[corpus][index]
        return cache.input_ids[chosen], cache.mask[chosen].long()

    for index in range(STEPS):
        forget, retain = batch("forget", index), batch("retain", index)
        step(
            lambda: page.rmu_forget(model, forget, trainer.engine.direction, coefficient, layer),  # noqa: B023
            lambda: page.rmu_retain(model, reference, retain, entry["retain_weight"], layer),  # noqa: B023
            trained,
            optimiser,
        )
    return dict(zip(trainer.engine.weights.master, trained, strict=True))


def change(before, tensors):
    return torch.cat([(tensors[name] - before.get_parameter(name)).flatten() for name in tensors]).detach()


def assert_same_change(model, trainer, tensors):
    trainer.run()
    package, page = change(model, trainer.engine.weights.delta()), change(model, tensors)
    assert package.norm() > 0.1
    assert (package - page).norm() < 1e-3 * package.norm()


def test_the_rmu_step_is_the_packages(page, make_trainer, settings, tiny_model):
    entry = settings("rmu")
    trainer = make_trainer(entry, steps=STEPS)
    assert_same_change(tiny_model, trainer, follow_page(page, trainer, entry, tiny_model, page.plain_step))


@pytest.mark.parametrize(("retain_weight", "conflict"), [(2.0, False), (10.0, True)])
def test_the_stableun_step_is_the_packages(page, make_trainer, settings, defence, tiny_model, retain_weight, conflict):
    # Where the branches conflict the projection changes a sixth of what is trained.
    entry = settings("rmu", retain_weight=retain_weight)
    trainer = make_trainer(entry, defence("stableun", inner_radius=0.3, sap_radius=0.6), steps=STEPS)

    def step(*arguments):
        page.stableun_step(*arguments, inner=0.3, ascent=0.6)

    assert_same_change(tiny_model, trainer, follow_page(page, trainer, entry, tiny_model, step))
    assert any(entry["alignment"] < 0 for entry in trainer.history) == conflict
