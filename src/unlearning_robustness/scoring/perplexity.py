"""Perplexity on held-out prose: what unlearning does to plain English."""

from collections.abc import Sequence

from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.likelihood import perplexity
from unlearning_robustness.scoring.text_logits import float32_logits, need_scorable

# How much of a text an error quotes.
QUOTED = 40


def prose_perplexity(model, tokenizer, texts: Sequence[str], tokens: int, key: str = "perplexity_tokens") -> float:
    """Perplexity of the model over texts cut to ``tokens`` tokens, which the setting ``key`` gives.

    Raises DataError for a text of one token, or beyond the model's positions, and ScoreError when its log-likelihood is
    not finite; both name the text.
    """
    device = next(model.parameters()).device
    input_ids, mask = (part.to(device) for part in encode_texts(tokenizer, texts, tokens))
    names = [f"text {text[:QUOTED]!r}" for text in texts]
    need_scorable(model, mask.sum(-1).tolist(), names, key)
    return perplexity(float32_logits(model), input_ids, mask, names=names)
