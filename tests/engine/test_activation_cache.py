import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.engine.activation_cache import compute_activations, load_caches, save_caches
from unlearning_robustness.scoring.encoding import encode_texts, left_out

TEXTS = ["Iron is Fe.", "Tin", "Zinc has atomic number 30"]


@pytest.fixture
def encoded(tiny_tokenizer):
    return encode_texts(tiny_tokenizer, TEXTS, 20)


def test_texts_are_cut_and_padded_on_the_right(encoded, tiny_tokenizer):
    input_ids, mask = encoded
    assert input_ids.shape == mask.shape == (3, 20)
    assert mask.sum(-1).tolist() == [11, 3, 20]
    for row, real, text in zip(input_ids, mask, TEXTS, strict=True):
        assert row[real].tolist() == tiny_tokenizer.encode(text)[:20]
        assert not real[int(real.sum()) :].any() and not row[~real].any()


@pytest.mark.parametrize(("tokens", "share"), [(25, 0.0), (20, 5 / 39), (3, 30 / 39)])
def test_what_a_cut_leaves_out_is_a_share_of_all_tokens(tiny_tokenizer, tokens, share):
    assert [len(tiny_tokenizer.encode(text)) for text in TEXTS] == [11, 3, 25]
    assert left_out(tiny_tokenizer, TEXTS, tokens) == pytest.approx(share)


@pytest.mark.parametrize("first", [0, 1])
def test_cached_prefix_and_reference_equal_those_of_the_full_model(tiny_model, encoded, first):
    input_ids, mask = encoded
    cache = compute_activations(tiny_model, input_ids, mask, first, 2, likelihood=False, batch_size=2)
    states = tiny_model(input_ids, attention_mask=mask, output_hidden_states=True).hidden_states
    torch.testing.assert_close(cache.prefix[mask], states[first][mask], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(cache.reference_hidden[mask], states[3][mask], atol=1e-5, rtol=1e-5)
    assert cache.reference_nll.tolist() == [0, 0, 0]


def test_the_reference_likelihood_is_the_full_models_over_real_tokens(tiny_model, encoded):
    cache = compute_activations(tiny_model, *encoded, 1, 2, likelihood=True, batch_size=2)
    for index, (row, real) in enumerate(zip(*encoded, strict=True)):
        ids = row[real]
        nll = cross_entropy(tiny_model(ids[None]).logits[0, :-1], ids[1:], reduction="sum")
        assert cache.reference_nll[index].item() == pytest.approx(nll.item(), rel=1e-5)
        assert cache.reference_tokens[index] == len(ids) - 1


def test_a_batch_is_cut_to_its_longest_text(tiny_caches):
    cache = tiny_caches["forget"]
    lengths = cache.mask.sum(-1)
    chosen = torch.tensor([2, 0])
    batch = cache.batch(chosen)
    assert batch.input_ids.shape == (2, int(lengths[chosen].max())) and batch.input_ids.shape[1] < cache.mask.shape[1]
    assert batch.mask.sum(-1).tolist() == lengths[chosen].tolist()
    assert torch.equal(batch.prefix, cache.prefix[chosen][:, : batch.mask.shape[1]])
    assert torch.equal(batch.reference_nll, cache.reference_nll[chosen])


def test_caches_come_back_from_disk_bit_for_bit(tiny_caches, tmp_path):
    save_caches(tmp_path / "caches.safetensors", tiny_caches)
    loaded = load_caches(tmp_path / "caches.safetensors")
    assert set(loaded) == {"forget", "retain", "refusal"} and len(loaded["retain"]) == len(tiny_caches["retain"]) == 7
    for corpus, cache in tiny_caches.items():
        for name, tensor in vars(cache).items():
            assert torch.equal(getattr(loaded[corpus], name), tensor)


def test_filling_reports_the_texts_done(tiny_model, encoded):
    seen = []
    compute_activations(tiny_model, *encoded, 1, 2, likelihood=False, batch_size=2, on_batch=seen.append)
    assert seen == [2, 3]
