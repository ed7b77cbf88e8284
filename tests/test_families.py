"""Every family of architectures, as a tiny random model, through every stage of a study."""

import pytest
import torch
from families import FAMILIES, MIXTURES, family_folder, family_model
from family_table import REFUSED, on_page
from quick import slow_but
from stages import Passage, pass_through

# Two that every stage accepts, and one that a stage refuses.
QUICK = ("llama tied", "gemma2", "mixtral")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_a_tiny_model_shows_in_its_logits(family):
    """What a stage computes wrongly cannot hide in a model that does not use it."""
    model, ids = family_model(family).requires_grad_(True), torch.arange(40)[None]
    model(ids).logits.square().mean().backward()
    unused = [name for name, tensor in model.named_parameters() if tensor.grad is None or not tensor.grad.any()]
    assert unused == []


@pytest.mark.parametrize("family", slow_but(QUICK, FAMILIES))
def test_a_family_runs_through_every_stage_or_is_refused_in_one_line(family, tiny_tokenizer, tmp_path, record_property):
    (tmp_path / "scratch").mkdir()
    source = family_folder(family, tmp_path / "source", tiny_tokenizer)
    outcomes = pass_through(Passage(source, tmp_path / "scratch"))
    record_property("family", (family, outcomes))
    said = [text for steps in outcomes.values() for text in steps.values()]
    refused = [text for text in said if text.startswith(REFUSED)]
    assert all("mixture of experts" in text for text in refused) and bool(refused) == (family in MIXTURES)
    assert on_page(family, outcomes), "copy the table that this run prints at its end into docs/hub.md"
