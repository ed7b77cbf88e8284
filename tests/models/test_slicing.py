import pytest
import torch
from families import FAMILIES, family_model
from torch import nn

from unlearning_robustness.models.architecture import ArchitectureError, layer_modules
from unlearning_robustness.models.hooks import Entering, hooked
from unlearning_robustness.models.slicing import (
    LayerSpan,
    backward_attention,
    double_backward_attention,
    logits_of,
)

IDS = torch.randint(0, 260, (3, 11), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(11)[None] < torch.tensor([11, 7, 4])[:, None]


@pytest.fixture(params=FAMILIES, scope="module")
def model(request):
    return family_model(request.param)


def test_a_span_from_the_bottom_gives_what_enters_each_layer_of_the_full_model(model):
    entering, layers = [], layer_modules(model)
    with hooked([(Entering(layer), entering.append) for layer in layers]):
        model(input_ids=IDS, attention_mask=MASK)
    assert len(entering) == 4
    for stop, expected in enumerate(entering):
        assert torch.equal(LayerSpan(model, 0, stop)(input_ids=IDS, attention_mask=MASK), expected)


def test_a_span_takes_embeddings_for_ids(model):
    embeddings = model.get_input_embeddings()(IDS)
    found = LayerSpan(model, 0, 4)(embeddings=embeddings, attention_mask=MASK)
    assert torch.equal(found, LayerSpan(model, 0, 4)(input_ids=IDS, attention_mask=MASK))


def test_two_spans_in_a_row_equal_one(model):
    one = LayerSpan(model, 0, 4)(input_ids=IDS, attention_mask=MASK)
    for cut in range(5):
        below = LayerSpan(model, 0, cut)(input_ids=IDS, attention_mask=MASK)
        assert torch.equal(LayerSpan(model, cut, 4)(hidden=below, attention_mask=MASK), one)


def test_logits_of_the_last_hidden_state_are_the_models_logits(model):
    hidden = LayerSpan(model, 0, 4)(input_ids=IDS, attention_mask=MASK)
    assert torch.equal(logits_of(model, hidden), model(input_ids=IDS, attention_mask=MASK).logits)


@pytest.mark.parametrize("kind", ["Qwen2", "Qwen3"])
def test_layers_keep_their_own_kind_of_attention_in_a_span_that_starts_above_the_bottom(make_model, kind):
    kinds = ["sliding_attention", "sliding_attention", "full_attention", "full_attention"]
    model = make_model(kind, use_sliding_window=True, sliding_window=3, layer_types=kinds)
    one = LayerSpan(model, 0, 4)(input_ids=IDS, attention_mask=MASK)
    below = LayerSpan(model, 0, 2)(input_ids=IDS, attention_mask=MASK)
    assert torch.equal(LayerSpan(model, 2, 4)(hidden=below, attention_mask=MASK), one)


def test_logits_are_float32_whatever_the_model_computes_in(make_model):
    model = make_model(dtype=torch.bfloat16)
    hidden = LayerSpan(model, 0, 4)(input_ids=IDS)
    assert hidden.dtype == torch.bfloat16 and logits_of(model, hidden).dtype == torch.float32


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 5)])
def test_layers_that_the_model_does_not_have_are_refused(tiny_model, start, stop):
    with pytest.raises(ValueError, match="4 layers"):
        LayerSpan(tiny_model, start, stop)


def test_an_empty_span_returns_what_it_is_given(tiny_model):
    hidden = torch.randn(2, 5, 32)
    assert LayerSpan(tiny_model, 4, 4)(hidden=hidden) is hidden


def test_a_model_without_a_layer_stack_is_refused_by_name():
    with pytest.raises(ArchitectureError, match="Linear has no one list of decoder layers"):
        LayerSpan(nn.Linear(2, 2), 0, 0)


def test_a_span_follows_the_weights_of_its_model(tiny_model):
    span = LayerSpan(tiny_model, 1, 3)
    hidden = torch.randn(2, 5, 32)
    before = span(hidden=hidden)
    tiny_model.model.layers[2].mlp.down_proj.weight.mul_(2)
    assert not torch.allclose(span(hidden=hidden), before)
    assert len(tiny_model.model.layers) == 4 and not isinstance(tiny_model.model.norm, nn.Identity)


def kernels():
    """The kernels of attention that torch may choose from here."""
    backends = torch.backends.cuda
    asked = {"flash": backends.flash_sdp_enabled, "efficient": backends.mem_efficient_sdp_enabled}
    return {name for name, enabled in {**asked, "plain": backends.math_sdp_enabled}.items() if enabled()}


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps", torch.device("cuda", 1)])
def test_what_is_differentiated_twice_runs_by_the_plain_kernel_on_every_device(device):
    every = {"flash", "efficient", "plain"}
    with backward_attention(device):
        assert kernels() == ({"plain"} if device == "cpu" else every)
    with double_backward_attention():
        assert kernels() == {"plain"}
        with backward_attention(device):
            assert kernels() == {"plain"}
    assert kernels() == every


def test_the_attention_for_backwards_gives_the_same_output_and_a_gradient(tiny_model):
    span = LayerSpan(tiny_model, 1, 4)
    hidden = torch.randn(3, 11, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
    with backward_attention("cpu"):
        output = span(hidden=hidden, attention_mask=MASK)
    torch.testing.assert_close(output, span(hidden=hidden, attention_mask=MASK), atol=1e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(output[1, 6].sum(), hidden)
    assert gradient[1, :7].abs().sum() > 0
    assert gradient[1, 7:].abs().sum() == 0 and gradient[0].abs().sum() == 0
