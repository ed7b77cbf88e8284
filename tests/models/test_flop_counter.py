import pytest
import torch
from planted import state, unharmed
from torch.nn.modules import module as hooks_of_all
from torch.utils.flop_counter import FlopCounterMode

from unlearning_robustness.engine.lora import LowRankWeights
from unlearning_robustness.engine.weights import TrainedWeights, down_projections, tensors_of_layers
from unlearning_robustness.models import shared_prefix as beginnings
from unlearning_robustness.models.flop_counter import Spent, metered
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring import batching, multiple_choice
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.training.fine_tuning import text_loss

IDS = torch.arange(24).view(2, 12)
MASK = torch.arange(12) < torch.tensor([[12], [7]])
PRODUCTS = ("aten.mm", "aten.addmm")


def adapters(model):
    names = [f"model.layers.{layer}.mlp.{part}_proj" for layer in (1, 2) for part in ("up", "down")]
    return LowRankWeights(model, names, 2, 4.0, torch.Generator().manual_seed(0))


TRAINED = {
    "down-projections": lambda model: TrainedWeights(model, down_projections(model, [1, 3])),
    "full": lambda model: TrainedWeights(model, tensors_of_layers(model, range(4))),
    "lora": adapters,
}


def both(model, work):
    """What the meter counts of ``work``, and the products of matrices that torch counts."""
    spent = Spent()
    with metered(model, spent):
        work()
    with FlopCounterMode(display=False) as counter:
        work()
    counted = {str(name): flops for name, flops in counter.get_flop_counts()["Global"].items()}
    return spent, sum(counted.get(name, 0) for name in PRODUCTS)


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("trained", TRAINED)
def test_a_training_step_is_counted_as_torch_counts_its_products(make_model, kind, trained):
    model = make_model(kind)
    weights = TRAINED[trained](model)
    spent, products = both(model, lambda: weights.gradient(text_loss(model, IDS, MASK)))
    assert spent.operations == products > 0
    assert (spent.forwards, spent.backwards, spent.tokens) == (1, 1, 19)
    weights.release()


@pytest.mark.parametrize(("start", "passes"), [(0, 1), (1, 0)])
def test_parts_of_a_model_count_too_and_a_pass_begins_at_the_first_layer(tiny_model, start, passes):
    span = LayerSpan(tiny_model, start, 3)
    spent, products = both(tiny_model, lambda: span(hidden=torch.ones(2, 5, 32)))
    assert spent.operations == products == 10 * 2 * sum(
        tensor.numel() for name, tensor in span.view.layers.named_parameters() if "norm" not in name
    )  # fmt: skip
    assert (spent.forwards, spent.backwards, spent.tokens) == (passes, 0, 10 * passes)


@pytest.mark.parametrize("worth", [beginnings.WORTH, float("inf")])
def test_packed_questions_count_their_tokens_without_padding(
    monkeypatch, tiny_model, tiny_tokenizer, question_table, worth
):
    monkeypatch.setattr(beginnings, "WORTH", worth)
    monkeypatch.setattr(batching, "PASS", 4)  # prompts are short
    scorer, spent = QuestionScorer(tiny_tokenizer, question_table, 5), Spent()
    with metered(tiny_model, spent):
        scorer.log_likelihoods(tiny_model)
    given = list(multiple_choice.batches(scorer.packed, 5, "cpu", share=True))
    heads = [(len(batch.head), len(numbers)) for numbers, batch in given if len(batch.head)]
    # What the prompts of a batch begin with is run once, in a pass of its own.
    shared = sum(length * (count - 1) for length, count in heads)
    assert spent.tokens == sum(question.length for question in scorer.packed) - shared
    assert spent.forwards == len(given) + len(heads)
    assert bool(heads) == (worth < 1)


def test_watching_changes_no_bit_and_leaves_nothing_behind(tiny_model):
    before, weights = state(tiny_model), TRAINED["full"](tiny_model)
    plain = weights.gradient(text_loss(tiny_model, IDS, MASK))
    with metered(tiny_model, Spent()):
        watched = weights.gradient(text_loss(tiny_model, IDS, MASK))
        assert not any(module._forward_hooks for module in tiny_model.modules())
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    weights.release()
    with pytest.raises(ZeroDivisionError), metered(tiny_model, Spent()):
        _ = 1 / 0
    assert unharmed(tiny_model, before) and not hooks_of_all._global_forward_hooks
