"""Fine-tuning on texts: the one loop by which a model memorises texts and an attacker brings them back."""

from collections.abc import Callable, Iterator

import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.engine.schedule import share_of_rate
from unlearning_robustness.engine.weights import TrainedWeights
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.models.checkpointing import checkpointed
from unlearning_robustness.models.slicing import backward_attention


def learning_rate_at(step: int, peak: float, warm_up: int) -> float:
    """Linear warm-up over ``warm_up`` steps, then constant; ``step`` counts from 0."""
    return peak * min(1.0, (step + 1) / (warm_up + 1))


def linear_rate_at(step: int, peak: float, steps: int) -> float:
    """Warm-up over max(1, steps // 10) steps as in Unlearn-Smooth, then the decay that is transformers' default."""
    return peak * share_of_rate(step, steps, max(1, steps // 10), "linear")


def text_loss(model, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy a real token of texts (B, T), padding masked; batches are cut to their longest text."""
    width = int(mask.sum(-1).max())
    input_ids, mask = input_ids[:, :width], mask[:, :width]
    with backward_attention(input_ids.device):
        logits = model(input_ids=input_ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    labels = input_ids[:, 1:].masked_fill(~mask[:, 1:], -100)
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def fine_tune(
    model,
    weights: TrainedWeights,
    input_ids: torch.Tensor,
    mask: torch.Tensor,
    batches: torch.Tensor,
    rate_at: Callable[[int], float],
    checkpointing: bool = False,
) -> Iterator[int]:
    """Train ``weights`` of ``model`` with AdamW on ``batches`` (steps, B) of texts (N, T), at rate ``rate_at(step)``.

    Yields the number of steps done, from 0, before each step and after the last. The caller releases the weights.
    With ``checkpointing`` layers run again for the backward pass. Raises TrainingError when the loss is not finite.
    """
    optimiser = torch.optim.AdamW(list(weights.optimised.values()), lr=0.0, weight_decay=0.0, fused=True)
    for step, chosen in enumerate(batches):
        yield step
        optimiser.param_groups[0]["lr"] = rate_at(step)
        with checkpointed(model, checkpointing):
            loss = text_loss(model, input_ids[chosen], mask[chosen])
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of fine-tuning is {loss.item()} at step {step}: lower the learning rate")
        weights.step(optimiser, weights.gradient(loss))
    yield len(batches)
