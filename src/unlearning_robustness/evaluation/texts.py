"""The texts that models are measured on, the same ones for every cell, and a model's predictions on them."""

import pandas
import torch

from unlearning_robustness.models.slicing import backward_attention
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.likelihood import sequence_nll

# Token ids (N, T) and the mask (N, T) of real tokens.
Texts = tuple[torch.Tensor, torch.Tensor]


def texts_of(tokenizer, corpora: pandas.DataFrame, corpus: str, settings: dict, device: str | torch.device) -> Texts:
    """``documents`` texts of a corpus, each cut to ``tokens`` tokens."""
    texts = sorted(corpora.loc[corpora["corpus"] == corpus, "text"])
    chosen = shuffler(0, "sharpness").sample(texts, min(settings["documents"], len(texts)))
    input_ids, mask = encode_texts(tokenizer, chosen, settings["tokens"])
    return input_ids.to(device), mask.to(device)


def logits_on(model, texts: Texts) -> torch.Tensor:
    """The model's logits (N, T, V), by the same attention kernel whether they are differentiated or not."""
    input_ids, mask = texts
    with backward_attention(input_ids.device):
        return model(input_ids, attention_mask=mask, use_cache=False).logits


def mean_nll(model, texts: Texts) -> torch.Tensor:
    """NLL a token (nats) over all texts together, a scalar.

    Raises ScoreError when it is not finite, naming the first text by its number.
    """
    nll, tokens = sequence_nll(logits_on(model, texts), *texts)
    need_finite(nll.detach(), [f"text {number} of {len(nll)}" for number in range(1, len(nll) + 1)])
    return nll.sum() / tokens.sum()
