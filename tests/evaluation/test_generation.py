import pytest
import torch
from families import FAMILIES, family_model
from transformers import GenerationConfig

from unlearning_robustness.errors import DataError, ScoreError
from unlearning_robustness.evaluation.generation import continuations, left_pad, tokens_with

PROMPTS = [[1, 2, 3], [40, 41, 42, 43, 44, 45, 46], [9], [100, 7, 30, 4, 5]]


@pytest.fixture
def characters():
    """A tokenizer whose texts are token ids, so that what was generated can be read back."""

    class Characters:
        eos_token_id = None

        def decode(self, ids):
            return " ".join(map(str, ids))

    return Characters()


def by_hand(model, prompt, tokens):
    """One argmax of a full forward after another, without a cache or padding."""
    ids = list(prompt)
    for _ in range(tokens):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_padded_batch_says_what_each_prompt_says_alone(make_model, characters, kind, batch_size):
    model = make_model(kind)
    expected = [characters.decode(by_hand(model, prompt, 12)) for prompt in PROMPTS]
    assert len(set(expected)) == len(PROMPTS)
    assert continuations(model, characters, PROMPTS, 12, batch_size) == expected


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
@pytest.mark.parametrize("batch_size", [2, 8])
def test_what_all_prompts_begin_with_is_run_once_and_says_the_same(make_model, characters, kind, batch_size):
    model, shots = make_model(kind), [50, 3, 77, 21, 8, 8, 90, 4, 61, 13]
    prompts = [shots + prompt for prompt in PROMPTS]
    expected = [characters.decode(by_hand(model, prompt, 12)) for prompt in prompts]
    assert len(set(expected)) == len(PROMPTS)
    seen = []
    handle = model.get_input_embeddings().register_forward_hook(lambda _, given, __: seen.append(given[0].numel()))
    assert continuations(model, characters, prompts, 12, batch_size) == expected
    handle.remove()
    # A batch runs the shots, then its padded rows; then one token a row, eleven times.
    rows = sorted(map(len, PROMPTS))
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    assert sum(seen) == sum(len(shots) + len(batch) * (max(batch) + 11) for batch in batches)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_behind_shots_what_it_says_of_each_prompt_alone(characters, family):
    """Also with positions that are learned, windows that slide and attention that is capped."""
    model, prompts = family_model(family), [[50, 3, 77, 21, 8, 8, 90, *prompt] for prompt in PROMPTS]
    expected = [characters.decode(by_hand(model, prompt, 3)) for prompt in prompts]
    assert continuations(model, characters, prompts, 3, 8) == expected


@pytest.mark.parametrize("window", [12, 64])
def test_a_window_that_slides_sees_what_it_sees_of_each_prompt_alone(make_model, characters, window):
    model, shots = make_model("Mistral", sliding_window=window), [50, 3, 77, 21, 8, 8, 90, 4, 61, 13]
    prompts = [shots + prompt for prompt in PROMPTS]
    expected = [characters.decode(by_hand(model, prompt, 12)) for prompt in prompts]
    assert continuations(model, characters, prompts, 12, 4) == expected


def test_a_prompt_that_is_the_beginning_of_another_is_answered(tiny_model, characters):
    prompts = [PROMPTS[1], PROMPTS[1][:4], PROMPTS[1]]
    expected = [characters.decode(by_hand(tiny_model, prompt, 6)) for prompt in prompts]
    assert continuations(tiny_model, characters, prompts, 6, 3) == expected


def test_a_model_that_asks_for_sampling_and_penalties_is_still_greedy(tiny_model, characters):
    expected = continuations(tiny_model, characters, PROMPTS, 10, 4)
    own = GenerationConfig(do_sample=True, temperature=5.0, repetition_penalty=1.7, max_length=4)
    tiny_model.generation_config = own
    assert continuations(tiny_model, characters, PROMPTS, 10, 4) == expected
    assert tiny_model.generation_config is own and tiny_model.config.use_cache is False


def test_an_answer_ends_before_the_first_end(tiny_model, characters):
    free = by_hand(tiny_model, PROMPTS[0], 12)
    end = next(place for place in range(1, 12) if free[place] not in free[:place])
    (said,) = continuations(tiny_model, characters, PROMPTS[:1], 12, 1, [free[end]])
    assert said == characters.decode(free[:end])
    characters.eos_token_id = free[end]
    said = continuations(tiny_model, characters, PROMPTS, 12, 4)
    assert said[0] == characters.decode(free[:end])
    others = [by_hand(tiny_model, prompt, 12) for prompt in PROMPTS[1:]]
    cut = [row[: row.index(free[end])] if free[end] in row else row for row in others]
    assert said[1:] == [characters.decode(row) for row in cut]


def test_padding_stands_on_the_left():
    ids, mask = left_pad([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_tokens_with_a_line_s_end_are_found(tiny_tokenizer):
    (only,) = tokens_with(tiny_tokenizer, "\n")
    assert tiny_tokenizer.decode([only]) == "\n"


def test_a_prompt_that_leaves_no_room_is_cut_from_the_left_and_said(make_model, characters, capfd):
    model, prompts = make_model(max_position_embeddings=20), [list(range(1, 31)), [5, 6, 7]]
    expected = [characters.decode(by_hand(model, prompt[-12:], 8)) for prompt in prompts]
    assert continuations(model, characters, prompts, 8, 2) == expected
    assert "1 of 2 prompts are cut from the left to 12 tokens" in capfd.readouterr().out
    with pytest.raises(DataError, match="an answer of 20 tokens leaves a model of 20 positions no prompt"):
        continuations(model, characters, prompts, 20, 2)


def test_an_answer_behind_which_a_logit_is_no_number_stops_and_is_named(tiny_model, characters):
    tiny_model.get_input_embeddings().weight[9] = torch.nan
    with pytest.raises(ScoreError, match=r"^forget question 2: its largest logit is nan"):
        continuations(tiny_model, characters, PROMPTS, 4, 2, names=[f"forget question {n}" for n in range(4)])
