import pandas
import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.engine.weights import TrainedWeights, norm
from unlearning_robustness.errors import ScoreError, TrainingError
from unlearning_robustness.evaluation.directions import inner, orthogonal_to
from unlearning_robustness.evaluation.landscape import (
    losses_around,
    measure_landscape,
    plane_points,
    relearning_direction,
    slice_of,
)
from unlearning_robustness.evaluation.texts import mean_nll, texts_of

ATTACK = {"documents": [1, 3], "steps": [2, 5], "learning_rate": 1e-2, "batch_size": 2, "tokens": 16, "warm_up": 2}
ENTRY = {"label": "relearning", "kind": "relearn", "parameters": ATTACK}
SETTINGS = {"documents": 2, "tokens": 12, "line": [1.0, -1.0, 0.0], "plane": 3, "extent": 1.0}
TRAINED = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(4)]


@pytest.fixture
def corpora():
    facts = [("relearn", "facts", text) for text in ("Zinc is Zn.", "Lead is Pb, heavy.", "Tin is Sn.")]
    rows = [*facts, ("forget", "facts", "Iron is Fe."), ("forget", "facts", "Gold is Au, a metal.")]
    rows += [("forget", "prose", "Argon"), ("retain", "speech", "Oslo is in Norway"), ("retain", "speech", "A river")]
    return pandas.DataFrame(rows, columns=["corpus", "kind", "text"])


def weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def relearned(model, tokenizer, corpora, seed=0):
    """Weights at the end of the attack's largest run, made without the landscape's code."""
    entry = ATTACK | {"documents": [3], "steps": [5]}
    (found,) = [weights(one.model) for one in Relearn(**entry).run(AttackInput(model, tokenizer, corpora, seed))]
    return found


def test_the_plane_is_symmetric_and_has_both_models_on_it():
    points = plane_points(5, 2.0)
    assert len(set(points)) == 25 and {(0.0, 0.0), (1.0, 0.0), (-2.0, 2.0)} <= set(points)
    assert {abs(value) for point in points for value in point} == {0.0, 1.0, 2.0}


def test_a_quadratic_has_its_own_values_on_the_slice():
    first, second = {"x": torch.tensor([2.0, 0.0])}, {"x": torch.tensor([0.0, 2.0])}
    centre = torch.tensor([1.0, -1.0])

    def losses_at(added):
        return {"forget": ((centre + added["x"]) ** 2).sum().item(), "retain": 7.0}

    rows = slice_of(losses_at, first, second, [(0.0, 0.0), (1.0, 0.0), (-0.5, 0.5), (2.0, 1.0)])
    forget = {(row["a"], row["b"]): row["nll"] for row in rows if row["corpus"] == "forget"}
    expected = {(a, b): (1 + 2 * a) ** 2 + (2 * b - 1) ** 2 for a, b in forget}
    assert forget == pytest.approx(expected) and forget[-0.5, 0.5] == 0.0
    assert {row["nll"] for row in rows if row["corpus"] == "retain"} == {7.0} and len(rows) == 8


def test_the_direction_leads_to_the_relearned_model_and_the_model_stays(tiny_model, tiny_tokenizer, corpora):
    before = weights(tiny_model)
    direction = relearning_direction(tiny_model, tiny_tokenizer, corpora, ENTRY, 4)
    assert same(weights(tiny_model), before) and not any(tensor.requires_grad for tensor in tiny_model.parameters())
    assert list(direction) == TRAINED
    goal = relearned(tiny_model, tiny_tokenizer, corpora, 4)
    for name in TRAINED:
        torch.testing.assert_close(before[name] + direction[name], goal[name], atol=1e-7, rtol=1e-6)
    other = relearning_direction(tiny_model, tiny_tokenizer, corpora, ENTRY, 5)
    assert not torch.equal(direction[TRAINED[0]], other[TRAINED[0]])


def test_an_attack_without_steps_gives_no_direction(tiny_model, tiny_tokenizer, corpora):
    still = ENTRY | {"parameters": ATTACK | {"steps": [0]}}
    with pytest.raises(TrainingError, match=r"'relearn' moves no tensor: give landscape\.attack"):
        relearning_direction(tiny_model, tiny_tokenizer, corpora, still, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_middle_is_the_model_and_one_step_along_is_the_relearned_one(make_model, tiny_tokenizer, corpora, dtype):
    model = make_model(dtype=dtype)
    before = weights(model)
    texts = {name: texts_of(tiny_tokenizer, corpora, name, SETTINGS, "cpu") for name in ("forget", "retain")}
    with torch.no_grad():
        here = {name: mean_nll(model, pair).item() for name, pair in texts.items()}
    table = measure_landscape(model, tiny_tokenizer, corpora, ENTRY, SETTINGS, 2)
    assert same(weights(model), before) and not any(tensor.requires_grad for tensor in model.parameters())
    found = table.set_index(["slice", "corpus", "a", "b"])["nll"]
    goal = relearned(model, tiny_tokenizer, corpora, 2)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_(goal[name])
        there = {name: mean_nll(model, pair).item() for name, pair in texts.items()}
    for part in ("line", "plane"):
        for corpus in texts:
            assert found[part, corpus, 0.0, 0.0] == here[corpus]
            assert found[part, corpus, 1.0, 0.0] == pytest.approx(there[corpus], rel=1e-5)
            assert here[corpus] != pytest.approx(there[corpus], rel=1e-3)
    assert len(table) == 2 * (3 + 9) and list(table["a"][:6:2]) == [-1.0, 0.0, 1.0]


def test_points_off_the_line_are_reached_along_an_orthogonal_direction(tiny_model, tiny_tokenizer, corpora):
    direction = relearning_direction(tiny_model, tiny_tokenizer, corpora, ENTRY, 0)
    second = orthogonal_to(direction, torch.Generator().manual_seed(3))
    assert abs(inner(direction, second)) < 1e-6 * norm(direction) ** 2
    trained, pair = TrainedWeights(tiny_model, TRAINED), texts_of(tiny_tokenizer, corpora, "forget", SETTINGS, "cpu")
    (row,) = slice_of(losses_around(tiny_model, trained, {"forget": pair}), direction, second, [(0.5, -2.0)])
    with torch.no_grad():
        for name in TRAINED:
            tiny_model.get_parameter(name).add_(0.5 * direction[name] - 2 * second[name])
        assert row["nll"] == pytest.approx(mean_nll(tiny_model, pair).item(), rel=1e-5)


def test_lengths_are_those_of_the_direction_and_seeds_differ(tiny_model, tiny_tokenizer, corpora):
    tables = [measure_landscape(tiny_model, tiny_tokenizer, corpora, ENTRY, SETTINGS, seed) for seed in (0, 0, 1)]
    direction = relearning_direction(tiny_model, tiny_tokenizer, corpora, ENTRY, 0)
    assert set(tables[0]["length"]) == {norm(direction)}
    pandas.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0]["nll"].equals(tables[2]["nll"])


def test_texts_are_cut_drawn_alike_for_every_cell_and_their_nll_counts_real_tokens(tiny_model, tiny_tokenizer, corpora):
    ids, mask = texts_of(tiny_tokenizer, corpora, "forget", SETTINGS, "cpu")
    shuffled = texts_of(tiny_tokenizer, corpora.sample(frac=1, random_state=1), "forget", SETTINGS, "cpu")
    assert torch.equal(ids, shuffled[0]) and len(ids) == 2 and ids.shape[1] <= 12
    assert len(texts_of(tiny_tokenizer, corpora, "retain", SETTINGS | {"documents": 9}, "cpu")[0]) == 2
    losses = []
    for row, real in zip(ids, mask, strict=True):
        alone = row[real]
        losses += cross_entropy(tiny_model(alone[None]).logits[0, :-1], alone[1:], reduction="none").tolist()
    assert mean_nll(tiny_model, (ids, mask)).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_loss_that_is_no_number_names_the_text(tiny_model):
    tiny_model.get_input_embeddings().weight[9] = torch.nan
    ids = torch.tensor([[1, 2, 3], [4, 9, 5]])
    with pytest.raises(ScoreError, match="text 2 of 2: its log-likelihood is nan"):
        mean_nll(tiny_model, (ids, torch.ones_like(ids, dtype=torch.bool)))
