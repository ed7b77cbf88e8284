"""Where the residual stream, and what a layer adds to it, can be read."""

import torch
from torch import nn

from unlearning_robustness.models.architecture import ArchitectureError, Part, layers_of
from unlearning_robustness.models.hooks import Entering, Place
from unlearning_robustness.models.slicing import LayerSpan


def attention_modules(model: nn.Module) -> list[nn.Module]:
    """What puts out the attention's share of the stream, of every layer. Raises ArchitectureError when one has none."""
    return [layer.attention.module for layer in layers_of(model)]


def mlp_modules(model: nn.Module) -> list[nn.Module]:
    """What puts out the MLP's share of the stream, of every layer. Raises ArchitectureError when one has none."""
    return [layer.mlp.module for layer in layers_of(model)]


@torch.no_grad()
def after_attention(model: nn.Module) -> list[Place]:
    """Where the stream of every layer passes between attention and MLP: as it enters the norm or the MLP behind it.

    One token is run through the first layer to see which module that is: the first behind the attention that takes a
    tensor no other module of the layer took or gave, so the sum of both. Raises ArchitectureError for layers whose
    attention and MLP stand side by side (Phi), as there is no such sum, or that have no MLP.
    """
    mlp_modules(model)  # names what a layer lacks before one is run
    first, device = layers_of(model)[0], next(model.parameters()).device
    seen: list[torch.Tensor] = []
    behind: list[Part] = []
    past_attention = False

    def watch(part: Part):
        def hook(_, inputs: tuple, named: dict, output) -> None:
            nonlocal past_attention
            taken = next(value for value in (*inputs, *named.values()) if isinstance(value, torch.Tensor))
            if past_attention and not any(taken is tensor for tensor in seen):
                behind.append(part)
            past_attention |= part.module is first.attention.module
            seen.extend([taken, output[0] if isinstance(output, tuple) else output])

        return part.module.register_forward_hook(hook, with_kwargs=True)

    handles = [watch(Part(name, child)) for name, child in first.module.named_children()]
    try:
        LayerSpan(model, 0, 1)(input_ids=torch.zeros(1, 1, dtype=torch.long, device=device))
    finally:
        for handle in handles:
            handle.remove()
    if not behind:
        raise ArchitectureError(f"{type(model).__name__} has attention and MLP side by side: nothing passes between")
    return [Entering(layer.module.get_submodule(behind[0].name)) for layer in layers_of(model)]
