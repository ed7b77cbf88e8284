from contextlib import closing

import numpy
import pytest
import torch
from planted import given, known, questions, reference_of, state, steered, unharmed

from unlearning_robustness.attacks.activation_shift import shifts, unit
from unlearning_robustness.attacks.base import AttackedModel
from unlearning_robustness.attacks.facts import screening_rounds
from unlearning_robustness.attacks.orthogonalise import NOTHING, Orthogonalise, _scores, remove
from unlearning_robustness.attacks.select_split import SelectAccuracy, SelectProbability
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
    reference = reference_of(model, delta)
    still = activations(model, tiny_tokenizer, select, 2)
    with applied(model, delta):
        other = activations(model, tiny_tokenizer, select, 2)
        attack = given(model, tiny_tokenizer, select, reference)
        (shift,) = shifts(attack, [layer_modules(model)[2]], outliers, 1, direction == "principal")
    found = shift.direction(direction)
    difference = other - still
    distance = numpy.abs(difference).sum(1)
    kept = distance <= distance.mean() + outliers * distance.std()
    assert kept.all() == (outliers == 100.0)
    mean = difference[kept].mean(0)
    expected = mean if direction == "mean" else numpy.linalg.svd(difference[kept], full_matrices=False)[2][0]
    expected = expected / numpy.linalg.norm(expected)
    sign = numpy.sign(found.numpy() @ expected)
    assert numpy.allclose(sign * found.numpy(), expected, atol=1e-3)
    assert shift.level(found).item() == pytest.approx(sign * still[kept].mean(0) @ expected, abs=1e-3)


def test_below_what_was_unlearned_and_without_unlearning_there_is_no_direction(model, tiny_tokenizer, select):
    before, delta = state(model), steered(model, 2, 5.0)
    reference = reference_of(model, delta)
    with applied(model, delta):
        found = shifts(given(model, tiny_tokenizer, select, reference), layer_modules(model), 3.0, 1, True)
    for of in ("mean", "principal"):
        lengths = [shift.direction(of).norm().item() for shift in found]
        assert lengths == pytest.approx([0, 0, 1, 1], abs=1e-5)
    (attacked,) = Orthogonalise(0.1).run(given(model, tiny_tokenizer, select))
    assert attacked.setting == NOTHING and unharmed(model, before)


def test_every_layer_direction_and_level_is_a_candidate(model, tiny_tokenizer, select):
    delta = moved(model)
    reference = reference_of(model, delta)
    with applied(model, delta):
        attack = given(model, tiny_tokenizer, select, reference)
        candidates = Orthogonalise(0.1, window=2).candidates(attack, dict(enumerate(layer_modules(model))))
        one = Orthogonalise(0.1, "mean", "zero", layers=[2]).candidates(attack, {2: layer_modules(model)[2]})
    # Below layer 1, where unlearning moved a matrix, the models do not differ.
    expected = {"layer 1", "layer 2", "layer 3", "layers 1 to 2", "layers 2 to 3", "all layers"}
    ways = {f"{of} direction to {towards}" for of in ("mean", "principal") for towards in ("zero", "reference")}
    assert {candidate.setting for candidate in candidates} == {f"{at}, {way}" for at in expected for way in ways}
    hooks = {at: {len(one.hooks) for one in candidates if one.setting.startswith(f"{at},")} for at in expected}
    assert hooks == {at: {2} if " to " in at else {3} if at == "all layers" else {1} for at in expected}
    assert [candidate.setting for candidate in one] == ["layer 2, mean direction to zero"]


@pytest.mark.parametrize("measure", [SelectAccuracy, SelectProbability])
def test_candidates_that_share_the_layers_below_score_as_each_does_alone(model, tiny_tokenizer, select, measure):
    delta = moved(model)
    reference = reference_of(model, delta)
    with applied(model, delta):
        attack = given(model, tiny_tokenizer, select, reference)
        candidates = Orthogonalise(0.1).candidates(attack, dict(enumerate(layer_modules(model))))
        shared = _scores(measure(attack), candidates)
        for candidate, score in shared:
            with hooked(candidate.hooks):
                assert measure(attack)(AttackedModel(model, {})) == pytest.approx(score, abs=1e-5)
    assert len({score["forget"] for _, score in shared}) > 3


def test_rounds_ask_few_questions_of_many_candidates_and_all_of_few():
    assert screening_rounds(104, 8, 100) == [(104, 8), (26, 32), (7, 100)]
    assert screening_rounds(104, 8, 30) == [(104, 8), (26, 30)]
    assert screening_rounds(4, 8, 100) == [(4, 100)] and screening_rounds(104, 200, 100) == [(104, 100)]


def test_screening_on_few_questions_finds_nearly_as_much_as_asking_all(model, tiny_tokenizer):
    asked = known(model, tiny_tokenizer, questions(forget=180, retain=90)).query("split == 'select'")
    delta, scores = steered(model, 1, 200.0), []
    reference = reference_of(model, delta)
    with applied(model, delta):
        attack = given(model, tiny_tokenizer, asked, reference)
        accuracy = SelectAccuracy(attack)
        start = accuracy(AttackedModel(model, {}))
        for screen in (15, 1000):
            with closing(Orthogonalise(0.05, screen=screen).run(attack)) as running:
                scores.append(accuracy(next(running)))
    few, every = (score["forget"] for score in scores)
    assert start["forget"] < 0.5 and every > 0.9 and few > every - 0.1


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
