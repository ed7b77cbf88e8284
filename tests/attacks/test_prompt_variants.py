import pytest
import torch

from unlearning_robustness.attacks import prompt_variants
from unlearning_robustness.attacks.base import AttackInput, as_it_is
from unlearning_robustness.attacks.characters import Characters
from unlearning_robustness.attacks.few_shot import FewShot
from unlearning_robustness.attacks.paraphrase import Paraphrase
from unlearning_robustness.attacks.prefill import Prefill
from unlearning_robustness.attacks.prompt_variants import best_variant, rephrased
from unlearning_robustness.scoring.questions import QuestionScorer

ATTACKS = [Prefill(0.05), Paraphrase(0.05), Characters([3], 0.05, "!"), FewShot([0, 1, 2])]


@pytest.fixture
def attack(tiny_model, tiny_tokenizer, question_table):
    once = question_table.drop_duplicates("fact")
    select, answered = once[once["split"] == "select"], once[once["split"] == "test"].assign(split="relearn")
    return AttackInput(tiny_model, tiny_tokenizer, None, 1, select, None, 4, answered)


@pytest.fixture
def accuracies(monkeypatch):
    """Stands in for the scoring on select: accuracies by the variant's name."""

    def give(table):
        monkeypatch.setattr(prompt_variants, "SelectAccuracy", lambda attack: lambda attacked: table[attacked.setting])

    return give


@pytest.mark.parametrize("prompt_attack", ATTACKS, ids=lambda one: type(one).__name__)
def test_no_budget_is_no_attack_and_none_changes_weights_choices_or_answers(
    attack, question_table, tiny_tokenizer, prompt_attack
):
    before = {name: tensor.clone() for name, tensor in attack.model.named_parameters()}
    points = list(prompt_attack.run(attack))
    assert points[0].budget == {"steps": 0} and points[0].ask is as_it_is
    for point in points:
        asked = point.ask(question_table)
        assert asked.drop(columns="prompt").equals(question_table.drop(columns="prompt"))
        # Every prompt can be scored: no choice merges with it.
        assert QuestionScorer(tiny_tokenizer, asked, 8).log_likelihoods(point.model).isfinite().all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in attack.model.named_parameters())


def test_the_best_variant_within_the_margin_is_asked(attack, accuracies, question_table):
    loud, louder, rude = (rephrased(lambda prompt, end=end: prompt + end) for end in ("!", "!!", "?"))
    accuracies({
        "plain": {"forget": 0.3, "retain": 0.9}, "loud": {"forget": 0.5, "retain": 0.88},
        "louder": {"forget": 0.6, "retain": 0.86}, "rude": {"forget": 0.9, "retain": 0.5},
    })  # fmt: skip
    plain, chosen = best_variant(attack, {"loud": loud, "louder": louder, "rude": rude}, 0.05)
    assert plain.setting == "plain" and (chosen.setting, chosen.budget) == ("louder", {"steps": 3})
    assert chosen.ask(question_table)["prompt"].tolist() == [f"{prompt}!!" for prompt in question_table["prompt"]]


def test_where_no_variant_helps_the_question_is_asked_plainly(attack, accuracies):
    accuracies({"plain": {"forget": 0.3, "retain": 0.9}, "loud": {"forget": 0.3, "retain": 0.9}})
    chosen = list(best_variant(attack, {"loud": rephrased(str.upper)}, 0.05))[-1]
    assert chosen.setting == "plain" and chosen.ask is as_it_is and chosen.budget == {"steps": 1}
