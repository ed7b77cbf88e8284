import math

import pytest
import torch

from unlearning_robustness.scoring.likelihood import perplexity, sequence_nll, token_log_probabilities

RANDOM = torch.Generator().manual_seed(3)
LOGITS = 4 * torch.randn(3, 7, 11, generator=RANDOM)
IDS = torch.randint(0, 11, (3, 7), generator=RANDOM)
MASK = torch.arange(7)[None] < torch.tensor([7, 5, 2])[:, None]


def test_token_log_probabilities_are_those_of_the_next_token():
    expected = torch.stack(
        [torch.stack([LOGITS[b, t].log_softmax(-1)[IDS[b, t + 1]] for t in range(6)]) for b in range(3)]
    )
    torch.testing.assert_close(token_log_probabilities(LOGITS, IDS), expected)


def test_token_log_probabilities_have_a_right_gradient():
    logits = LOGITS[:1, :4, :5].clone().requires_grad_(True)
    ids = IDS[:1, :4] % 5
    (gradient,) = torch.autograd.grad(token_log_probabilities(logits, ids).sum(), logits)
    expected = -logits.detach().softmax(-1)
    for position in range(3):
        expected[0, position, ids[0, position + 1]] += 1
    expected[0, 3] = 0
    torch.testing.assert_close(gradient, expected)


def test_sequence_nll_sums_over_real_tokens_but_the_first():
    nll, tokens = sequence_nll(LOGITS, IDS, MASK)
    assert tokens.tolist() == [6, 4, 1]
    for row, length in enumerate([7, 5, 2]):
        expected = -sum(LOGITS[row, t].log_softmax(-1)[IDS[row, t + 1]] for t in range(length - 1))
        assert nll[row].item() == pytest.approx(expected.item(), rel=1e-5)


def test_more_padding_does_not_change_the_sums():
    wide = torch.cat([LOGITS, 50 * torch.randn(3, 4, 11)], dim=1)
    ids = torch.cat([IDS, torch.full((3, 4), 9)], dim=1)
    mask = torch.cat([MASK, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    for narrow, padded in zip(sequence_nll(LOGITS, IDS, MASK), sequence_nll(wide, ids, mask), strict=True):
        torch.testing.assert_close(padded, narrow)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_perplexity_is_the_exponential_of_the_mean_over_all_tokens(batch_size):
    table = 3 * torch.randn(11, 11, generator=torch.Generator().manual_seed(5))
    found = perplexity(lambda ids, mask: table[ids], IDS, MASK, batch_size)
    probability = table.double().softmax(-1)
    terms = [
        -math.log(probability[IDS[row, t], IDS[row, t + 1]])
        for row, length in enumerate([7, 5, 2])
        for t in range(length - 1)
    ]
    assert found == pytest.approx(math.exp(sum(terms) / len(terms)), rel=1e-5)


def test_a_uniform_model_is_as_perplexed_as_its_vocabulary_is_large():
    assert perplexity(lambda ids, mask: torch.zeros(*ids.shape, 11), IDS, MASK) == pytest.approx(11, rel=1e-6)
