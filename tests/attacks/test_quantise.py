import pytest
import torch
from families import family_model, untransposed
from planted import given, state, unharmed

from unlearning_robustness.attacks.quantise import Quantise, round_to_nearest, torchao_rounded, whole_groups
from unlearning_robustness.models.architecture import linear_modules

WEIGHT = torch.tensor([[0.0, 1.0, 2.0, 3.1], [-1.0, 0.4, 5.0, 7.0]])


def test_weights_go_to_the_nearest_of_even_levels_of_their_group():
    """By hand: groups of 2, two bits, levels from min(0, smallest) to max(0, largest)."""
    expected = torch.tensor([[0.0, 1.0, 3.1 * 2 / 3, 3.1], [-1.4 / 3 * 2, 1.4 / 3, 14 / 3, 7.0]])
    assert torch.allclose(round_to_nearest(WEIGHT, 2, 2), expected, atol=1e-6)


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("group_size", [16, 24, 100])
def test_there_are_at_most_so_many_levels_and_half_a_step_of_error(bits, group_size):
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    rounded = round_to_nearest(weight, bits, group_size)
    for row in range(8):
        for start in range(0, 64, group_size):
            group, after = weight[row, start : start + group_size], rounded[row, start : start + group_size]
            step = (group.max().clamp_min(0) - group.min().clamp_max(0)) / (2**bits - 1)
            assert after.unique().numel() <= 2**bits
            # Zero is a level, so both ends may be off by the half step that puts it there, and by rounding.
            assert (group - after).abs().max() <= 1.01 * step


def test_groups_of_zeros_and_of_one_sign_are_kept_in_range():
    weight = torch.tensor([[0.0, 0.0, 4.0, 4.2], [0.0, 0.0, -4.0, -4.2]])
    rounded = round_to_nearest(weight, 8, 2)
    assert rounded[:, :2].eq(0).all() and (rounded - weight).abs().max() < 4.2 / 255


def test_every_number_of_bits_is_a_point_and_the_model_comes_back(tiny_model, tiny_tokenizer):
    before, seen = state(tiny_model), {}
    for attacked in Quantise(bits=[0, 8, 3], group_size=16).run(given(tiny_model, tiny_tokenizer)):
        moved = {name for name, tensor in state(tiny_model).items() if not torch.equal(tensor, before[name])}
        seen[attacked.setting] = moved
    assert list(seen) == ["0 bits", "8 bits", "3 bits"] and seen["0 bits"] == set()
    linear = {name for name in before if "layers" in name and "norm" not in name}
    assert seen["3 bits"] == linear == seen["8 bits"]
    assert unharmed(tiny_model, before)


def test_fewer_bits_move_the_weights_further():
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    errors = [(round_to_nearest(weight, bits, 32) - weight).norm() for bits in (8, 4, 3)]
    assert errors[0] < errors[1] / 8 and errors[1] < errors[2]


def test_an_architecture_without_layers_is_named(tiny_tokenizer):
    with pytest.raises(AttributeError, match="Linear has no one list of decoder layers"):
        next(Quantise(bits=[8], group_size=16).run(given(torch.nn.Linear(2, 2), tiny_tokenizer)))


@pytest.fixture
def torchao():
    return pytest.importorskip("torchao")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bits", [8, 4, 3])
def test_torchao_rounds_to_the_nearest_of_symmetric_levels(torchao, bits, dtype):
    """The largest magnitude lies between two levels and may go to either; in bfloat16 the step is rounded too."""
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    rounded = torchao_rounded(weight, bits, 16)
    groups, after = (tensor.float().view(32, 16) for tensor in (weight, rounded))
    step, close = (
        groups.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 0.5),
        1e-4 if dtype == torch.float32 else 1e-2,
    )
    levels = after / step
    assert rounded.dtype == dtype
    assert ((levels - levels.round()).abs() <= close * levels.abs().clamp_min(1)).all()
    if dtype == torch.float32:
        assert levels.min() > -(2 ** (bits - 1)) - close and levels.max() < 2 ** (bits - 1) - 1 + close
    assert ((after - groups).abs() <= (0.5 + 2**bits * close) * step).all()
    assert (after - groups).abs().max() > 0


@pytest.mark.parametrize("bits", [8, 4, 3])
def test_torchaos_error_is_near_that_of_rounding_to_even_levels(torchao, bits):
    weight = torch.randn(32, 128, generator=torch.Generator().manual_seed(1))
    errors = [(rounded(weight, bits, 32) - weight).norm() for rounded in (torchao_rounded, round_to_nearest)]
    assert 1 <= errors[0] / errors[1] < 1.5


def test_what_torchao_computes_is_what_its_dequantised_weights_compute(torchao):
    """So writing those into the model is its quantised model."""
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerGroup

    module, given = torch.nn.Linear(64, 8, bias=False).requires_grad_(False), torch.randn(5, 64)
    plain = module.weight.detach().clone()
    quantize_(module, IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(16)))
    assert torch.allclose(module(given), given @ torchao_rounded(plain, 4, 16).T, atol=1e-5)


def test_a_model_rounded_by_torchao_comes_back(torchao, make_model, tiny_tokenizer):
    model = make_model(dtype=torch.bfloat16)
    before, seen = state(model), []
    for attacked in Quantise([0, 4], 16, "torchao").run(given(model, tiny_tokenizer)):
        moved = {name for name, tensor in state(attacked.model).items() if not torch.equal(tensor, before[name])}
        seen.append(len(moved))
    assert seen == [0, 28] and unharmed(model, before)


def test_torchao_has_whole_groups_of_the_largest_size_that_divides_a_row(torchao):
    assert [whole_groups(*pair) for pair in ((64, 24), (172, 32), (172, 43), (7, 4), (16, 128))] == [16, 4, 43, 1, 16]
    weight = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torchao_rounded(weight, 4, 24), torchao_rounded(weight, 4, 16))


@pytest.mark.parametrize(("backend", "said"), [("torchao", ", 172 inputs in groups of 4"), ("own", "")])
def test_smaller_groups_are_said_in_the_setting(torchao, tiny_tokenizer, backend, said):
    attack = Quantise(bits=[0, 4], group_size=16, backend=backend)
    model = family_model("llama 172 units")
    settings = [attacked.setting for attacked in attack.run(given(model, tiny_tokenizer))]
    assert settings == ["0 bits", f"4 bits{said}"]


def test_a_transposed_matrix_is_rounded_along_its_inputs(tiny_tokenizer):
    model = family_model("gpt2")
    twin, rounded = untransposed(model), []
    for each in (model, twin):
        for _ in Quantise(bits=[3], group_size=16).run(given(each, tiny_tokenizer)):
            rounded.append({name: module.weight.clone() for name, module in linear_modules(each).items()})
    assert all(torch.equal(rounded[0][name].T, tensor) for name, tensor in rounded[1].items())
