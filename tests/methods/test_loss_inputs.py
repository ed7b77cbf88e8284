import pytest
import torch

from unlearning_robustness.methods.loss_inputs import masked_mean, masked_mse, unit_vector

MASK = torch.tensor([[True, True, False], [True, False, False]])


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_mean_is_over_counted_positions():
    values = torch.tensor([[1.0, 2.0, 100.0], [6.0, -50.0, 7.0]])
    assert masked_mean(values, MASK).item() == 3.0


def test_the_squared_error_is_a_mean_over_counted_positions_and_dimensions():
    hidden, target = torch.randn(2, 3, 5, generator=random(1)), torch.randn(2, 3, 5, generator=random(2))
    terms = [(hidden[b, t, i] - target[b, t, i]).double() ** 2 for b, t in ((0, 0), (0, 1), (1, 0)) for i in range(5)]
    assert masked_mse(hidden, target, MASK).item() == pytest.approx(sum(terms).item() / 15, rel=1e-6)


def test_one_target_vector_serves_every_position():
    hidden, target = torch.randn(2, 3, 5, generator=random(1)), torch.randn(5, generator=random(2))
    assert torch.equal(masked_mse(hidden, target, MASK), masked_mse(hidden, target.expand(2, 3, 5), MASK))


def test_what_is_not_counted_changes_neither_value_nor_gradient():
    hidden = torch.randn(2, 3, 5, generator=random(1), requires_grad=True)
    (gradient,) = torch.autograd.grad(masked_mse(hidden, torch.zeros(5), MASK), hidden)
    assert gradient[~MASK].abs().sum() == 0
    torch.testing.assert_close(gradient[MASK], 2 * hidden.detach()[MASK] / 15)


def test_bfloat16_activations_are_compared_in_float32():
    hidden, target = torch.tensor([[[256.0]]]).bfloat16(), torch.tensor([1.0]).bfloat16() / 128
    loss = masked_mse(hidden, target, torch.ones(1, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx((256 - 1 / 128) ** 2, rel=1e-6) and loss.dtype == torch.float32


def test_the_masked_mean_passes_gradcheck():
    values = torch.randn(2, 3, generator=random(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda one: masked_mean(one.square(), MASK), values)


@pytest.mark.parametrize("law", ["uniform", "gaussian"])
def test_a_direction_has_norm_one_and_follows_its_generator(law):
    first = unit_vector(100, law, random(1))
    assert first.norm().item() == pytest.approx(1, abs=1e-6) and first.shape == (100,)
    assert torch.equal(first, unit_vector(100, law, random(1)))
    assert not torch.equal(first, unit_vector(100, law, random(2)))


def test_a_uniform_direction_is_all_positive_and_a_gaussian_one_is_not():
    assert (unit_vector(500, "uniform", random()) >= 0).all()
    negative = (unit_vector(500, "gaussian", random()) < 0).sum().item()
    assert 200 < negative < 300


def test_an_unknown_law_is_refused():
    with pytest.raises(KeyError, match="cauchy"):
        unit_vector(5, "cauchy", random())
