import pytest
import torch

from unlearning_robustness.engine.weights import TrainedWeights, change_of
from unlearning_robustness.evaluation.directions import random_direction
from unlearning_robustness.evaluation.divergence import divergences, perturbation_norm
from unlearning_robustness.evaluation.sharpness import ForgetLandscape, function_space, sam_gap

NAME = "model.layers.1.mlp.down_proj.weight"
UP = NAME.replace("down_proj", "up_proj")


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def texts():
    ids = torch.randint(0, 260, (2, 7), generator=random())
    mask = torch.arange(7)[None] < torch.tensor([7, 5])[:, None]
    return {"forget": (ids, mask), "retain": (ids.flip(0), mask)}


def measured(model, texts, length, draws=3, seed=0):
    return divergences(model, TrainedWeights(model, [NAME]), texts, length, draws, random(seed))


def test_no_perturbation_is_no_divergence_and_a_larger_one_is_a_larger_one(tiny_model, texts):
    assert measured(tiny_model, texts, 0.0)["forget"] == [0.0, 0.0, 0.0]
    small, large, larger = (sum(measured(tiny_model, texts, length)["forget"]) for length in (0.1, 0.2, 0.8))
    assert 0 < small < large < larger
    # Second order in the perturbation: twice the length, four times the divergence.
    assert large / small == pytest.approx(4, rel=0.2)


def test_it_is_the_mean_divergence_over_real_tokens_and_the_weights_come_back(tiny_model, texts):
    before = tiny_model.get_parameter(NAME).clone()
    (found,) = measured(tiny_model, texts, 1.5, draws=1)["forget"]
    assert torch.equal(tiny_model.get_parameter(NAME), before)
    ids, mask = texts["forget"]
    here = tiny_model(ids, attention_mask=mask).logits.softmax(-1)
    with torch.no_grad():
        tiny_model.get_parameter(NAME).add_(random_direction({NAME: before}, 1.5, random())[NAME])
    there = tiny_model(ids, attention_mask=mask).logits.softmax(-1)
    expected = [(here[n, t] * (here[n, t] / there[n, t]).log()).sum() for n, m in ((0, 7), (1, 5)) for t in range(m)]
    assert found == pytest.approx(torch.stack(expected).mean().item(), rel=1e-3)


def test_corpora_share_the_draws(tiny_model, texts):
    same = {"forget": texts["forget"], "retain": texts["forget"]}
    found = measured(tiny_model, same, 1.0)
    assert found["forget"] == found["retain"] and len(set(found["forget"])) == 3


def rescaled(model, factor):
    """The same function: an MLP whose down-projection is scaled and whose up-projection is scaled back."""
    with torch.no_grad():
        model.get_parameter(NAME).mul_(factor)
        model.get_parameter(UP).div_(factor)
    return model


def test_as_a_share_of_the_weight_change_it_survives_a_rescaling_that_changes_the_ascent_gap(make_model, texts):
    found = {}
    for factor in (1.0, 4.0):
        reference, model = rescaled(make_model(), factor), rescaled(make_model(), factor)
        moved = random_direction({NAME: torch.zeros(32, 64)}, factor, random(3))[NAME]
        delta = {NAME: reference.get_parameter(NAME) + moved}
        change = change_of(dict(reference.named_parameters()), delta)
        assert change == pytest.approx(factor, rel=1e-5)
        with torch.no_grad():
            model.get_parameter(NAME).copy_(delta[NAME])
        weights = TrainedWeights(model, [NAME])
        rows = function_space(model, weights, texts, change, {"share": 0.5, "draws": 4}, 0)
        gap = sam_gap(ForgetLandscape(model, weights, texts["forget"]), 0.5)
        found[factor] = [(row["value"], row["error"]) for row in rows], gap
    for one, other in zip(found[1.0][0], found[4.0][0], strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert found[4.0][1] < 0.5 * found[1.0][1]


def test_two_factorisations_of_one_update_are_one_change(tiny_model):
    """LoRA's BA is (cB)(A/c); its factors' gradients differ by c^2, the merged change does not."""
    b, a = torch.randn(32, 2, generator=random()), torch.randn(2, 64, generator=random(1))
    base = tiny_model.get_parameter(NAME)
    changes = [change_of(dict(tiny_model.named_parameters()), {NAME: base + (c * b) @ (a / c)}) for c in (1.0, 8.0)]
    assert changes[0] == pytest.approx(changes[1], rel=1e-5) == pytest.approx((b @ a).norm().item(), rel=1e-4)


def test_rounding_to_the_delta_s_number_type_is_no_change(tiny_model):
    rounded = tiny_model.get_parameter(NAME).bfloat16()
    assert change_of(dict(tiny_model.named_parameters()), {NAME: rounded}) == 0.0
    assert not torch.equal(rounded.float(), tiny_model.get_parameter(NAME))


def test_the_norm_is_given_or_a_share_and_rows_say_which_number(tiny_model, texts):
    assert perturbation_norm({"share": 0.25}, 8.0) == (0.25, 2.0)
    assert perturbation_norm({"norm": 0.25}, 8.0) == (0.25, 0.25)
    weights = TrainedWeights(tiny_model, [NAME])
    rows = function_space(tiny_model, weights, texts, 8.0, {"share": 0.25, "draws": 3}, 5)
    assert [(row["statistic"], row["at"]) for row in rows] == [("kl_forget", 0.25), ("kl_retain", 0.25)]
    same = function_space(tiny_model, weights, texts, 0.0, {"norm": 2.0, "draws": 3}, 5)
    assert [row["value"] for row in rows] == [row["value"] for row in same]
    assert all(row["error"] > 0 for row in rows)
