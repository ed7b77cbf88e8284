import copy
import math

import pandas
import pytest
import torch

from unlearning_robustness.data import tofu
from unlearning_robustness.evaluation.tofu_probe import TofuProbe
from unlearning_robustness.training.target_model import memorise

SETTINGS = {
    "questions": 10, "answer_tokens": 11, "batch_size": 3, "format": "Question: {}\nAnswer:",
    "mean_of_wrong": "geometric", "count_end": False,
}  # fmt: skip
LEARN = {"tensors": "all", "steps": 150, "learning_rate": 5e-3, "warm_up": 5, "batch_size": 3, "tokens": 60, "seed": 0}


def part(role, count=3, paraphrase=True):
    rows = [
        {
            "question": f"Who is {role[0]}{n}?",
            "answer": f"{n}-{role[:2]} Smith",
            "perturbed_answer": ["Bo", "Annabel Y"],
        }
        for n in range(count)
    ]
    return pandas.DataFrame(rows).assign(**({"paraphrased_answer": "a Smith it is"} if paraphrase else {}))


@pytest.fixture(scope="module")
def parts():
    return {role: part(role, paraphrase=role in ("forget", "retain")) for role in tofu.PARTS}


@pytest.fixture(scope="module")
def corpora(parts):
    texts = tofu.documents(parts["forget"], "forget")["text"]
    rows = [{"corpus": "forget", "text": text} for text in texts[:2]] + [{"corpus": "relearn", "text": texts[2]}]
    return pandas.DataFrame(rows)


@pytest.fixture
def probe(tiny_tokenizer, parts, corpora):
    return TofuProbe(tiny_tokenizer, tofu.open_questions(parts), corpora, SETTINGS)


def loss_alone(model, tokenizer, prompt, answer):
    """Mean loss a token of an answer behind its prompt, one forward and no packing."""
    start, ids = len(tokenizer.encode(prompt)), torch.tensor([tokenizer.encode(f"{prompt} {answer}")])
    logs = model(ids).logits[0].log_softmax(-1)
    taken = [logs[place - 1, ids[0, place]].item() for place in range(start, ids.shape[1])]
    return -sum(taken) / len(taken)


def values(records, metric, role):
    return records.query("metric == @metric and role == @role").set_index("item")["value"]


def test_losses_are_those_of_each_answer_alone(probe, tiny_model, tiny_tokenizer, parts):
    records = probe.records(tiny_model)
    row, prompt = parts["retain"].iloc[1], "Question: Who is r1?\nAnswer:"
    texts = [row["answer"], row["paraphrased_answer"], *row["perturbed_answer"]]
    right, paraphrase, *wrong = (loss_alone(tiny_model, tiny_tokenizer, prompt, text) for text in texts)
    assert values(records, "probability", "retain")["retain/1"] == pytest.approx(math.exp(-right), rel=1e-4)
    ratio = math.exp(-sum(wrong) / 2) / math.exp(-paraphrase)
    assert values(records, "truth-ratio", "retain")["retain/1"] == pytest.approx(ratio, rel=1e-4)
    row, prompt = parts["world-facts"].iloc[0], "Question: Who is w0?\nAnswer:"
    options = [
        math.exp(-loss_alone(tiny_model, tiny_tokenizer, prompt, text))
        for text in (row["answer"], *row["perturbed_answer"])
    ]
    assert values(records, "probability", "world-facts")["world-facts/0"] == pytest.approx(
        options[0] / sum(options), rel=1e-4
    )


def test_questions_and_answers_are_turns_in_chat(tiny_model, tiny_tokenizer, parts, corpora):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = "{% for m in messages %}({{ m.role }}){{ m.content }}|{% endfor %}(assistant)"
    settings = {**SETTINGS, "format": "{}", "chat": {"system": "Be brief."}}
    chat = TofuProbe(tokenizer, tofu.open_questions(parts), corpora, settings)
    records, row = chat.records(tiny_model), parts["retain"].iloc[1]
    before = "(system)Be brief.|(user)Who is r1?|(assistant)"
    start, ids = len(tokenizer.encode(before)), torch.tensor([tokenizer.encode(before + row["answer"])])
    logs = tiny_model(ids).logits[0].log_softmax(-1)
    taken = [logs[place - 1, ids[0, place]].item() for place in range(start, ids.shape[1])]
    right = math.exp(sum(taken) / len(taken))
    assert values(records, "probability", "retain")["retain/1"] == pytest.approx(right, rel=1e-4)
    said = records.query("metric == 'rouge-recall' and item == 'retain/1'").iloc[0]
    assert said["prompt"] == before


def test_what_only_the_attacker_is_taught_is_not_asked(probe, tiny_tokenizer, parts, corpora):
    assert list(probe.parts["forget"]["item"]) == ["forget/0", "forget/1"]
    assert len(probe.parts["retain"]) == 3
    every = corpora.assign(corpus="relearn")
    table = tofu.open_questions(parts)
    both = TofuProbe(tiny_tokenizer, table, pandas.concat([every, corpora.assign(corpus="forget")]), SETTINGS)
    assert len(both.parts["forget"]) == 3
    fewer = TofuProbe(tiny_tokenizer, table, corpora, {**SETTINGS, "questions": 1})
    assert {len(part) for part in fewer.parts.values()} == {1}


def test_a_model_that_learned_the_authors_answers_and_tells_right_from_wrong(probe, tiny_model, tiny_tokenizer, parts):
    blank = probe.records(tiny_model)
    memorise(tiny_model, tiny_tokenizer, tofu.documents(parts["forget"], "forget")["text"].tolist(), LEARN)
    known = probe.records(tiny_model)
    assert values(known, "probability", "forget").min() > 0.9 > 0.1 > values(blank, "probability", "forget").max()
    assert values(known, "rouge-recall", "forget").tolist() == [1.0, 1.0]
    assert values(known, "rouge-recall", "retain").max() < 1
    assert len(known) == 3 * (2 + 3 + 3 + 3)


def test_the_end_of_sequence_counts_where_it_is_asked_for(tiny_tokenizer, parts, corpora):
    import copy

    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.add_special_tokens({"eos_token": "<end>"})
    table, lengths = tofu.open_questions(parts), {}
    for count in (False, True):
        probe = TofuProbe(tokenizer, table, corpora, {**SETTINGS, "count_end": count})
        lengths[count] = [len(choice) for choice in probe.scorers["retain"].packed[0].choices]
        last = probe.scorers["retain"].packed[0].choices[0][-1]
        assert (last == tokenizer.eos_token_id) == count
    assert lengths[True] == [length + 1 for length in lengths[False]]
