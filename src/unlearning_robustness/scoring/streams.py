"""Score questions at any place inside a model: the outputs of several modules, read in one forward a batch."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan, logits_of
from unlearning_robustness.scoring.multiple_choice import batches, choice_log_likelihoods
from unlearning_robustness.scoring.questions import QuestionScorer


@torch.no_grad()
def stream_log_likelihoods(scorer: QuestionScorer, model: nn.Module, modules: Sequence[nn.Module]) -> torch.Tensor:
    """Log-likelihoods of the scorer's choices, float32 (S, Q, C), read at the outputs (B, T, d) of ``modules``.

    Each output goes through the final norm and the unembedding; that of the last layer gives
    ``QuestionScorer.log_likelihoods``, bit for bit. Held are the outputs of one batch.
    """
    device, span = next(model.parameters()).device, LayerSpan(model, 0, model.config.num_hidden_layers)
    result, outputs = [torch.empty(0)] * len(scorer.packed), {}

    def keep(place: int) -> Callable[[torch.Tensor], None]:
        return lambda hidden: outputs.update({place: hidden})

    for indices, batch in batches(scorer.packed, scorer.batch_size, device):
        with hooked([(module, keep(place)) for place, module in enumerate(modules)]):
            span(input_ids=batch.input_ids, attention_mask=batch.mask, position_ids=batch.position_ids)
        # The batch is scored as a question set of its own: in the same order, so with the same rows.
        packed = [scorer.packed[index] for index in indices]
        read = [
            choice_log_likelihoods(
                lambda _, place=place: outputs[place],
                lambda rows: logits_of(model, rows),
                packed,
                len(packed),
                device,
            )
            for place in range(len(modules))
        ]
        for index, scores in zip(indices, torch.stack(read, dim=1), strict=True):
            result[index] = scores
    return torch.stack(result, dim=1)
