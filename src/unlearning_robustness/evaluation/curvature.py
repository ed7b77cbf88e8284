"""Does noise in the latents raise the loss? RNA's Eq. 9 needs a positive trace of the Hessian of l at z.

E_v l(z + v) - l(z) = (sigma^2 / 2) tr(Hessian) + O(sigma^4) for v ~ N(0, sigma^2 I): the trace by Hutchinson's
estimator, the left side by drawing noise.
"""

from dataclasses import dataclass

import torch

from unlearning_robustness.engine.hessian import hessian_product, hutchinson
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, double_backward_attention, logits_of
from unlearning_robustness.scoring.encoding import pad
from unlearning_robustness.scoring.likelihood import token_log_probabilities


@dataclass(frozen=True)
class LatentLoss:
    """The answers' NLL (B,) as a function of the residual stream (B, T, d) after the read layer.

    ``free`` (B, T) is True where the latent may be disturbed: real tokens but the first, the attention sink.
    """

    model: object
    above: LayerSpan
    input_ids: torch.Tensor
    mask: torch.Tensor
    predicted: torch.Tensor
    latent: torch.Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, model, read_layer: int, questions: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> "LatentLoss":
        """Build it from questions as pairs (prompt ids, answer ids)."""
        device, depth = next(model.parameters()).device, model.config.num_hidden_layers
        input_ids, mask = (part.to(device) for part in pad([[*prompt, *answer] for prompt, answer in questions]))
        predicted = torch.zeros_like(mask[:, 1:])
        for row, (prompt, answer) in enumerate(questions):
            predicted[row, len(prompt) - 1 : len(prompt) + len(answer) - 1] = True
        latent = LayerSpan(model, 0, read_layer + 1)(input_ids=input_ids, attention_mask=mask)
        return cls(model, LayerSpan(model, read_layer + 1, depth), input_ids, mask, predicted, latent)

    @property
    def free(self) -> torch.Tensor:
        """Where the latent may be disturbed, (B, T, 1)."""
        free = self.mask.clone()
        free[:, 0] = False
        return free[..., None]

    def __call__(self, latent: torch.Tensor) -> torch.Tensor:
        with backward_attention(latent.device):
            hidden = self.above(hidden=latent, attention_mask=self.mask)
        nll = -token_log_probabilities(logits_of(self.model, hidden), self.input_ids)
        return (nll * self.predicted).sum(-1)


def hessian_traces(loss: LatentLoss, draws: int, generator: torch.Generator) -> torch.Tensor:
    """Hutchinson estimates of tr of the Hessian of each question's loss, (draws, B), with random signs."""
    latent = loss.latent.detach().requires_grad_(True)
    with double_backward_attention():
        answers = loss(latent).sum()
    (gradient,) = torch.autograd.grad(answers, latent, create_graph=True)
    product, like = hessian_product({"latent": gradient}, {"latent": latent}), {"latent": latent}
    estimates = [each["latent"].sum((1, 2)) for each in hutchinson(product, like, draws, generator, loss.free)]
    return torch.stack(estimates).detach()


@torch.no_grad()
def loss_increases(loss: LatentLoss, scale: float, draws: int, generator: torch.Generator) -> torch.Tensor:
    """Each question's loss under noise of standard deviation ``scale`` less its loss without, (draws, B)."""
    clean = loss(loss.latent)
    noisy = []
    for _ in range(draws):
        noise = torch.randn(loss.latent.shape, generator=generator, device=generator.device).to(loss.latent) * loss.free
        noisy.append(loss(loss.latent + scale * noise) - clean)
    return torch.stack(noisy)
