"""A delta: the tensors that unlearning changed. Base + delta = unlearned model."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from unlearning_robustness.errors import DeltaError
from unlearning_robustness.models.architecture import layer_of
from unlearning_robustness.runtime.manifest import atomic


def save_delta(path: str | Path, tensors: dict[str, torch.Tensor], model_digest: str) -> None:
    """Write the changed tensors with the digest of the model they belong to; an empty delta is the reference."""
    with atomic(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, temporary, metadata={"model_digest": model_digest})


def load_delta(path: str | Path, model_digest: str) -> dict[str, torch.Tensor]:
    """The tensors of a delta. Raises DeltaError when it was made for another model."""
    with safe_open(path, framework="pt") as handle:
        made_for = (handle.metadata() or {}).get("model_digest")
        if made_for != model_digest:
            raise DeltaError(
                f"{path} was made for model {str(made_for)[:12]}, not for {model_digest[:12]}: "
                "remove it and run again, or give the model it was made for"
            )
        return {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118


def lowest_layer(tensors: dict[str, torch.Tensor]) -> float:
    """The lowest decoder layer that a delta touches; infinite for an empty one, -1 for tensors outside the layers."""
    layers = [layer_of(name) for name in tensors]
    return min((-1 if layer is None else layer for layer in layers), default=math.inf)


@contextmanager
def applied(model: nn.Module, tensors: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """Inside the block the model has a delta; afterwards it is as before, bit for bit. Yields the original tensors."""
    parameters = dict(model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in tensors if name in parameters}
    try:
        apply_delta(model, tensors)
        yield before
    finally:
        apply_delta(model, before)


@torch.no_grad()
def apply_delta(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Write a delta's tensors into the model. Raises DeltaError for a tensor the model does not have."""
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise DeltaError(f"the model has no tensor {name} of shape {tuple(tensor.shape)}")
        parameters[name].copy_(tensor)
