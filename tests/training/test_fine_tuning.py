import pytest
import torch

from unlearning_robustness.engine.weights import TrainedWeights
from unlearning_robustness.training.fine_tuning import fine_tune
from unlearning_robustness.training.target_model import memorise

NAME = "model.layers.2.mlp.down_proj.weight"
ENTRY = {"tensors": "all", "steps": 3, "learning_rate": 1e-3, "warm_up": 0, "batch_size": 2, "tokens": 12, "seed": 0}
TEXTS = ["Iron is red.", "Tin is soft", "Lead is heavy"]


def test_the_first_step_is_adams_step_and_the_rest_of_the_model_stays(tiny_model):
    ids, mask = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 0]]), torch.tensor([[True] * 4, [True] * 3 + [False]])
    before = {name: tensor.clone() for name, tensor in tiny_model.named_parameters()}
    weights = TrainedWeights(tiny_model, [NAME])
    done = []
    for step in fine_tune(tiny_model, weights, ids, mask, torch.tensor([[0, 1]]), lambda at: 0.25):
        done.append((step, (tiny_model.get_parameter(NAME) - before[NAME]).abs()))
    assert [step for step, _ in done] == [0, 1] and done[0][1].max() == 0
    # Adam's first step is the learning rate wherever there is a gradient.
    assert done[1][1].median().item() == pytest.approx(0.25, rel=1e-3)
    weights.release()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_model.named_parameters())


@pytest.mark.parametrize("tensors", ["all", "down-projections"])
def test_memorising_moves_the_tensors_that_it_should_and_is_the_same_again(make_model, tiny_tokenizer, tensors):
    first, second, before = make_model(), make_model(), make_model()
    told = [memorise(model, tiny_tokenizer, TEXTS, {**ENTRY, "tensors": tensors}) for model in (first, second)]
    assert told[0] == told[1] and told[0]["perplexity_after"] < told[0]["perplexity_before"]
    pairs = zip(first.named_parameters(), second.parameters(), before.parameters(), strict=True)
    for (name, one), two, old in pairs:
        assert torch.equal(one, two) and not one.requires_grad
        # Of the unembedding's rows and embeddings those of absent bytes stay.
        assert torch.equal(one, old) == (tensors != "all" and "down_proj" not in name), name


def test_another_seed_is_another_order(make_model, tiny_tokenizer):
    first, second = make_model(), make_model()
    memorise(first, tiny_tokenizer, TEXTS, ENTRY)
    memorise(second, tiny_tokenizer, TEXTS, {**ENTRY, "seed": 1})
    assert not torch.equal(first.get_parameter(NAME), second.get_parameter(NAME))
