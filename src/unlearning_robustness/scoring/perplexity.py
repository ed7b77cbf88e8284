"""Perplexity on held-out prose: what unlearning does to plain English."""

from collections.abc import Sequence

from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.likelihood import perplexity


def prose_perplexity(model, tokenizer, texts: Sequence[str], tokens: int) -> float:
    """Perplexity of the model over texts cut to ``tokens`` tokens."""
    device = next(model.parameters()).device
    input_ids, mask = (part.to(device) for part in encode_texts(tokenizer, texts, tokens))

    def logits_of(ids, real):
        return model(input_ids=ids, attention_mask=real, use_cache=False).logits

    return perplexity(logits_of, input_ids, mask)
