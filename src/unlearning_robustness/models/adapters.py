"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685), always merged: W = W_0 + (alpha / r) B A.

Merged, an adapter needs no second forward and no wrapper around a layer: the gradients of A and B follow from that of
W by the chain rule. Differs from the library peft in that W is rounded to the model's type before it is multiplied; in
float32 both are the same function. Kept besides the model are W_0 and the factors.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from unlearning_robustness.models.weights import Tensors, TrainedWeights, layer_parameters

PARTS = {"attention": (".self_attn.",), "mlp": (".mlp.",), "all": (".self_attn.", ".mlp.")}


class AdaptedWeights(TrainedWeights):
    """The matrices ``names`` of ``model``, of which only a change of rank ``rank`` is trained.

    Masters are the factors A (rank, columns), uniform within 1 / sqrt(columns) as in peft, and B (rows, rank), zero:
    before the first step the model is the one it was, bit for bit. Raises ValueError for a tensor that is no matrix.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], rank: int, alpha: float, random: torch.Generator):
        self.rank, self.scale, self.random = rank, alpha / rank, random
        super().__init__(model, names)

    def masters(self) -> Tensors:
        factors = {}
        for name, tensor in self.live.items():
            if tensor.ndim != 2:
                raise ValueError(f"{name} of shape {tuple(tensor.shape)} is no matrix: it cannot have an adapter")
            rows, columns = tensor.shape
            drawn = torch.rand(self.rank, columns, generator=self.random)
            factors[f"{name}.A"] = ((2 * drawn - 1) / columns**0.5).to(tensor.device)
            factors[f"{name}.B"] = torch.zeros(rows, self.rank, device=tensor.device)
        return factors

    def present(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, original in self.original.items():
            yield name, original.float() + self.scale * (self.master[f"{name}.B"] @ self.master[f"{name}.A"])

    def gradient(self, loss: torch.Tensor) -> Tensors:
        """D loss / d factors: (alpha / r) B^T G and (alpha / r) G A^T, of the gradient G of the merged matrix."""
        factors = {}
        for name, gradient in super().gradient(loss).items():
            factors[f"{name}.A"] = self.scale * (self.master[f"{name}.B"].T @ gradient)
            factors[f"{name}.B"] = self.scale * (gradient @ self.master[f"{name}.A"].T)
        return factors


def layer_matrices(model: nn.Module, targets: str) -> list[str]:
    """Names of the projection matrices of the decoder layers: of ``attention``, of the ``mlp``, or ``all`` of them."""
    shapes = {name: tensor.ndim for name, tensor in model.named_parameters()}
    return [
        name for name in layer_parameters(model) if shapes[name] == 2 and any(part in name for part in PARTS[targets])
    ]
