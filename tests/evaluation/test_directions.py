import pytest
import torch
from families import family_model

from unlearning_robustness.engine.weights import norm
from unlearning_robustness.evaluation.directions import filter_normalised, inner, orthogonal_to, random_direction
from unlearning_robustness.models.architecture import inputs_first


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def tensors():
    return {"a": torch.randn(3, 5, generator=random(7)), "b": 4 * torch.randn(2, 2, generator=random(8))}


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors.values()]).double()


def test_a_random_direction_has_the_given_length_over_all_tensors(tensors):
    drawn = random_direction(tensors, 2.5, random())
    assert flat(drawn).norm().item() == pytest.approx(2.5) and drawn["a"].shape == (3, 5)
    other = random_direction(tensors, 2.5, random(1))
    assert not torch.equal(drawn["a"], other["a"])
    assert torch.equal(drawn["a"], random_direction(tensors, 2.5, random())["a"])


def test_the_inner_product_is_that_of_the_flattened_tensors(tensors):
    other = random_direction(tensors, 1.0, random())
    assert inner(tensors, other) == pytest.approx((flat(tensors) @ flat(other)).item())


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3])
def test_the_second_direction_is_at_right_angles_to_the_first_and_as_long(tensors, size):
    first = {name: size * tensor for name, tensor in tensors.items()}
    second = orthogonal_to(first, random())
    assert norm(second) == pytest.approx(norm(first), rel=1e-5)
    assert abs(flat(first) @ flat(second)) < 1e-6 * norm(first) ** 2
    # It is the draw without its part along the first, not just any direction.
    drawn, along = flat(random_direction(first, 1.0, random())), flat(first) / flat(first).norm()
    expected = drawn - (drawn @ along) * along
    torch.testing.assert_close(flat(second) / flat(second).norm(), expected / expected.norm(), atol=1e-6, rtol=1e-5)


def test_filter_normalised_directions_have_the_norms_of_the_weights_rows(tensors):
    drawn = filter_normalised(tensors, random())
    for name, tensor in tensors.items():
        torch.testing.assert_close(drawn[name].norm(dim=1), tensor.norm(dim=1))


def test_vectors_have_their_own_norm_and_matrices_stored_by_inputs_that_of_their_columns(tensors):
    several = {**tensors, "bias": torch.randn(4, generator=random(9)), "experts": torch.randn(2, 3, 5)}
    drawn = filter_normalised(several, random(), {"a"})
    torch.testing.assert_close(drawn["a"].norm(dim=0), several["a"].norm(dim=0))
    torch.testing.assert_close(drawn["b"].norm(dim=1), several["b"].norm(dim=1))
    torch.testing.assert_close(drawn["bias"].norm(), several["bias"].norm())
    torch.testing.assert_close(drawn["experts"].norm(dim=2), several["experts"].norm(dim=2))
    assert inputs_first(family_model("gpt2")) >= {"transformer.h.3.mlp.c_proj.weight"}
    assert inputs_first(family_model("llama")) == set()
