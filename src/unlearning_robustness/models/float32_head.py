"""A model whose unembedding multiplies in float32, whatever the model computes in.

In bfloat16 a logit has 8 significant bits: choices tie exactly, and a log-probability is off by up to half a nat.
"""

import torch
from torch import nn

from unlearning_robustness.models.slicing import graft


class Float32Head(nn.Linear):
    """A linear unembedding in float32: (..., d) of any number type to logits (..., V)."""

    def __init__(self, head: nn.Linear):
        super().__init__(head.in_features, head.out_features, head.bias is not None, device="meta")
        for name, tensor in head.named_parameters():
            self.register_parameter(name, nn.Parameter(tensor.detach().float(), requires_grad=False))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden.to(self.weight.device).float())


def with_float32_head(model: nn.Module) -> nn.Module:
    """A view of the model that shares all but its unembedding; the model itself where that is float32 already.

    The copy is made here: ask for the view anew when the unembedding may have changed.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.weight.dtype == torch.float32:
        return model
    (name,) = (name for name, module in model.named_modules() if module is head)
    return graft(model, name, Float32Head(head))
