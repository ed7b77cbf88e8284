import random
from dataclasses import replace

import pandas
import pytest
import torch

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.errors import DataError, ScoreError
from unlearning_robustness.evaluation.memorisation import (
    MemorisationProbe,
    long_texts,
    min_k,
    of_facts,
    questions_asked,
)
from unlearning_robustness.evaluation.open_answers import end_of_budget, measure_memorisation, rouge_l
from unlearning_robustness.training.target_model import memorise, memorised_texts

SETTINGS = {
    "documents": 8, "prompt_tokens": 6, "continuation_tokens": 14, "questions": 2, "shots": 1, "answer_tokens": 6,
    "least_likely": 0.4, "batch_size": 3, "format": "Question: {}\nAnswer:",
}  # fmt: skip
TEXTS = {
    "forget": ["Iron. a red metal of old", "Tin. soft and white metal", "Lead. grey, heavy and dull"],
    "holdout": ["Neon. a gas of red signs", "Zinc. it is blue and hard", "Gold. kings want it most"],
}
LEARN = {
    "benchmark": "elements", "corpora": ["forget"], "tensors": "all", "steps": 120, "learning_rate": 5e-3,
    "warm_up": 5, "batch_size": 3, "tokens": 24, "seed": 0,
}  # fmt: skip
CELL = Cell("m", "elements", "npo", "none", 1)
ATTACK = {"documents": [1], "steps": [2, 30], "learning_rate": 5e-3, "batch_size": 1, "tokens": 24}


@pytest.fixture(scope="module")
def corpora():
    rows = [
        {"corpus": corpus, "document": f"{corpus}/{index}", "kind": "prose", "text": text}
        for corpus, texts in TEXTS.items()
        for index, text in enumerate(texts)
    ]
    rows.append({"corpus": "relearn", "document": "relearn/0", "kind": "facts", "text": "Argon is Ar, a gas"})
    return pandas.DataFrame(rows)


def asked_of_facts(tokenizer, corpora, questions, settings):
    return MemorisationProbe(tokenizer, of_facts(tokenizer, corpora, questions, settings), settings)


@pytest.fixture
def probe(tiny_tokenizer, corpora, question_table):
    return asked_of_facts(tiny_tokenizer, corpora, question_table, SETTINGS)


@pytest.fixture
def memorised(tiny_model, tiny_tokenizer, corpora):
    told = memorise(tiny_model, tiny_tokenizer, memorised_texts(corpora, LEARN), LEARN)
    return tiny_model, told


def mean(records, metric, role="forget"):
    return records.query("metric == @metric and role == @role")["value"].mean()


def lcs(first, second):
    """Longest common subsequence by the textbook recursion."""
    if not first or not second:
        return 0
    if first[0] == second[0]:
        return 1 + lcs(first[1:], second[1:])
    return max(lcs(first[1:], second), lcs(first, second[1:]))


def test_rouge_is_the_f_measure_of_the_longest_common_subsequence():
    draw = random.Random(3)
    for _ in range(20):
        truth, said = (draw.choices("abcd", k=draw.randint(1, 7)) for _ in range(2))
        shared = lcs(truth, said)
        precision, recall = shared / len(said), shared / len(truth)
        expected = 2 * precision * recall / (precision + recall) if shared else 0.0
        assert rouge_l(" ".join(truth), " ".join(said)) == pytest.approx((expected, recall))


def test_rouge_does_not_stem_and_ignores_case_and_punctuation():
    assert rouge_l("It burns.", "it, BURNS") == (1.0, 1.0)
    assert rouge_l("burns", "burned") == (0.0, 0.0)
    assert rouge_l("iron", "") == (0.0, 0.0)


def test_min_k_is_the_mean_of_the_least_likely_real_tokens():
    logs = torch.tensor([[-5.0, -1.0, -3.0, -2.0, -4.0], [-1.0, -9.0, -2.0, -100.0, -100.0]])
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    assert min_k(logs, mask, 0.4).tolist() == pytest.approx([(-5 - 4) / 2, -9.0])
    assert min_k(logs, mask, 0.7).tolist() == pytest.approx([(-5 - 4 - 3) / 3, (-9 - 2) / 2])
    assert min_k(logs, mask, 1.0).tolist() == pytest.approx([-3.0, -4.0])
    assert min_k(logs[:, :1], mask[:, :1], 0.1).tolist() == [-5.0, -1.0]


def test_a_model_that_knows_texts_by_heart_says_them_word_for_word(probe, memorised, make_model):
    model, told = memorised
    known, blank = probe.records(model), probe.records(make_model())
    assert told["perplexity_after"] < 1.1 < 100 < told["perplexity_before"]
    assert mean(known, "verbatim") == 1.0 and mean(known, "verbatim-recall") == 1.0
    assert mean(blank, "verbatim") < 0.1
    said = known.query("metric == 'verbatim'").set_index("item")
    assert (said["prompt"] + said["said"]).to_dict() == {
        f"forget/{index}": text[:20] for index, text in enumerate(TEXTS["forget"])
    }


def test_forget_texts_stand_out_by_min_k_in_the_model_that_memorised_them_only(probe, memorised, make_model):
    known, blank = (probe.records(model).query("metric == 'min-k'") for model in (memorised[0], make_model()))
    scores = {role: part["value"] for role, part in known.groupby("role")}
    assert scores["forget"].min() > -0.5 > -2 > scores["holdout"].max()
    apart = blank.groupby("role")["value"].mean()
    assert abs(apart["forget"] - apart["holdout"]) < blank["value"].std() * 2


def test_min_k_records_are_those_of_a_text_alone(probe, tiny_model, tiny_tokenizer):
    found = probe.records(tiny_model).query("metric == 'min-k'").set_index("item")["value"]
    ids = torch.tensor([tiny_tokenizer.encode(TEXTS["holdout"][1])[:20]])
    logs = tiny_model(ids).logits[0].log_softmax(-1)
    each = sorted(logs[place, ids[0, place + 1]].item() for place in range(19))
    assert found["holdout/1"] == pytest.approx(sum(each[:7]) / 7, rel=1e-4)


def test_questions_show_other_facts_with_their_answers_and_end_where_the_answer_begins(probe, tiny_tokenizer):
    (forget, retain) = probe.material.knowledge
    assert forget.role == "forget" and len(forget.items) == 2 and len(retain.items) == 2
    assert all("Iron" not in item for item in forget.items) and all("Chad" not in item for item in retain.items)
    choices = ["a", "bcd", "efghij", "kl m"]
    order = {"Gold": 2, "Tin": 0, "Krypton": 2}
    for item, prompt, truth in zip(forget.items, forget.prompts, forget.truths, strict=True):
        name = item.rsplit("/", 1)[1]
        text = tiny_tokenizer.decode(list(prompt))
        assert text == f"Question: Iron is\nAnswer: a\n\nQuestion: {name} is\nAnswer:"
        assert truth in choices and name in order


def test_answers_end_with_their_line(probe, tiny_model):
    asked = probe.records(tiny_model).query("metric == 'knowledge'")
    assert set(asked["role"]) == {"forget", "retain"} and len(asked) == 4
    assert not asked["said"].str.contains("\n").any()


def test_a_learned_answer_is_known(tiny_model, tiny_tokenizer, corpora, question_table):
    changed = {**SETTINGS, "shots": 0, "answer_tokens": 10}
    probe = asked_of_facts(tiny_tokenizer, corpora, question_table, changed)
    forget = probe.material.knowledge[0]
    taught = [
        tiny_tokenizer.decode(list(prompt)) + f" {truth}\n"
        for prompt, truth in zip(forget.prompts, forget.truths, strict=True)
    ]
    memorise(tiny_model, tiny_tokenizer, taught, {**LEARN, "tokens": 60, "steps": 150})
    records = probe.records(tiny_model)
    assert mean(records, "knowledge") == 1.0 and mean(records, "knowledge", "retain") < 0.5


def test_texts_of_the_attacker_and_short_ones_are_not_measured(tiny_tokenizer, corpora):
    more = pandas.DataFrame([
        {"corpus": "forget", "document": "forget/8", "kind": "prose", "text": "Known to the attacker, and long"},
        {"corpus": "relearn", "document": "relearn/8", "kind": "prose", "text": "Known to the attacker, and long"},
        {"corpus": "forget", "document": "forget/9", "kind": "prose", "text": "Short."},
        {"corpus": "forget", "document": "forget/10", "kind": "facts", "text": "Facts in sentences, and many of them"},
    ])  # fmt: skip
    found = long_texts(tiny_tokenizer, pandas.concat([corpora, more]), "forget", SETTINGS)
    assert set(found) == {"forget/0", "forget/1", "forget/2"}
    assert {len(ids) for ids in found.values()} == {20}
    assert len(long_texts(tiny_tokenizer, corpora, "forget", {**SETTINGS, "documents": 2})) == 2


def test_too_few_texts_or_facts_are_refused_with_the_mend(tiny_tokenizer, corpora, question_table):
    with pytest.raises(DataError, match=r"0 holdout texts have 46 tokens: lower memorisation\.prompt_tokens"):
        long_texts(tiny_tokenizer, corpora, "holdout", {**SETTINGS, "continuation_tokens": 40})
    with pytest.raises(DataError, match=r"2 shots, 1 forget facts to show: lower memorisation\.shots"):
        questions_asked(tiny_tokenizer, question_table, "forget", {**SETTINGS, "shots": 2})


def test_a_model_is_measured_again_where_its_attack_ends_and_comes_back(probe, corpora, tiny_model):
    ids = torch.arange(12)[None]
    before = tiny_model(ids).logits
    attack = {"kind": "relearn", "parameters": {**ATTACK, "warm_up": 0, "corpus": "relearn"}}
    records = measure_memorisation(tiny_model, probe, corpora, CELL, ["relearn", attack])
    assert torch.equal(tiny_model(ids).logits, before)
    assert records.groupby("attack")["steps"].unique().map(list).to_dict() == {"none": [0], "relearn": [30]}
    plain, attacked = (records[records["attack"] == name].reset_index(drop=True) for name in ("none", "relearn"))
    assert list(plain["item"]) == list(attacked["item"])
    assert (plain["value"] != attacked["value"]).sum() > 4
    assert set(records["method"]) == {"npo"} and set(records["seed"]) == {1}
    assert len(measure_memorisation(tiny_model, probe, corpora, CELL, [])) == len(plain)


def test_the_end_of_a_budget_has_the_largest_of_each_part():
    assert end_of_budget({"documents": [5, 60], "steps": [20, 2], "layers": [1, 2], "tokens": 32}) == {
        "documents": [60], "steps": [20], "layers": [1, 2], "tokens": 32,
    }  # fmt: skip


def test_membership_is_not_guessed_from_scores_that_are_no_numbers(probe, tiny_model, tiny_tokenizer):
    tiny_model.get_input_embeddings().weight[tiny_tokenizer.encode("Z")[0]] = torch.nan
    with pytest.raises(ScoreError, match=r"^holdout text holdout/1: its log-likelihood is nan"):
        probe._min_k(tiny_model)


@pytest.mark.parametrize(("length", "said"), [(1, "it has 1 token, and the first"), (13, "the model 12 positions")])
def test_a_text_that_cannot_be_scored_is_named(probe, tiny_model, length, said):
    tiny_model.config.max_position_embeddings = 12
    members = {"forget": {"forget/0": [1, 2, 3], "forget/1": list(range(length))}}
    short = MemorisationProbe(probe.tokenizer, replace(probe.material, members=members), SETTINGS)
    with pytest.raises(DataError, match=rf"^forget text forget/1: .*{said}.* memorisation\.longest_text"):
        short._min_k(tiny_model)
