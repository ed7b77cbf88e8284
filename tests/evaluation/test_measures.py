"""Measures of cells: each is its own function on the model that the delta makes, with the cell's columns."""

import pandas
import pytest
import torch

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.evaluation import latents
from unlearning_robustness.evaluation.latents import Latents
from unlearning_robustness.evaluation.measures import MEASURES

CELL = Cell("m", "b", "rmu", "none", 3)


@pytest.fixture
def measured(monkeypatch):
    """Seeds and first weights with which latents were measured."""
    calls = []

    def measure(model, tokenizer, probes, settings, seed):
        calls.append((seed, next(model.parameters()).flatten()[0].item()))
        return pandas.DataFrame({"value": [len(calls)]})

    monkeypatch.setattr(latents, "measure_latents", measure)
    return calls


def test_a_delta_of_nothing_is_measured_once_and_every_other_in_its_own_weights(measured, tiny_model):
    name, tensor = next(tiny_model.named_parameters())
    before = tensor.flatten()[0].item()
    measure = Latents(tiny_model, None, {"probes": None}, {}, ())
    deltas = [{}, {name: torch.full_like(tensor, 7.0)}, {}, {name: torch.full_like(tensor, 8.0)}]
    tables = [measure.of(delta, Cell("m", "b", "x", "d", seed)) for seed, delta in enumerate(deltas)]
    assert measured == [(0, before), (1, 7.0), (3, 8.0)]
    assert [table["value"].item() for table in tables] == [1, 2, 1, 3]
    assert [table["seed"].item() for table in tables] == [0, 1, 2, 3]
    assert tensor.flatten()[0].item() == before


def test_every_measure_that_a_study_may_ask_for_exists_and_only_words_are_measured_in_the_models_own_precision():
    from unlearning_robustness.workflow import targets

    assert set(MEASURES) == set(targets.MEASURES)
    assert {name for name, measure in MEASURES.items() if not measure.in_float32} == {"memorisation"}
