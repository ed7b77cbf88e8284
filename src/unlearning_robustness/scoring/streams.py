"""Score questions from the residual streams at any sites inside a model, in one forward a batch."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from unlearning_robustness.models.hooks import Place, hooked
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import batches, choice_log_likelihoods
from unlearning_robustness.scoring.questions import QuestionScorer


@torch.no_grad()
def stream_log_likelihoods(scorer: QuestionScorer, model: nn.Module, sites: Sequence[Place]) -> torch.Tensor:
    """Log-likelihoods of the scorer's choices, float32 (S, Q, C), of the streams (B, T, d) that pass ``sites``.

    Each goes through the final norm and the unembedding; what the last layer puts out gives
    ``QuestionScorer.log_likelihoods``, bit for bit. A stream is scored as it passes: none is kept.
    """
    device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
    result, read = [torch.empty(0)] * len(scorer.packed), [torch.empty(0)] * len(sites)
    packed = scorer.packed

    def score(number: int) -> Callable[[torch.Tensor], None]:
        def see(hidden: torch.Tensor) -> None:
            # The batch is scored as a question set of its own: in the same order, so with the same rows.
            arguments = (lambda _: hidden, lambda rows: logits_of(model, rows), packed, len(packed), device)
            read[number] = choice_log_likelihoods(*arguments)

        return see

    for indices, batch in batches(scorer.packed, scorer.batch_size, device):
        packed = [scorer.packed[index] for index in indices]
        with hooked([(site, score(number)) for number, site in enumerate(sites)]):
            span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids)
        for index, scores in zip(indices, torch.stack(read, dim=1), strict=True):
            result[index] = scores
    return torch.stack(result, dim=1)
