import pandas
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from unlearning_robustness.attacks.insertion import Insertion, insert
from unlearning_robustness.errors import DataError

QUESTIONS = pandas.DataFrame({"prompt": ["Tin is", "Zinc is"], "choices": [["a", "bc"], ["d", "e"]], "answer": [1, 0]})
PLACES = pytest.mark.parametrize("place", ["before", "after"])


@pytest.fixture
def merging():
    """Bytes, and the merges "aa" and "sa": some texts of single letters are encoded as other tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate([*alphabet, "aa", "sa", "Ġ!"])}
    merges = [("a", "a"), ("s", "a"), ("Ġ", "!")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")


@PLACES
def test_tokens_survive_when_the_whole_question_is_encoded_as_they_are(merging, place):
    insertion = Insertion(merging, QUESTIONS, place)
    a, b, both = (merging.convert_tokens_to_ids(token) for token in ("a", "b", "aa"))
    assert insertion.survives([b, a]) and insertion.survives([b, both])
    assert not insertion.survives([b, a, a])
    # Behind "is" a first "a" merges with the prompt.
    assert insertion.survives([a, b]) == (place == "before")


@PLACES
def test_slots_are_the_ids_around_the_tokens(merging, place):
    slot = Insertion(merging, QUESTIONS, place).slots[0]
    head, tail = ("", "\nTin is") if place == "before" else ("Tin is", "")
    assert merging.decode(slot.head) == head and merging.decode(slot.tail) == tail
    assert [merging.decode(choice) for choice in slot.choices] == [" a", " bc"]
    assert merging.decode(slot.plain) == "Tin is b" and merging.decode(slot.answer) == " bc"
    assert slot.shared == (len("in is b") if place == "before" else len(" b"))
    whole = [*slot.head, 3, *slot.tail, *slot.answer]
    assert merging.decode(whole) == insert(merging.decode([3]), "Tin is", place) + " bc"


def test_usable_tokens_are_printable_ascii_and_no_special_ones(merging):
    usable = Insertion(merging, QUESTIONS, "before").usable(10_000)
    texts = [merging.decode([index]) for index in usable.tolist()]
    assert sorted(texts) == sorted([*(chr(code) for code in range(33, 127)), "aa", "sa", " !"])
    assert merging.eos_token_id not in usable
    assert Insertion(merging, QUESTIONS, "before").usable(50).tolist() == [index for index in usable if index < 50]


@PLACES
def test_a_start_survives_and_follows_its_generator(merging, place):
    insertion = Insertion(merging, QUESTIONS, place)
    usable = insertion.usable(300)
    first, again, other = (insertion.start(usable, 6, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert len(first) == 6 and insertion.survives(first.tolist()) and set(first.tolist()) <= set(usable.tolist())
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_without_any_start_the_search_stops(merging):
    insertion = Insertion(merging, QUESTIONS, "before")
    only = torch.tensor([merging.convert_tokens_to_ids("a")])
    with pytest.raises(DataError, match="survive"):
        insertion.start(only, 3, torch.Generator().manual_seed(0))
