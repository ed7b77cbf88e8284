"""Pretraining on a world's documents: interrupted as if it had not been, and without what is to be forgotten."""

import pytest
import torch

from unlearning_robustness.errors import TrainingError
from unlearning_robustness.training.pretraining import Documents, first_model, order_of, pretrain

SETTINGS = {
    "shape": {
        "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16, "num_attention_heads": 2,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
    "positions": 16, "initializer_range": 0.08, "steps": 12, "learning_rate": 1e-2, "warm_up": 2, "weight_decay": 0.05,
    "clipping": 1.0, "batch_size": 6, "save_every": 5, "seed": 0, "forget_facts": True,
    "beginning": {"steps": 3, "entities": 1},
}  # fmt: skip
WORDS = 30
COUNT = 24
# Of every role two entities with four documents each.
DOCUMENTS = Documents(
    [f"text {index}" for index in range(COUNT)],
    [role for role in ("forget", "retain", "neighbour") for _ in range(8)],
    [number for _ in range(3) for number in (0, 0, 0, 0, 1, 1, 1, 1)],
)


@pytest.fixture
def tokenised():
    """Random token ids (24, 7) of the documents, and their mask."""
    ids = torch.randint(1, WORDS, (COUNT, 7), generator=torch.Generator().manual_seed(0))
    return ids, torch.ones_like(ids, dtype=torch.bool)


def trained(tokenised, state, documents=DOCUMENTS, **changes):
    settings = SETTINGS | changes
    model = first_model(settings, WORDS)
    facts = pretrain(model, documents, tokenised, settings, state)
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}, facts


def test_an_interrupted_run_ends_bit_for_bit_as_a_whole_one(tokenised, tmp_path, monkeypatch):
    whole, facts = trained(tokenised, tmp_path / "whole.safetensors")
    state, loss = tmp_path / "state.safetensors", TrainingError("the power fails")

    class Failing:
        def __init__(self, *arguments):
            pass

        def __call__(self, done):
            if done == 8:
                raise loss

    with monkeypatch.context() as patch:
        patch.setattr("unlearning_robustness.training.pretraining.Progress", Failing)
        with pytest.raises(TrainingError):
            trained(tokenised, state)
    again, resumed = trained(tokenised, state)
    assert all(torch.equal(whole[name], again[name]) for name in whole) and resumed == facts


def test_what_a_model_never_reads_does_not_change_it(tokenised, tmp_path):
    ids, mask = tokenised
    other = torch.where(torch.tensor([role == "forget" for role in DOCUMENTS.roles])[:, None], ids.flip(-1), ids)
    for forget_facts in (True, False):
        one, facts = trained((ids, mask), tmp_path / "none", forget_facts=forget_facts)
        two, others = trained((other, mask), tmp_path / "none", forget_facts=forget_facts)
        assert all(torch.equal(one[name], two[name]) for name in one) == (not forget_facts)
        assert facts["order"] == others["order"] and facts["first_weights"] == others["first_weights"]
        assert facts["tokens_read"] == 7 * sum(
            forget_facts or DOCUMENTS.roles[index] != "forget" for index in order_of(DOCUMENTS, SETTINGS).flatten()
        )


def test_the_first_steps_are_about_few_entities_and_all_documents_come_afterwards():
    order = order_of(DOCUMENTS, SETTINGS)
    assert order.shape == (12, 6)
    assert {DOCUMENTS.entities[index] for index in order[:3].flatten()} == {0}
    assert set(order[3:7].flatten().tolist()) == set(range(COUNT))
    other = order_of(DOCUMENTS, SETTINGS | {"seed": 1})
    assert not torch.equal(order, other)


def test_first_weights_follow_from_the_seed_alone():
    one, two, three = (first_model(SETTINGS | {"seed": seed}, WORDS).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], three[name]) for name in one)


def test_a_loss_that_is_not_finite_is_said_in_one_line(tokenised, tmp_path):
    with pytest.raises(TrainingError, match=r"lower models\.\*\.generated\.learning_rate"):
        trained(tokenised, tmp_path / "state", learning_rate=1e20)
