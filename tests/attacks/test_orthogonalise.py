import numpy
import pytest
import torch
from planted import given, known, questions, reference_of, state, steered, unharmed

from unlearning_robustness.attacks.orthogonalise import NOTHING, Orthogonalise, remove, unit
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.delta import applied
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(mlp_bias=True)


@pytest.fixture(scope="module")
def select(model, tiny_tokenizer):
    return known(model, tiny_tokenizer, questions(forget=18, retain=9)).assign(split="select")


def moved(model):
    """A delta that differs from token to token: another down-projection."""
    name = "model.layers.1.mlp.down_proj.weight"
    weight = model.get_parameter(name).detach()
    return {name: weight + 0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))}


def activations(model, tokenizer, select, layer):
    """All activations after a layer on forget questions with their answers, first tokens left out, stacked."""
    span, rows = LayerSpan(model, 0, layer + 1), []
    for row in select[select["role"] == "forget"].itertuples():
        ids = torch.tensor([tokenizer.encode(f"{row.prompt} {row.choices[row.answer]}")])
        rows.append(span(input_ids=ids)[0, 1:])
    return torch.cat(rows).detach().numpy().astype(float)


def test_removing_leaves_the_level_along_the_direction_and_all_else():
    random = torch.Generator().manual_seed(0)
    hidden, direction = torch.randn(3, 5, 8, generator=random), unit(torch.randn(1, 8, generator=random))[0]
    for level in (0.0, 1.5):
        left = remove(hidden, direction, torch.tensor(level))
        assert torch.allclose(left @ direction, torch.full((3, 5), level), atol=1e-5)
        assert torch.allclose((hidden - left) @ direction, hidden @ direction - level, atol=1e-5)
        across = hidden - left - ((hidden - left) @ direction)[..., None] * direction
        assert across.abs().max() < 1e-5
    assert torch.equal(remove(hidden, torch.zeros(8), torch.tensor(0.0)), hidden)
    assert torch.equal(unit(torch.zeros(2, 8)), torch.zeros(2, 8))


@pytest.mark.parametrize("outliers", [1.0, 100.0])
@pytest.mark.parametrize("direction", ["mean", "principal"])
def test_directions_and_levels_are_those_of_stacked_activations(model, tiny_tokenizer, select, direction, outliers):
    delta = moved(model)
    reference, attack = reference_of(model, delta), Orthogonalise(0.1, direction, "reference", outliers)
    still = activations(model, tiny_tokenizer, select, 2)
    with applied(model, delta):
        other = activations(model, tiny_tokenizer, select, 2)
        found, levels = attack.directions(given(model, tiny_tokenizer, select, reference), [layer_modules(model)[2]])
    difference = other - still
    distance = numpy.abs(difference).sum(1)
    kept = distance <= distance.mean() + outliers * distance.std()
    assert kept.all() == (outliers == 100.0)
    mean = difference[kept].mean(0)
    expected = mean if direction == "mean" else numpy.linalg.svd(difference[kept], full_matrices=False)[2][0]
    expected = expected / numpy.linalg.norm(expected)
    sign = numpy.sign(found[0].numpy() @ expected)
    assert numpy.allclose(sign * found[0].numpy(), expected, atol=1e-3)
    assert levels[0].item() == pytest.approx(sign * still[kept].mean(0) @ expected, abs=1e-3)


def test_below_what_was_unlearned_and_without_unlearning_there_is_no_direction(model, tiny_tokenizer, select):
    before, delta = state(model), steered(model, 2, 5.0)
    reference = reference_of(model, delta)
    with applied(model, delta):
        directions, _ = Orthogonalise(0.1).directions(
            given(model, tiny_tokenizer, select, reference), layer_modules(model)
        )
    assert directions.norm(dim=-1).tolist() == pytest.approx([0, 0, 1, 1], abs=1e-5)
    (attacked,) = Orthogonalise(0.1).run(given(model, tiny_tokenizer, select))
    assert attacked.setting == NOTHING and unharmed(model, before)


def test_a_layer_that_is_not_there_is_named(model, tiny_tokenizer, select):
    with pytest.raises(DataError, match="has 4 layers, no layer 4"):
        next(Orthogonalise(0.1, layers=[1, 4]).run(given(model, tiny_tokenizer, select)))


def test_hooks_also_act_in_spans_and_come_off_when_scoring_fails(model, tiny_tokenizer, select):
    before, delta = state(model), steered(model, 2, 100.0)
    reference, ids = reference_of(model, delta), torch.arange(12).view(2, 6)
    with applied(model, delta):
        plain = LayerSpan(model, 2, 4)(hidden=torch.ones(1, 3, 32))
        running = Orthogonalise(0.1, towards="reference").run(given(model, tiny_tokenizer, select, reference))
        attacked = next(running)
        assert attacked.setting != NOTHING
        assert not torch.allclose(LayerSpan(model, 2, 4)(hidden=torch.ones(1, 3, 32)), plain, atol=1e-2)
        with pytest.raises(RuntimeError, match="scoring"):
            running.throw(RuntimeError("scoring"))
    assert unharmed(model, before)

    def fail(_):
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), hooked([(layer_modules(model)[1], fail)]):
        model(input_ids=ids)
    assert unharmed(model, before)
