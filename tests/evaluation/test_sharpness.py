import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.defences.perturbation import rescaled
from unlearning_robustness.engine.weights import TrainedWeights, norm
from unlearning_robustness.evaluation.directions import filter_normalised
from unlearning_robustness.evaluation.sharpness import (
    ForgetLandscape,
    local_lipschitz,
    random_curvature,
    sam_gap,
    top_eigenvalues,
    traces,
    weight_space,
)

NAME = "model.layers.1.mlp.down_proj.weight"


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def landscape(make_model):
    model = make_model(intermediate_size=4)
    ids = torch.randint(0, 260, (2, 7), generator=random())
    mask = torch.arange(7)[None] < torch.tensor([7, 5])[:, None]
    return ForgetLandscape(model, TrainedWeights(model, [NAME]), (ids, mask))


@pytest.fixture
def hessian(landscape):
    product, size = landscape.hessian_product(), 32 * 4
    columns = [product({NAME: row.view(32, 4)})[NAME].flatten() for row in torch.eye(size)]
    return torch.stack(columns)


def test_the_loss_is_minus_the_mean_likelihood_a_token(landscape):
    input_ids, mask = landscape.texts
    logits = landscape.model(input_ids, attention_mask=mask).logits
    losses = [
        cross_entropy(logits[row, t], input_ids[row, t + 1])
        for row, length in enumerate((7, 5))
        for t in range(length - 1)
    ]
    assert landscape.loss().item() == pytest.approx(-torch.stack(losses).mean().item(), rel=1e-5)


def test_products_are_the_same_where_attention_is_fused(landscape, hessian, request):
    request.getfixturevalue("fused_attention")
    direction = torch.randn(32, 4, generator=random(1))
    image = landscape.hessian_product()({NAME: direction})[NAME].flatten()
    torch.testing.assert_close(image, hessian @ direction.flatten(), atol=1e-4, rtol=1e-3)


def test_products_are_those_of_finite_differences_of_the_gradient(landscape, hessian):
    torch.testing.assert_close(hessian, hessian.T, atol=1e-4, rtol=1e-3)
    direction = {NAME: torch.randn(32, 4, generator=random(1))}
    gradients = []
    for sign in (1, -1):
        with landscape.weights.at({NAME: landscape.weights.master[NAME] + sign * 1e-2 * direction[NAME]}):
            gradients.append(landscape.gradient()[NAME])
    slope = (gradients[0] - gradients[1]) / 2e-2
    torch.testing.assert_close((hessian @ direction[NAME].flatten()).view(32, 4), slope, atol=2e-3, rtol=5e-2)


def test_traces_and_eigenvalues_are_those_of_the_full_hessian(landscape, hessian):
    estimates = traces(landscape.hessian_product(), landscape.weights.master, 400, random(2))
    error = torch.tensor(estimates).std().item() / 20
    assert torch.tensor(estimates).mean().item() == pytest.approx(hessian.trace().item(), abs=4 * error)
    exact = torch.linalg.eigvalsh(((hessian + hessian.T) / 2).double()).flip(0)[:3].tolist()
    found = top_eigenvalues(landscape.hessian_product(), landscape.weights.master, 3, 60, random(3))
    assert found == pytest.approx(exact, rel=1e-2, abs=1e-4)


def test_the_gap_is_the_rise_at_the_ascent_point_and_near_radius_times_gradient(landscape):
    small = 1e-3
    assert sam_gap(landscape, small) == pytest.approx(small * norm(landscape.gradient()), rel=0.1)
    ascent = rescaled(landscape.gradient(), 0.5)
    still = {NAME: torch.zeros(32, 4)}
    assert sam_gap(landscape, 0.5) == pytest.approx(landscape.at(ascent) - landscape.at(still), abs=1e-6)


def test_curvature_along_random_directions_is_that_of_the_hessian(landscape, hessian):
    (found,) = random_curvature(landscape, 0.05, 1, random(4))
    direction = filter_normalised(landscape.weights.master, random(4))[NAME].flatten()
    assert found == pytest.approx((direction @ hessian @ direction).item(), rel=0.1, abs=0.02)


def test_the_weights_come_back_bit_for_bit(landscape):
    before = landscape.weights.master[NAME].clone()
    landscape.at({NAME: torch.ones(32, 4)})
    landscape.gradient_norm_at({NAME: torch.ones(32, 4)})
    assert torch.equal(landscape.model.get_parameter(NAME), before)


class Quadratic:
    """L(x) = x' A x / 2 with A diagonal: a landscape whose gradient, A x, is known everywhere."""

    def __init__(self, eigenvalues, start):
        self.values, self.start = torch.tensor(eigenvalues), torch.tensor([start])

    def gradient(self):
        return {"x": self.start * self.values}

    def gradient_norm_at(self, added):
        return norm({"x": (self.start + added["x"]) * self.values})


def test_the_lipschitz_constant_of_a_bowl_is_found():
    # Where all curvatures are 3 the norm is 3 |x|, largest at the ascent point: 3 (|x| + radius).
    assert local_lipschitz(Quadratic([3.0, 3.0], [2.0, 0.0]), 0.5, 1, random()) == pytest.approx(7.5)
    # At the top of a ridge the ascent point leads nowhere; the random draws find the steep side, never too much of it.
    ridge = Quadratic([0.0, 5.0], [1.0, 0.0])
    found = local_lipschitz(ridge, 0.5, 64, random())
    assert 0.99 * 2.5 < found <= 2.5 * (1 + 1e-6)
    assert local_lipschitz(ridge, 0.5, 1, random()) < found
    # The centre itself counts: on a dome the ascent point, nearer to the top, is flatter.
    assert local_lipschitz(Quadratic([-1.0], [1.0]), 0.5, 0, random()) == pytest.approx(1.0)


def test_on_a_model_the_gradient_is_taken_at_the_perturbed_weights(landscape):
    ascent = rescaled(landscape.gradient(), 2.0)
    with landscape.weights.at({NAME: landscape.weights.master[NAME] + ascent[NAME]}):
        there = norm(landscape.gradient())
    assert landscape.gradient_norm_at(ascent) == pytest.approx(there, rel=1e-5) != norm(landscape.gradient())
    assert local_lipschitz(landscape, 2.0, 3, random()) >= max(there, norm(landscape.gradient()))


def test_a_larger_ball_is_never_less_steep(landscape):
    settings = {"radii": [2.0, 0.5, 0.01], "share": 0.05, "draws": 2, "trace_draws": 2, "eigenvalues": 1}
    rows = weight_space(landscape, settings | {"iterations": 2, "lipschitz_draws": 2}, 0)
    found = {row["at"]: row["value"] for row in rows if row["statistic"] == "local_lipschitz"}
    assert list(found) == [0.01, 0.5, 2.0] and sorted(found.values()) == list(found.values())
    assert found[0.01] == pytest.approx(norm(landscape.gradient()), rel=0.05)
