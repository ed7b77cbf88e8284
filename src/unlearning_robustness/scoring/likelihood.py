"""Likelihood of texts: token log-probabilities, sequence NLL, perplexity."""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.runtime import parallel
from unlearning_robustness.scoring.finite import need_finite


def token_log_probabilities(logits: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
    """Log p(token t+1 | tokens <= t), float32 (B, T-1), of logits (B, T, V) and ids (B, T)."""
    logits = logits[:, :-1].float()
    # One fused pass over the vocabulary; logsumexp makes several copies of it.
    nll = cross_entropy(logits.flatten(0, 1), input_ids[:, 1:].flatten(), reduction="none")
    return -nll.view(input_ids.shape[0], -1)


def sequence_nll(
    logits: torch.Tensor, input_ids: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed negative log-likelihood and number of predicted tokens of each sequence, both (B,).

    ``mask`` (B, T) is True on real tokens; the first token is never predicted.
    """
    predicted = mask[:, 1:].float()
    return -(token_log_probabilities(logits, input_ids) * predicted).sum(-1), predicted.sum(-1)


def normalise(nll: torch.Tensor, tokens: torch.Tensor, normalisation: str) -> torch.Tensor:
    """Sequence sums (B,) by the chosen convention; it changes the meaning of beta by about the length.

    ``token-mean``: each sequence by its own length. ``sequence-sum``: as it is (NPO's paper).
    ``batch-mean``: one scalar, the mean over all tokens of the batch (RNA's and Unlearn-Smooth's code), of all
    processes' rows.
    """
    if normalisation == "token-mean":
        return nll / tokens
    if normalisation == "sequence-sum":
        return nll
    return parallel.total(nll.sum()) / parallel.total(tokens.sum())


@torch.no_grad()
def perplexity(
    logits_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    batch_size: int = 8,
    names: Sequence[str] | None = None,
) -> float:
    """Exp of the mean NLL a token over all texts; ``logits_of(ids, mask)`` gives (B, T, V).

    Raises ScoreError naming the first text, by ``names``, whose NLL is not finite.
    """
    total, count = 0.0, 0.0
    names = [f"text {number}" for number in range(len(input_ids))] if names is None else names
    for start in range(0, len(input_ids), batch_size):
        ids, real = input_ids[start : start + batch_size], mask[start : start + batch_size]
        nll, tokens = sequence_nll(logits_of(ids, real), ids, real)
        need_finite(nll, names[start : start + batch_size])
        total, count = total + nll.sum().item(), count + tokens.sum().item()
    return math.exp(total / count)
