import pytest
import torch
from families import MIXTURES, family_model, untransposed
from planted import CORPORA, given, known, questions, state, unharmed
from torch.nn.functional import cross_entropy

from unlearning_robustness.attacks.base import AttackedModel
from unlearning_robustness.attacks.prune import (
    NOTHING,
    SCORES,
    Prune,
    difference,
    ranked,
    snip_scores,
    wanda_scores,
    zeroed,
)
from unlearning_robustness.attacks.select_split import SelectAccuracy, best
from unlearning_robustness.errors import DataError
from unlearning_robustness.models.architecture import ArchitectureError
from unlearning_robustness.models.delta import applied

TEXTS = [torch.arange(9)[None], torch.arange(20, 26)[None]]
NAME = "model.layers.1.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def select(make_model, tiny_tokenizer):
    asked = known(make_model(), tiny_tokenizer, questions(forget=18, retain=9)).assign(split="select")
    return asked.assign(answer=asked["answer"].where(asked["role"] == "retain", (asked["answer"] + 1) % 4))


def prune(**changes):
    return Prune(
        **{"score": "snip", "fractions": [0.02, 0.1], "texts": 3, "tokens": 12, "utility_bound": 0.2, **changes}
    )


def test_snip_is_the_mean_over_texts_of_weight_times_gradient(tiny_model):
    before, found = state(tiny_model), dict(snip_scores(tiny_model, TEXTS))
    assert unharmed(tiny_model, before) and len(found) == 28
    # Against one backward pass through the whole model.
    for name, scores in found.items():
        weight, expected = tiny_model.get_parameter(name), 0
        weight.requires_grad_(True)
        for ids in TEXTS:
            logits = tiny_model(input_ids=ids).logits[0, :-1]
            (gradient,) = torch.autograd.grad(cross_entropy(logits, ids[0, 1:]), weight)
            expected = expected + (weight * gradient).abs().detach() / 2
        assert torch.allclose(scores, expected, rtol=1e-3, atol=1e-5), name


def test_wanda_is_the_weight_times_the_norm_of_its_input(tiny_model):
    before, found, inputs = state(tiny_model), dict(wanda_scores(tiny_model, TEXTS)), []
    assert unharmed(tiny_model, before)
    tiny_model.model.layers[1].mlp.down_proj.register_forward_hook(lambda _, given, __: inputs.append(given[0][0]))
    for ids in TEXTS:
        tiny_model(input_ids=ids)
    expected = tiny_model.get_parameter(NAME).abs() * torch.cat(inputs).norm(dim=0)
    assert torch.allclose(found[NAME], expected, rtol=1e-4)


@pytest.mark.parametrize("score", ["snip", "wanda"])
def test_a_transposed_matrix_has_the_scores_of_the_matrix(score):
    model = family_model("gpt2")
    stored, plain = (dict(SCORES[score](each, TEXTS)) for each in (model, untransposed(model)))
    assert stored.keys() == plain.keys()
    assert all(torch.allclose(stored[name].T, scores, rtol=1e-3, atol=1e-6) for name, scores in plain.items())


@pytest.mark.parametrize("family", MIXTURES)
def test_a_mixture_of_experts_is_not_pruned_in_part(tiny_tokenizer, select, family):
    with pytest.raises(ArchitectureError, match="a mixture of experts, which an attack on linear modules misses"):
        next(prune().run(given(family_model(family), tiny_tokenizer, select)))


def test_the_difference_of_top_sets_by_hand():
    forget, utility = torch.tensor([[9.0, 8, 7, 1], [2, 3, 4, 5]]), torch.tensor([[9.0, 1, 1, 1], [1, 1, 1, 8]])
    first, second = ranked(forget, 0.5), ranked(utility, 0.5)
    assert first.tolist() == [0, 1, 2, 7] and second.tolist()[:2] == [0, 7]
    assert difference(first, second, 0.25, 0.25, 8).tolist() == [1]
    assert difference(first, second, 0.5, 0.25, 8).tolist() == [1, 2]
    assert difference(first, second, 0.0, 0.25, 8).tolist() == []


def test_zeros_stand_where_they_should_and_weights_come_back(make_model):
    model = make_model(dtype=torch.bfloat16)
    before, weight = state(model), model.get_parameter(NAME).detach()
    with pytest.raises(RuntimeError), zeroed({NAME: weight}, [(NAME, torch.tensor([0, 70]))]):
        changed = (model.get_parameter(NAME) != before[NAME]).nonzero().tolist()
        assert changed == [[0, 0], [1, 6]] and weight[0, 0] == 0 and weight[1, 6] == 0
        raise RuntimeError
    assert unharmed(model, before)


@pytest.mark.parametrize("score", ["snip", "wanda"])
def test_the_best_pair_on_select_is_what_is_yielded(tiny_model, tiny_tokenizer, select, score):
    """Every pair done again with masks by threshold, on all texts, so that their order does not matter."""
    attack, before = given(tiny_model, tiny_tokenizer, select), state(tiny_model)
    texts = {
        corpus: [torch.tensor([tiny_tokenizer.encode(text)[:12]]) for text in part["text"]]
        for corpus, part in CORPORA.groupby("corpus")
    }
    scores = {corpus: dict(SCORES[score](tiny_model, found)) for corpus, found in texts.items()}
    accuracy, settings = SelectAccuracy(attack), {}
    plain = AttackedModel(tiny_model, {})
    settings[NOTHING] = (accuracy(plain), before)
    for q, p in ((0.02, 0.02), (0.02, 0.1), (0.1, 0.1)):
        pruned = {}
        for name, forget in scores["relearn"].items():
            high = forget > forget.flatten().sort(descending=True).values[round(q * forget.numel())]
            utility = scores["retain"][name]
            useful = utility > utility.flatten().sort(descending=True).values[round(p * utility.numel())]
            pruned[name] = before[name] * ~(high & ~useful)
        with applied(tiny_model, pruned):
            settings[f"{q} less {p}"] = (accuracy(plain), state(tiny_model))
    expected, _ = best([(name, found) for name, (found, _) in settings.items()], settings[NOTHING][0], 1.0)
    for attacked in prune(score=score, texts=4, utility_bound=1.0).run(attack):
        assert attacked.setting == expected
        assert all(torch.equal(tensor, settings[expected][1][name]) for name, tensor in state(tiny_model).items())
    assert unharmed(tiny_model, before) and expected != NOTHING


def test_a_fraction_of_zero_prunes_nothing(tiny_model, tiny_tokenizer, select):
    before = state(tiny_model)
    (setting,) = [
        attacked.setting if unharmed(tiny_model, before) else "harmed"
        for attacked in prune(fractions=[0.0]).run(given(tiny_model, tiny_tokenizer, select))
    ]
    assert setting == NOTHING


def test_too_few_texts_are_named(tiny_model, tiny_tokenizer, select):
    assert len(CORPORA) == 8
    with pytest.raises(DataError, match="prune needs 5 texts, the corpus relearn has 4"):
        next(prune(texts=5).run(given(tiny_model, tiny_tokenizer, select)))
