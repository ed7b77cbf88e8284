import pandas
import pytest
import torch

from unlearning_robustness.models.delta import lowest_layer
from unlearning_robustness.scoring.questions import QuestionScorer

NAMES = ["model.layers.1.mlp.down_proj.weight", "model.layers.3.self_attn.q_proj.weight"]


@pytest.fixture
def scorer(tiny_tokenizer):
    prompts = ["Tin is", "The symbol of iron is", "Gold, silver and copper are all", "On"]
    rows = [{"prompt": prompt, "choices": ["a metal", "sea", "a very long name"], "answer": 0} for prompt in prompts]
    return QuestionScorer(tiny_tokenizer, pandas.DataFrame(rows), batch_size=3)


def test_scores_from_a_kept_prefix_are_those_of_the_whole_model(scorer, tiny_model):
    whole = scorer.log_likelihoods(tiny_model)
    scorer.keep_prefix(tiny_model, 2)
    assert torch.equal(scorer.log_likelihoods(tiny_model), whole)


def test_a_kept_prefix_sees_changes_above_it_and_not_below(scorer, tiny_model):
    scorer.keep_prefix(tiny_model, 2)
    before = scorer.log_likelihoods(tiny_model)
    with torch.no_grad():
        tiny_model.get_parameter(NAMES[0]).mul_(3.0)
    assert torch.equal(scorer.log_likelihoods(tiny_model), before)
    with torch.no_grad():
        tiny_model.get_parameter(NAMES[1]).mul_(3.0)
    assert not torch.equal(scorer.log_likelihoods(tiny_model), before)


@pytest.mark.parametrize(("lowest_changed", "taken"), [(1, False), (2, True), (float("inf"), True), (-1, False)])
def test_a_saved_prefix_is_taken_only_when_nothing_below_it_changed(
    scorer, tiny_model, tiny_tokenizer, tmp_path, lowest_changed, taken
):
    whole = scorer.log_likelihoods(tiny_model)
    scorer.keep_prefix(tiny_model, 2)
    scorer.save_prefix(tmp_path / "prefix.safetensors")
    other = QuestionScorer(tiny_tokenizer, scorer.table, batch_size=3)
    other.load_prefix(tmp_path / "prefix.safetensors", lowest_changed, "cpu")
    assert bool(other.prefix) == taken
    assert torch.equal(other.log_likelihoods(tiny_model), whole)


def test_the_lowest_layer_of_a_delta_is_read_from_its_names():
    tensor = torch.zeros(1)
    assert lowest_layer({f"model.layers.{layer}.mlp.down_proj.weight": tensor for layer in (12, 5, 7)}) == 5
    assert lowest_layer({}) == float("inf")
    assert lowest_layer({"model.layers.9.a.weight": tensor, "model.embed_tokens.weight": tensor}) == -1


def test_at_the_first_layer_nothing_is_kept_as_embeddings_may_change(tiny_model, tiny_tokenizer, question_table):
    scorer = QuestionScorer(tiny_tokenizer, question_table, 4)
    scorer.keep_prefix(tiny_model, 0)
    before = scorer.log_likelihoods(tiny_model)
    tiny_model.get_input_embeddings().weight.data.mul_(0.5)
    assert scorer.prefix == [] and not torch.allclose(scorer.log_likelihoods(tiny_model), before)
