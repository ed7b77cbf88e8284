import numpy
import pytest
import torch

from unlearning_robustness.evaluation.residuals import POSITIONS, align, latents, residual_statistics


def test_prompts_are_aligned_at_the_last_token_of_the_word(tiny_tokenizer):
    pair = align(tiny_tokenizer, "Tin. The sea is", "Cup. The sea is")
    assert pair.indices == (2, 3, 14)
    assert align(tiny_tokenizer, "Iron. The sea", "Cup. The sea") is None
    assert align(tiny_tokenizer, "Cup. The sea", "Cup. The sea") is None
    assert align(tiny_tokenizer, "is tin", "is cup") is None


def test_latents_are_the_residual_stream_after_every_layer_whatever_the_padding(tiny_model, tiny_tokenizer):
    texts = ["The capital of Chad is", "Tin. Oslo"]
    rows = [tiny_tokenizer.encode(text) for text in texts]
    found = latents(tiny_model, rows, [(0, 4), (2, 5)], batch_size=2)
    assert found.shape == (2, 4, 2, 32)
    for index, row in enumerate(rows):
        states = tiny_model(torch.tensor([row]), output_hidden_states=True).hidden_states
        torch.testing.assert_close(found[index, 1, 0], states[2][0, (0, 2)[index]], atol=1e-5, rtol=1e-4)
        # What transformers gives last has passed the final norm, which is no part of the stream.
        last = tiny_model.model.norm(found[index, 3, 0])
        torch.testing.assert_close(last, states[4][0, (0, 2)[index]], atol=1e-5, rtol=1e-4)


PAIRS = [(f"{word}. {text}", f"{other}. {text}") for text in ("Rome is old", "The sea is")
         for word, other in (("Tin", "Cup"), ("Iron", "Door"), ("Gold", "Lamp"))]  # fmt: skip


def test_residuals_stand_for_every_position_and_the_scale_for_every_layer(tiny_model, tiny_tokenizer):
    table = residual_statistics(tiny_model, tiny_tokenizer, [*PAIRS, ("Tin. a", "Window. a")], read_layer=2)
    assert set(table["position"]) == set(POSITIONS) and set(table["questions"]) == {6}
    scales = table[table["statistic"] == "eta"]
    assert len(scales) == 3 * 4 and (scales["value"] > 0).all()
    at_read_layer = table[(table["layer"] == 2) & (table["position"] == "answer")].set_index("statistic")
    aligned = [align(tiny_tokenizer, *pair) for pair in PAIRS]
    indices = [pair.indices for pair in aligned]
    one, other = (
        latents(tiny_model, [getattr(pair, side) for pair in aligned], indices) for side in ("first", "second")
    )
    difference = (one - other)[:, 2, 2].double().numpy()
    assert at_read_layer.loc["eta", "value"] == pytest.approx(numpy.sqrt((difference**2).mean()))
    assert at_read_layer.loc["mean_share_expected", "value"] == pytest.approx(1 / 6, rel=0.6)
    assert (at_read_layer.loc["eigenvalue", "value"].diff().dropna() <= 1e-9).all()
