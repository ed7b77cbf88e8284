import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.perplexity import prose_perplexity

TEXTS = ["the way home is north of here", "a b", "every word of this text is read up to a limit of tokens", "so it is"]


class Letters:
    def encode(self, text):
        return [ord(letter) % 60 for letter in text]


@pytest.fixture(scope="module")
def small_llama():
    torch.manual_seed(0)
    settings = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    return LlamaForCausalLM(settings).eval()


def expected(model, tokens):
    """Exp of the mean over all predicted tokens, each text alone and without padding."""
    total, count = 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([Letters().encode(text)[:tokens]])
        with torch.no_grad():
            log_p = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
        total -= log_p[torch.arange(len(log_p)), ids[0, 1:]].sum().item()
        count += len(log_p)
    return math.exp(total / count)


@pytest.mark.parametrize("tokens", [3, 12, 100])
def test_perplexity_is_the_mean_over_real_tokens_of_all_texts(small_llama, tokens):
    assert prose_perplexity(small_llama, Letters(), TEXTS, tokens) == pytest.approx(
        expected(small_llama, tokens), rel=1e-5
    )


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(small_llama):
    weight = small_llama.lm_head.weight
    before = weight.detach().clone()
    try:
        weight.data.zero_()
        assert prose_perplexity(small_llama, Letters(), TEXTS, 20) == pytest.approx(64, rel=1e-5)
    finally:
        weight.data.copy_(before)


@pytest.mark.parametrize(
    ("text", "said"), [("a", "it has 1 token, and the first"), ("a" * 30, "it has 30 tokens, the model 20 positions")]
)
def test_a_text_that_cannot_be_scored_is_named_with_the_key_to_change(small_llama, text, said):
    before, small_llama.config.max_position_embeddings = small_llama.config.max_position_embeddings, 20
    try:
        with pytest.raises(DataError, match=f"^text '{text}': {said}.* corpora.tokens"):
            prose_perplexity(small_llama, Letters(), [*TEXTS[1:2], text], 100, "corpora.tokens")
    finally:
        small_llama.config.max_position_embeddings = before
