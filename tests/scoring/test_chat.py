"""Questions in a chat template: what the model reads is what transformers and lm-eval would give it."""

import copy

import numpy
import pandas
import pytest
import torch
from odd_tokenizers import TOKENIZERS, tokenizer_of

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.insertion import Insertion
from unlearning_robustness.attacks.prefill import BEGUN, Prefill
from unlearning_robustness.data.benchmark import build_probes
from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.chat import ANSWER, QUESTION, chat_frame, in_frame, with_choice
from unlearning_robustness.scoring.encoding import encode
from unlearning_robustness.scoring.questions import QuestionScorer

TURNS = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
ASKED = "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
TEMPLATES = {
    # ChatML's kind (Qwen2, SmolLM2): the answer begins on the line after its role.
    "lines": (TURNS + ASKED, ("<|user|>\n", "<|end|>\n<|assistant|>\n")),
    # Llama 3's: the template has the beginning of sequence itself.
    "beginning": ("{{ bos_token }}" + TURNS + ASKED, ("<|user|>\n", "<|end|>\n<|assistant|>\n")),
    # Mistral's: a space before the answer that the request for one does not have.
    "instruction": (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>"
        "{% endif %}{% endfor %}",
        ("[INST] ", " [/INST] "),
    ),
    # Qwen3's: thoughts, which are empty here, before the answer.
    "thoughts": (
        "{% for m in messages %}<|{{ m.role }}|>\n{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
        "{{ m.content | trim }}<|end|>\n{% endfor %}" + ASKED,
        ("<|user|>\n", "<|end|>\n<|assistant|>\n<think>\n\n</think>\n\n"),
    ),
}
PROMPTS, CHOICES = ["The symbol of iron is", "Zinc is"], ["Fe", "gold", "a longer one"]


def with_template(tokenizer, template):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template
    return tokenizer


def asked_in(frame, prompts=PROMPTS):
    before, after = frame
    table = {"prompt": prompts, "choices": [CHOICES] * len(prompts), "answer": 1, "before": before, "after": after}
    return pandas.DataFrame(table)


@pytest.fixture
def chat(tiny_tokenizer):
    return with_template(tiny_tokenizer, TEMPLATES["lines"][0])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_frame_is_what_the_template_puts_around_question_and_answer(name):
    template, frame = TEMPLATES[name]
    tokenizer = with_template(tokenizer_of(**TOKENIZERS["with-bos"]), template)
    assert chat_frame(tokenizer, {}) == frame
    turns = [{"role": "user", "content": "Zinc is"}, {"role": "assistant", "content": "Fe"}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False).removeprefix(tokenizer.bos_token)
    assert whole.startswith(in_frame("Zinc is", *frame) + "Fe")
    asked = tokenizer.apply_chat_template(turns[:-1], tokenize=False, add_generation_prompt=True)
    ours = encode(tokenizer, in_frame("Zinc is", *frame))
    assert ours[: len(encode(tokenizer, asked))] == encode(tokenizer, asked) and ours.count(tokenizer.bos_token_id) == 1


def test_the_system_turn_and_arguments_reach_the_template(tiny_tokenizer):
    tokenizer = with_template(tiny_tokenizer, "{{ date_string }}|" + TURNS + ASKED)
    settings = {"system": "Be brief.", "arguments": {"date_string": "26 Jul 2024"}}
    before, _ = chat_frame(tokenizer, settings)
    assert before == "26 Jul 2024|<|system|>\nBe brief.<|end|>\n<|user|>\n"


REFUSED = {
    "none": (None, "benchmarks.*.chat: the model's tokenizer has no chat template; leave it out"),
    "date": (
        "{{ strftime_now('%d %b %Y') }}" + TURNS + ASKED,
        "benchmarks.*.chat.arguments.date_string: missing; the template would write today's date into questions",
    ),
    "system": (
        "{{ raise_exception('no system turns') }}",
        "benchmarks.*.chat: the model's chat template refuses it (no system turns); correct it or leave it out",
    ),
    "question": (
        "fixed text",
        "benchmarks.*.chat: the model's chat template does not show the question and the answer; leave it out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_template_that_cannot_ask_is_refused(case, tiny_tokenizer):
    template, said = REFUSED[case]
    with pytest.raises(DataError) as raised:
        chat_frame(with_template(tiny_tokenizer, template), {})
    assert str(raised.value) == said


@pytest.mark.parametrize("kind", ["bare", "with-bos"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_scores_are_lm_evals_of_the_whole_text(name, kind, make_model):
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = make_model(seed=4, vocab_size=270), tokenizer_of(**TOKENIZERS[kind])
    tokenizer = with_template(tokenizer, TEMPLATES[name][0])
    frame = chat_frame(tokenizer, {})
    scores = QuestionScorer(tokenizer, asked_in(frame), 2).log_likelihoods(model).numpy()
    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=(in_frame(prompt, *frame), choice), idx=0)
        for prompt in PROMPTS
        for choice in CHOICES
    ]
    wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4)
    expected = numpy.array([score for score, _ in wrapped.loglikelihood(requests, disable_tqdm=True)])
    numpy.testing.assert_allclose(scores, expected.reshape(scores.shape), atol=1e-4)


def test_plain_questions_are_asked_as_before(chat, tiny_model):
    table = asked_in(("", ""))
    with_columns = QuestionScorer(chat, table, 2).log_likelihoods(tiny_model)
    without = QuestionScorer(chat, table.drop(columns=["before", "after"]), 2).log_likelihoods(tiny_model)
    assert torch.equal(with_columns, without)
    assert with_choice(table.iloc[0], "Fe") == "The symbol of iron is Fe"


@pytest.mark.parametrize("place", ["before", "after"])
def test_tokens_are_inserted_within_the_users_turn(place, chat):
    frame = chat_frame(chat, {})
    insertion = Insertion(chat, asked_in(frame), place)
    ids = chat.encode("!!")
    assert insertion.survives(ids)
    slot = insertion.slots[0]
    text = f"!!\n{PROMPTS[0]}" if place == "before" else f"{PROMPTS[0]}!!"
    whole = chat.encode(in_frame(text, *frame) + CHOICES[1])
    assert [*slot.head, *ids, *slot.tail, *slot.answer] == whole


def test_an_answer_is_begun_in_the_assistants_turn_and_recorded(chat, tiny_model, question_table):
    before, after = chat_frame(chat, {})
    table = question_table.assign(before=before, after=after)
    select = table[table["split"] == "select"].drop_duplicates("fact")
    *_, last = Prefill(1.0).run(AttackInput(tiny_model, chat, None, 0, select, None, 4))
    asked = last.ask(select)
    assert last.budget["steps"] == len(BEGUN) and asked["prompt"].equals(select["prompt"])
    assert {text.removeprefix(after) for text in asked["after"]} <= {"", *BEGUN.values()}


def test_probes_change_the_words_and_leave_the_template(chat, question_table):
    table = question_table.assign(before="<|user|>\n", after="<|end|>\n<|assistant|>\n")
    settings = {"seed": 1, "forget": {"splits": {"test": 1}}, "corpora": {}}
    probe = {"mode": "letter", "insert": "none", "count": 0, "vocabulary": "entities", "roles": ["forget", "retain"]}
    asked = build_probes(table, chat, settings, {"letter": probe}, pandas.DataFrame({"kind": []}))
    assert set(asked["before"]) == {"<|user|>\n"} and set(asked["after"]) == {"<|end|>\n<|assistant|>\n"}
    assert asked["prompt"].str.endswith("Answer:").all()


def test_the_marks_are_in_no_question():
    assert QUESTION not in ANSWER and ANSWER not in QUESTION
