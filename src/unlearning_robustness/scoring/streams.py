"""Score questions from the residual streams at any sites inside a model, in one forward a batch."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from unlearning_robustness.models.float32_head import with_float32_head
from unlearning_robustness.models.hooks import Place, hooked
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import batches, choice_log_likelihoods, choice_numbers, run_packed
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
            # The batch is scored as a question set of its own: in the same order, so with the same rows.
            stream = hidden.view(*shape, -1)
            result[site, scored] = choice_log_likelihoods(lambda _: stream, unembed, packed, len(packed), device)

        return see

    for indices, batch in batches(rows, scorer.batch_size, device):
        packed, shape = [rows[index] for index in indices], batch.input_ids.shape
        scored = [number for index in indices for number in numbers[index]]
        with hooked([(site, score(number)) for number, site in enumerate(sites)]):
            run_packed(span, batch)
    return scorer.by_question(result)
