import random
import re
from dataclasses import replace

import pandas
import pytest

from unlearning_robustness.data.items import lettered, shots_of
from unlearning_robustness.data.probes import MODES, NEUTRAL_NOUNS, UNASKED, apply_probe, around_stem, matched_words
from unlearning_robustness.data.questions import DOMAINS, assign_splits, build_questions, from_table
from unlearning_robustness.errors import DataError

SPLITS = ("relearn", "select", "test")
SHARES = dict.fromkeys(SPLITS, 1)


class Syllables:
    """A tokenizer whose tokens are pieces of three characters."""

    def encode(self, text, add_special_tokens=True):
        return [0] * add_special_tokens + [1 + hash(piece) % 99 for piece in re.findall(r".{1,3}", text)]


def length(word):
    return -(-len(f" {word}") // 3)


@pytest.fixture(scope="module")
def matched():
    splits = assign_splits(DOMAINS["elements"].entities(), SHARES)
    return {
        split: matched_words(Syllables(), [name for name, place in splits.items() if place == split])
        for split in SPLITS
    }


@pytest.fixture(scope="module")
def questions():
    domain = DOMAINS["geography"]
    return build_questions(domain.relations(), "retain", assign_splits(domain.entities(), SHARES), 3, "7")[:300]


def probed(questions, matched, mode, tokens="none", count=0, seed="s"):
    return apply_probe(questions, mode, tokens, count, matched, seed)


def test_a_forget_word_is_matched_by_neutral_words_of_equal_token_length(matched):
    for pool in matched.values():
        for word, neutral in pool.items():
            assert neutral
            assert {length(other) for other in neutral} == {length(word)}


def test_every_neutral_word_of_that_length_is_a_match_and_words_without_one_are_left_out():
    found = matched_words(Syllables(), ["tin", "q" * 40], ["cup", "pan", "ottoman"])
    assert found == {"tin": ["cup", "pan"]}


def test_no_match_at_all_is_an_error():
    with pytest.raises(DataError, match="no forget word"):
        matched_words(Syllables(), ["q" * 40])
    with pytest.raises(DataError, match="no forget word"):
        matched_words(Syllables(), [])


def test_no_neutral_word_is_a_forget_word_or_names_an_element():
    assert len(NEUTRAL_NOUNS) == len(set(NEUTRAL_NOUNS))
    assert not set(NEUTRAL_NOUNS) & DOMAINS["elements"].forbidden_words()


def test_the_plain_probe_changes_nothing(questions, matched):
    assert probed(questions, matched, "plain") == questions


def test_texts_of_every_mode_are_as_documented(questions):
    question, rng = replace(questions[0], prompt="The capital of France is"), None
    assert MODES["prefix"](question, ["sodium", "iron"], rng).prompt == "Sodium, iron. The capital of France is"
    assert (
        MODES["mention"](question, ["sodium", "iron"], rng).prompt
        == "After reading about sodium and iron, we answered a question. The capital of France is"
    )
    assert MODES["suffix"](question, ["sodium", "iron"], rng).prompt == "The capital of France is Sodium, iron."
    choices = question.choices
    assert MODES["option"](question, [], rng).prompt == f"Options: {', '.join(choices)}. The capital of France is"
    letter = MODES["letter"](question, [], rng)
    lines = [f"{name}. {choice}" for name, choice in zip("ABCD", choices, strict=True)]
    assert letter.prompt == "\n".join(["The capital of France is ...", *lines, "Answer:"])
    assert letter.choices == ("A", "B", "C", "D")
    assert letter.answer == question.answer


@pytest.mark.parametrize("mode", ["prefix", "position", "mention"])
@pytest.mark.parametrize("tokens", ["forget", "neutral"])
def test_text_probes_change_the_prompt_only_and_keep_its_words(questions, matched, mode, tokens):
    for before, after in zip(questions, probed(questions, matched, mode, tokens, 1), strict=True):
        assert replace(after, prompt=before.prompt) == before
        rest = after.prompt.split(" ")
        kept = iter(rest)
        assert all(word in kept for word in before.prompt.split(" "))
        assert len(rest) - len(before.prompt.split(" ")) == {"prefix": 1, "position": 1, "mention": 8}[mode]


def test_a_token_inside_a_question_stands_at_several_places_but_never_first_or_last(questions, matched):
    places = set()
    for before, after in zip(questions, probed(questions, matched, "position", "forget", 1), strict=True):
        old, new = before.prompt.split(" "), after.prompt.split(" ")
        assert (new[0], new[-1]) == (old[0], old[-1])
        places.add(next(place for place, word in enumerate(new) if word != old[place]))
    assert len(places) > 3


@pytest.mark.parametrize("tokens", ["forget", "neutral"])
def test_an_option_probe_replaces_one_wrong_option_in_text_and_choices_alike(questions, matched, tokens):
    for before, after in zip(questions, probed(questions, matched, "option", tokens, 1), strict=True):
        assert after.answer == before.answer
        assert after.choices[after.answer] == before.choices[before.answer]
        changed = [place for place in range(4) if after.choices[place] != before.choices[place]]
        assert len(changed) == 1
        words = set(matched[before.split]) if tokens == "forget" else set(NEUTRAL_NOUNS)
        assert after.choices[changed[0]] in words
        assert after.prompt == f"Options: {', '.join(after.choices)}. {before.prompt}"


@pytest.mark.parametrize("mode", ["prefix", "position", "mention", "option"])
def test_forget_and_neutral_versions_differ_only_in_words_of_equal_token_length(questions, matched, mode):
    forget, neutral = (probed(questions, matched, mode, tokens, 1) for tokens in ("forget", "neutral"))
    for first, second in zip(forget, neutral, strict=True):
        one, other = (re.findall(r"\w+|\W", question.prompt) for question in (first, second))
        assert len(one) == len(other)
        pairs = {(a.lower(), b.lower()) for a, b in zip(one, other, strict=True) if a != b}
        assert len(pairs) == 1
        word, match = pairs.pop()
        assert match in matched[first.split][word]


@pytest.mark.parametrize("tokens", ["forget", "neutral"])
def test_k_tokens_are_k_different_words(questions, matched, tokens):
    for question in probed(questions, matched, "prefix", tokens, 4):
        words = question.prompt.split(". ")[0].lower().split(", ")
        assert len(words) == 4
        assert len(set(words)) == 4


def test_four_forget_words_are_those_of_the_questions_own_split(questions, matched):
    for question in probed(questions, matched, "prefix", "forget", 4):
        assert set(question.prompt.split(". ")[0].lower().split(", ")) <= set(matched[question.split])


def test_a_word_that_stands_in_the_question_is_not_used(questions):
    pool = {split: {"tin": ["cup"], "gold": ["bowl"]} for split in SPLITS}
    asked = [replace(questions[0], question=f"q/{n}", prompt="The symbol of Tin is") for n in range(30)]
    assert {question.prompt.split(".")[0] for question in probed(asked, pool, "prefix", "forget", 1)} == {"Gold"}


def test_words_are_the_same_in_every_mode(questions, matched):
    first = probed(questions, matched, "prefix", "forget", 1)
    second = probed(questions, matched, "mention", "forget", 1)
    for one, other in zip(first, second, strict=True):
        assert f"about {one.prompt.split('.')[0].lower()}," in other.prompt


def test_the_same_seed_gives_the_same_probes_and_another_seed_others(questions, matched):
    for mode in ("prefix", "position", "option"):
        one = probed(questions, matched, mode, "forget", 1)
        assert one == probed(questions, matched, mode, "forget", 1)
        assert one != probed(questions, matched, mode, "forget", 1, seed="t")
        assert one[100:] == probed(questions[100:], matched, mode, "forget", 1)


def test_more_tokens_than_words_is_an_error_that_can_be_mended(questions):
    pool = {split: {"tin": ["cup"]} for split in SPLITS}
    with pytest.raises(DataError):
        probed(questions, pool, "prefix", "forget", 2)


def test_another_neutral_word_is_of_the_same_length_and_another_one(questions, matched):
    versions = [probed(questions, matched, "mention", tokens, 1) for tokens in ("forget", "neutral", "other-neutral")]
    differing = 0
    for versions_of_one in zip(*versions, strict=True):
        forget, first, second = (question.prompt.split(",")[0].split()[-1] for question in versions_of_one)
        pool = matched[versions_of_one[0].split][forget]
        assert {first, second} <= set(pool) and (first != second or len(pool) == 1)
        differing += first != second
    assert differing > len(questions) / 2


OPTIONS = ["1860", "A. 1861", "in the year 1862", "1863"]
STEM = "In which of these years was it founded?\nA. N. Other says: early."
STEM_MODES = ("prefix", "suffix", "position", "substitute", "mention")


@pytest.fixture(scope="module", params=[0, 2], ids=["zero-shot", "few-shot"])
def items(request):
    """Published items in lm-eval's words, whose question and options hold what could be taken for a letter."""
    rows = [{"subject": "history", "stem": f"{STEM} {n}", "options": OPTIONS, "answer": n % 4} for n in range(24)]
    frame = pandas.DataFrame(rows)
    shots = shots_of(frame.assign(stem="Shown?"), request.param) if request.param else None
    return from_table(lettered(frame, "retain", {"test": 1}, "0", shots))


@pytest.fixture(scope="module")
def one_word():
    return {"test": {"tin": ["cup", "pan"]}}


@pytest.mark.parametrize("mode", STEM_MODES)
def test_of_a_published_item_only_the_question_changes(items, one_word, mode):
    for before, after in zip(items, probed(items, one_word, mode, "forget", 1), strict=True):
        head, stem, tail = around_stem(before)
        assert stem.startswith("In which") and head.startswith("The following")
        assert head.endswith(("history.\n\n", "\nAnswer: B\n\n"))
        assert tail == "\n" + "\n".join(f"{a}. {b}" for a, b in zip("ABCD", OPTIONS, strict=True)) + "\nAnswer:"
        assert after.prompt.startswith(head) and after.prompt.endswith(tail)
        assert after.choices == ("A", "B", "C", "D") and after.answer == before.answer
        changed = after.prompt[len(head) : len(after.prompt) - len(tail)]
        added = {"prefix": 1, "suffix": 1, "position": 1, "substitute": 0, "mention": 8}[mode]
        assert len(changed.split(" ")) == len(stem.split(" ")) + added
        assert len(re.findall(r"\btin\b", changed.lower())) == 1


def test_a_substituted_word_stands_inside_and_every_other_word_stays(items, one_word):
    places = set()
    for before, after in zip(items, probed(items, one_word, "substitute", "forget", 1), strict=True):
        old, new = (around_stem(question)[1].split(" ") for question in (before, after))
        moved = [place for place, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
        assert len(moved) == 1 and new[moved[0]] == "tin" and 0 < moved[0] < len(old) - 1
        places.add(moved[0])
    assert len(places) > 3
    short = [replace(items[0], prompt="Who?", choices=("a", "b"), answer=0)]
    assert probed(short, one_word, "substitute", "forget", 1)[0].prompt == "tin"
    with pytest.raises(DataError, match="1 words, 2 to replace"):
        MODES["substitute"](short[0], ["tin", "iron"], random.Random(0))


@pytest.mark.parametrize("mode", ["option", "right-option"])
def test_one_option_of_a_published_item_takes_the_word_in(items, one_word, mode):
    for before, after in zip(items, probed(items, one_word, mode, "forget", 1), strict=True):
        old, new = (around_stem(question)[2].split("\n") for question in (before, after))
        assert around_stem(before)[:2] == around_stem(after)[:2]
        moved = [place for place, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
        assert len(moved) == 1
        letter = "ABCD"[moved[0] - 1]
        if mode == "right-option":
            assert letter == "ABCD"[before.answer] and new[moved[0]] == f"{letter}. tin {OPTIONS[before.answer]}"
        else:
            assert letter != "ABCD"[before.answer] and new[moved[0]] == f"{letter}. tin"


def test_the_right_option_of_a_listed_question_is_asked_with_its_word(questions, matched):
    for before, after in zip(
        questions[:40], probed(questions[:40], matched, "right-option", "neutral", 1), strict=True
    ):
        right = after.choices[after.answer]
        assert right.endswith(f" {before.choices[before.answer]}") and right.split(" ")[0] in NEUTRAL_NOUNS
        assert after.prompt == f"Options: {', '.join(after.choices)}. {before.prompt}"
        assert [a for a in after.choices if a != right] == [
            b for b in before.choices if b != before.choices[before.answer]
        ]


@pytest.mark.parametrize("mode", [*STEM_MODES, "option", "right-option"])
def test_forget_and_neutral_items_differ_in_that_word_alone_and_repeat(items, one_word, mode):
    forget, neutral = (probed(items, one_word, mode, tokens, 1) for tokens in ("forget", "neutral"))
    assert forget == probed(items, one_word, mode, "forget", 1)
    for one, other in zip(forget, neutral, strict=True):
        parts = [re.findall(r"\w+|\W", question.prompt) for question in (one, other)]
        assert {(a.lower(), b.lower()) for a, b in zip(*parts, strict=True) if a != b} in (
            {("tin", "cup")},
            {("tin", "pan")},
        )


def test_without_a_question_only_the_options_are_left(questions, matched):
    for before, after in zip(questions, probed(questions, matched, "no-question", "none", 0), strict=True):
        assert replace(after, prompt=before.prompt) == before and after.prompt == UNASKED
    shown = "The following are multiple choice questions (with answers) about x.\n\nWhy?\nA. 1\nB. 2\nAnswer: B\n\n"
    asked = replace(questions[0], prompt=f"{shown}What?\nA. 3\nB. 4\nAnswer:", choices=("A", "B"), answer=0)
    (left,) = probed([asked], matched, "no-question", "none", 0)
    assert left.prompt == f"{shown}\nA. 3\nB. 4\nAnswer:"
