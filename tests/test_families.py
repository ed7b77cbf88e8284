"""Every family of architectures, as a tiny random model, through every stage of a study."""

import pytest
import torch
from families import FAMILIES, family_model


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_a_tiny_model_shows_in_its_logits(family):
    """What a stage computes wrongly cannot hide in a model that does not use it."""
    model, ids = family_model(family).requires_grad_(True), torch.arange(40)[None]
    model(ids).logits.square().mean().backward()
    unused = [name for name, tensor in model.named_parameters() if tensor.grad is None or not tensor.grad.any()]
    assert unused == []
