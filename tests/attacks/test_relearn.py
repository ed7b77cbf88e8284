import pandas
import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.relearn import Relearn, document_order, nested_order
from unlearning_robustness.errors import DataError, TrainingError
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.training.fine_tuning import learning_rate_at, linear_rate_at, text_loss
from unlearning_robustness.training.orders import batch_order

FACTS = ["Zinc is Zn.", "Lead is Pb, heavy.", "Tin is Sn."]
IDS = torch.arange(24).view(2, 12)


@pytest.fixture
def corpora():
    rows = [("relearn", "prose", "Argon is a gas."), *(("relearn", "facts", text) for text in FACTS)]
    rows += [("relearn-shuffled", "facts", "Zinc is Pb."), ("forget", "facts", "Iron is Fe.")]
    return pandas.DataFrame(rows, columns=["corpus", "kind", "text"])


@pytest.fixture
def attack(tiny_model, tiny_tokenizer, corpora):
    return AttackInput(tiny_model, tiny_tokenizer, corpora, 1)


def relearn(**changes):
    entry = {"documents": [3], "steps": [0, 2, 5], "learning_rate": 1e-2, "batch_size": 2, "tokens": 18}
    return Relearn(**{**entry, **changes})


def weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def fact_loss(model, tokenizer):
    with torch.no_grad():
        return text_loss(model, *encode_texts(tokenizer, FACTS, 18)).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zero_steps_is_the_model_as_it_came_and_afterwards_it_is_again(make_model, tiny_tokenizer, corpora, dtype):
    model = make_model(dtype=dtype)
    before = weights(model)
    seen = []
    for attacked in relearn().run(AttackInput(model, tiny_tokenizer, corpora, 1)):
        seen.append((attacked.budget["steps"], same(weights(attacked.model), before)))
    assert seen == [(0, True), (2, False), (5, False)]
    assert same(weights(model), before) and not any(tensor.requires_grad for tensor in model.parameters())


def test_an_attack_of_no_steps_at_all_yields_the_model_as_it_came(attack):
    before = weights(attack.model)
    (found,) = [(one.budget["steps"], same(weights(one.model), before)) for one in relearn(steps=[0]).run(attack)]
    assert found == (0, True)


def test_the_model_comes_back_when_the_attack_is_abandoned(attack):
    before = weights(attack.model)
    running = relearn().run(attack)
    next(running), next(running)
    assert not same(weights(attack.model), before)
    running.close()
    assert same(weights(attack.model), before)


def test_relearning_lowers_the_loss_of_its_documents_and_moves_down_projections_only(attack):
    before, losses = weights(attack.model), []
    for attacked in relearn(steps=[0, 5, 20]).run(attack):
        losses.append(fact_loss(attacked.model, attack.tokenizer))
        moved = {name for name, tensor in weights(attacked.model).items() if not torch.equal(tensor, before[name])}
        if attacked.budget["steps"]:
            assert moved == {f"model.layers.{layer}.mlp.down_proj.weight" for layer in range(4)}
    assert losses[0] > losses[1] > losses[2] and losses[2] < 0.8 * losses[0]


def test_each_number_of_documents_is_a_run_of_its_own(attack):
    found = {}
    for attacked in relearn(documents=[1, 3], steps=[0, 2]).run(attack):
        found[tuple(attacked.budget.values())] = weights(attacked.model)
    assert list(found) == [(1, 0), (1, 2), (3, 0), (3, 2)]
    assert same(found[1, 0], found[3, 0]) and not same(found[1, 2], found[3, 2])
    alone = {one.budget["steps"]: weights(one.model) for one in relearn(steps=[0, 2]).run(attack)}
    assert same(alone[2], found[3, 2])


def test_the_seed_decides_the_attack(tiny_model, tiny_tokenizer, corpora):
    def run(seed):
        attack = AttackInput(tiny_model, tiny_tokenizer, corpora, seed)
        (after,) = [weights(one.model) for one in relearn(steps=[3]).run(attack)]
        return after

    assert same(run(1), run(1)) and not same(run(1), run(2))


def test_the_shuffled_control_learns_from_its_own_corpus(attack):
    (plain,) = [weights(one.model) for one in relearn(documents=[1], steps=[2]).run(attack)]
    control = relearn(documents=[1], steps=[2], corpus="relearn-shuffled")
    (shuffled,) = [weights(one.model) for one in control.run(attack)]
    assert not same(plain, shuffled)


def test_more_documents_than_there_are_is_an_error_that_counts(attack):
    with pytest.raises(DataError, match="needs 5 documents, the corpus relearn has 4"):
        next(relearn(documents=[1, 5]).run(attack))


def test_a_loss_that_is_not_finite_ends_the_attack_and_restores_the_model(attack):
    name = "model.layers.0.mlp.down_proj.weight"
    attack.model.get_parameter(name)[0, 0] = torch.nan
    with pytest.raises(TrainingError, match="loss of fine-tuning is nan at step 0"):
        list(relearn().run(attack))
    assert attack.model.get_parameter(name).isnan().sum() == 1


def test_documents_that_state_facts_come_first_in_random_order():
    kinds = ["prose", "facts"] * 10
    orders = [document_order(kinds, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    for order in orders:
        assert [kinds[index] for index in order] == ["facts"] * 10 + ["prose"] * 10
        assert sorted(order) == list(range(20)) and order[:10] != sorted(order[:10])
    assert orders[0] == orders[1] != orders[2]


def test_the_learning_rate_warms_up_and_stays():
    assert [learning_rate_at(step, 3.0, 2) for step in range(5)] == pytest.approx([1.0, 2.0, 3.0, 3.0, 3.0])
    assert [learning_rate_at(step, 3.0, 0) for step in range(2)] == [3.0, 3.0]


def test_the_first_step_is_adams_with_the_warm_up_rate(attack, tiny_tokenizer):
    model, name = attack.model, "model.layers.2.mlp.down_proj.weight"
    before = weights(model)[name]
    ids = torch.tensor([tiny_tokenizer.encode("Zinc is Pb.")])
    tensor = model.get_parameter(name).requires_grad_(True)
    (gradient,) = torch.autograd.grad(cross_entropy(model(ids).logits[0, :-1], ids[0, 1:]), tensor)
    control = relearn(documents=[1], steps=[1], corpus="relearn-shuffled")
    (after,) = [weights(one.model)[name] for one in control.run(attack)]
    expected = before - 1e-2 / 3 * gradient / (gradient.abs() + 1e-8)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=1e-5)


def test_padding_does_not_change_the_loss(tiny_model, tiny_tokenizer):
    ids, mask = encode_texts(tiny_tokenizer, FACTS, 16)
    wide = torch.cat([ids, torch.full((3, 5), 9)], dim=1), torch.cat([mask, torch.zeros(3, 5, dtype=torch.bool)], dim=1)
    assert torch.equal(text_loss(tiny_model, *wide), text_loss(tiny_model, ids, mask))
    total, count = 0.0, 0
    for row, real in zip(ids, mask, strict=True):
        alone = row[real]
        total += cross_entropy(tiny_model(alone[None]).logits[0, :-1], alone[1:], reduction="sum").item()
        count += len(alone) - 1
    assert text_loss(tiny_model, ids, mask).item() == pytest.approx(total / count, rel=1e-5)


def test_each_run_tells_its_progress_to_the_end(tiny_model, tiny_tokenizer, corpora, capfd):
    list(relearn(documents=[1, 2]).run(AttackInput(tiny_model, tiny_tokenizer, corpora, 1)))
    assert capfd.readouterr().err.count("relearning step: 5/5") == 2


@pytest.mark.parametrize(("tokens", "said"), [(18, "18 tokens: 0 %"), (3, "3 tokens: 77 %")])
def test_the_log_says_how_much_of_the_documents_is_left_out(tiny_model, tiny_tokenizer, corpora, capfd, tokens, said):
    assert sum(len(tiny_tokenizer.encode(text)) for text in FACTS) == 39
    list(relearn(tokens=tokens, long_documents="cut").run(AttackInput(tiny_model, tiny_tokenizer, corpora, 1)))
    assert f"3 documents cut at {said} of their text is left out" in capfd.readouterr().out


def test_long_documents_become_windows_that_predict_every_token_once(attack, capfd):
    (cut,) = runs(attack, documents=[3], steps=[2], tokens=6, long_documents="cut").values()
    capfd.readouterr()
    (whole,) = runs(attack, documents=[3], steps=[2], tokens=6).values()
    assert "3 documents as 8 texts of at most 6 tokens" in capfd.readouterr().out
    assert not same(cut, whole)
    # No document is longer than 18 tokens, so there is nothing to divide.
    assert same(runs(attack)[3, 5], runs(attack, long_documents="cut")[3, 5])


def test_a_pass_is_over_every_window(attack):
    assert list(runs(attack, documents=[3], tokens=6, steps=None, epochs=[1, 2])) == [(3, 4), (3, 8)]


def many(count):
    rows = [
        ("relearn", "facts" if number % 2 else "prose", f"Item {number:02} is {number * 7}.") for number in range(count)
    ]
    return pandas.DataFrame(rows, columns=["corpus", "kind", "text"])


def runs(attack, **changes):
    return {tuple(one.budget.values()): weights(one.model) for one in relearn(**changes).run(attack)}


def test_one_nested_run_passes_through_the_runs_on_fewer_documents(tiny_model, tiny_tokenizer):
    attack = AttackInput(tiny_model, tiny_tokenizer, many(20), 1)
    whole = runs(attack, documents=[12], steps=[2, 4, 6], order="nested")
    alone = runs(attack, documents=[4, 8, 12], steps=None, epochs=[1], order="nested")
    assert list(alone) == [(4, 2), (8, 4), (12, 6)]
    for count, steps in alone:
        assert same(whole[12, steps], alone[count, steps])
    mixed = runs(attack, documents=[12], steps=[2])
    assert not same(mixed[12, 2], whole[12, 2])


def test_the_first_nested_pass_is_in_order_and_every_pass_has_every_document_once():
    batches = batch_order(12, 4, 9, torch.Generator().manual_seed(3))
    nested = nested_order(batches, 12)
    assert nested[:3].flatten().tolist() == list(range(12))
    assert torch.equal(nested[3:], batches[3:]) and nested.shape == batches.shape
    assert nested_order(batches[:2], 12).flatten().tolist() == list(range(8))


def test_passes_are_counted_as_steps(attack):
    assert list(runs(attack, documents=[2, 4], steps=None, epochs=[1, 3])) == [(2, 1), (2, 3), (4, 2), (4, 6)]
    passes, steps = (runs(attack, documents=[4], **one) for one in ({"steps": None, "epochs": [3]}, {"steps": [6]}))
    assert same(passes[4, 6], steps[4, 6])


def test_other_corpora_are_other_documents(tiny_model, tiny_tokenizer):
    names = ("relearn", "neighbour", "benign", "seen")
    rows = [(name, "facts", f"{name} is text {number}.") for name in names for number in range(2)]
    attack = AttackInput(tiny_model, tiny_tokenizer, pandas.DataFrame(rows, columns=["corpus", "kind", "text"]), 1)
    ends = [runs(attack, documents=[2], steps=[2], corpus=name)[2, 2] for name in names]
    assert not any(same(one, other) for index, one in enumerate(ends) for other in ends[:index])
    only = attack.corpora.query("corpus == 'benign'").assign(corpus="relearn")
    alone = runs(AttackInput(tiny_model, tiny_tokenizer, only, 1), documents=[2], steps=[2])
    assert same(alone[2, 2], ends[names.index("benign")])


def changed(now, before):
    """The tensors that are others than before, or that an adapter makes others."""
    adapted = {name.split(".lora_B")[0] + ".weight" for name in now if ".lora_B" in name and now[name].any()}
    plain = {name.replace(".base_layer", ""): tensor for name, tensor in now.items() if ".lora_" not in name}
    assert plain.keys() == before.keys()
    return adapted | {name for name in plain if not torch.equal(plain[name], before[name])}


WITHIN = {"down-projections": "down_proj", "full": "", "lora": "_proj"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("trained", WITHIN)
def test_each_attacker_starts_at_the_model_moves_its_tensors_and_gives_it_back(
    make_model, tiny_tokenizer, trained, dtype
):
    model = make_model("Qwen2", dtype=dtype)
    before, moved = weights(model), {}
    attack = AttackInput(model, tiny_tokenizer, many(4), 1)
    for attacked in relearn(documents=[4], steps=[0, 3], trained=trained, rank=2).run(attack):
        moved[attacked.budget["steps"]] = changed(weights(attacked.model), before)
    layers = {name for name in before if ".layers." in name}
    wanted = {name for name in layers if WITHIN[trained] in name and (trained == "full" or name.endswith("weight"))}
    # A bias on a key adds the same to every score of a query, so it has no gradient.
    idle = {name for name in wanted if name.endswith("k_proj.bias")}
    assert moved[0] == set() and moved[3] - idle == wanted - idle
    assert same(weights(model), before) and not any(tensor.requires_grad for tensor in model.parameters())


def test_the_linear_schedule_is_transformers(attack):
    from transformers import get_linear_schedule_with_warmup

    for steps in (1, 5, 15, 40):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=3.0)
        schedule = get_linear_schedule_with_warmup(optimiser, max(1, steps // 10), steps)
        for step in range(steps):
            assert linear_rate_at(step, 3.0, steps) == pytest.approx(schedule.get_last_lr()[0])
            optimiser.step(), schedule.step()
    ends = runs(attack, steps=[2, 5], schedule="linear")
    assert same(ends[3, 2], runs(attack, steps=[2], schedule="linear")[3, 2])
    assert same(ends[3, 5], runs(attack, steps=[5], schedule="linear")[3, 5])


@pytest.mark.parametrize(("steps", "documents"), [(5, 20), (10, 40), (15, 60)])
def test_the_papers_step_counts_see_that_many_distinct_documents(steps, documents):
    order = batch_order(documents, 4, steps, torch.Generator().manual_seed(0))
    assert sorted(order.flatten().tolist()) == list(range(documents))
