"""Score questions from the residual streams at any sites inside a model, in one forward a batch."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from unlearning_robustness.models.float32_head import with_float32_head
from unlearning_robustness.models.hooks import Place, hooked
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.multiple_choice import batch_log_likelihoods, batches, choice_numbers, run_packed
from unlearning_robustness.scoring.questions import QuestionScorer


@torch.no_grad()
def stream_log_likelihoods(scorer: QuestionScorer, model: nn.Module, sites: Sequence[Place]) -> torch.Tensor:
    """Log-likelihoods of the scorer's choices, float32 (S, Q, C), of the streams (B, T, d) that pass ``sites``.

    Inside some families' layers they pass as (B * T, d).

    Each goes through the final norm and the unembedding; what the last layer puts out gives
    ``QuestionScorer.log_likelihoods``, bit for bit. A stream is scored as it passes: none is kept.
    """
    device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
    scorer.fit(model)
    rows, numbers = scorer.rows, choice_numbers(scorer.rows)
    result, unembed = torch.empty(len(sites), numbers[-1].stop), partial(logits_of, with_float32_head(model))

    def score(site: int) -> Callable[[torch.Tensor], None]:
        def see(hidden: torch.Tensor) -> None:
            scores = batch_log_likelihoods(hidden.view(*batch.input_ids.shape, -1), unembed, batch)
            need_finite(scores, names)
            result[site, scored] = scores

        return see

    for indices, batch in batches(rows, scorer.batch_size, device):
        scored = [number for index in indices for number in numbers[index]]
        names = [rows[index].name for index in indices for _ in numbers[index]]
        with hooked([(site, score(number)) for number, site in enumerate(sites)]):
            run_packed(span, batch)
    return scorer.by_question(result)
