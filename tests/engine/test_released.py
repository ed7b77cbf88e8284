"""Padding, masks and topics of released code; its runs as a whole are compared in tests/independent."""

import pytest
import torch

from unlearning_robustness.engine.activation_cache import compute_activations
from unlearning_robustness.engine.released import attention_of, padded_left
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.scoring.encoding import end_of_text, pad

END = 259


def test_texts_are_padded_on_the_left_to_the_longest_of_the_batch():
    ids, mask = pad([[1, 2, 3], [4], [5, 6, 7, 8, 9, 10]], END)
    assert padded_left(ids[:2], mask[:2], 9)[0].tolist() == [[1, 2, 3], [END, END, 4]]
    cut, real = padded_left(ids, mask, 4)
    assert cut.tolist() == [[END, 1, 2, 3], [END, END, END, 4], [5, 6, 7, 8]]
    assert real.sum(-1).tolist() == [3, 1, 4] and real[:, -1].all()
    whole, every = padded_left(ids[2:], mask[2:], 6)
    assert whole.tolist() == ids[2:].tolist() and every.all()


def test_padding_sees_every_position_and_the_text_no_padding():
    attention = attention_of(torch.tensor([[False, True, True]]))
    assert attention["attention_mask"][0, 0].int().tolist() == [[1, 1, 1], [0, 1, 0], [0, 1, 1]]
    assert attention["position_ids"].tolist() == [[0, 1, 2]]
    assert attention_of(torch.ones(2, 3, dtype=torch.bool)) == {}


def test_a_tokenizer_without_an_end_of_text_is_refused(tiny_tokenizer):
    with pytest.raises(ConfigError, match="end-of-text token"):
        end_of_text(tiny_tokenizer)


@pytest.fixture
def released(make_trainer, settings, tiny_model, tiny_caches):
    """Builds a trainer of Adaptive RMU as released, on forget texts of so many topics."""

    def make(count=2, **changes):
        topic = torch.arange(len(tiny_caches["forget"])) % count
        ids, mask = tiny_caches["forget"].input_ids, tiny_caches["forget"].mask
        caches = tiny_caches | {"forget": compute_activations(tiny_model, ids, mask, 1, 2, False, topic=topic)}
        entry = settings("adaptive-rmu", implementation="released", precision="pure", batch_size=2, **changes)
        return make_trainer(entry, caches=caches)

    return make


def test_each_topic_has_its_vector_of_the_length_of_its_own_first_batch(released):
    trainer = released(topics=[{"retain_weight": 1.0}, {"retain_weight": 4.0}])
    engine, seen = trainer.engine, []
    trainer.run(lambda done: seen.append((engine.topic, engine.retain_weight, engine.direction.clone())))
    assert [topic for topic, _, _ in seen] == [0, 1] * 3 and [weight for _, weight, _ in seen] == [1.0, 4.0] * 3
    vectors = [vector for _, _, vector in seen]
    assert all(torch.equal(vectors[step], vectors[step % 2]) for step in range(6))
    assert torch.cosine_similarity(vectors[0], vectors[1], dim=0) < 0.99
    lengths = [vector.norm().item() for vector in vectors[:2]]
    assert min(lengths) > 1 and lengths[0] != lengths[1]


@pytest.mark.parametrize("stopped", [1, 3])
def test_a_resumed_run_continues_bit_for_bit(released, tmp_path, stopped):
    whole, rest = released(), released()
    whole.run(lambda done: whole.save(tmp_path / "state") if done == stopped else None)
    rest.restore(tmp_path / "state")
    rest.run()
    assert rest.history == whole.history
    assert all(torch.equal(one, other) for one, other in zip(whole.master, rest.master, strict=True))


def test_settings_of_another_number_of_topics_are_refused(released):
    with pytest.raises(ConfigError, match=r"methods\.\*\.topics: there are 2, and the forget texts are of 3"):
        released(3, topics=[{}, {}])
