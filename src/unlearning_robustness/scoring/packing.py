"""A question as token ids, split into prompt and choices and cut to the model's length as lm-eval does both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from unlearning_robustness.errors import DataError
from unlearning_robustness.models.config_json import positions_of
from unlearning_robustness.scoring.chat import in_frame, joint
from unlearning_robustness.scoring.encoding import encode

# How much of a prompt without a name an error quotes.
QUOTED = 60


@dataclass(frozen=True)
class PackedQuestion:
    """One question as token ids: prompt of length P, then C choices of any length; ``name`` is for errors."""

    prompt: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    name: str = ""

    @cached_property
    def columns(self) -> dict[tuple[int, ...], int]:
        """The column in which each prefix of a choice ends, by its ids; the empty prefix ends with the prompt."""
        column_of = {(): len(self.prompt) - 1}
        for choice in self.choices:
            for length in range(1, len(choice)):
                column_of.setdefault(choice[:length], len(self.prompt) + len(column_of) - 1)
        return column_of

    @cached_property
    def largest_id(self) -> int:
        """The largest of all its ids."""
        return max(map(max, (self.prompt, *self.choices)))

    @property
    def length(self) -> int:
        """Positions of its row."""
        return len(self.prompt) + len(self.columns) - 1

    @property
    def causal(self) -> bool:
        """Whether its row reads like any text, each position behind the last: its choices do not branch."""
        return len(self.columns) == max(map(len, self.choices))

    @property
    def positions(self) -> int:
        """Positions that its longest choice needs behind the prompt: a last token predicts nothing."""
        return len(self.prompt) + max(map(len, self.choices)) - 1


def pack(
    tokenizer, prompt: str, choices: Sequence[str], name: str = "", before: str = "", after: str = ""
) -> PackedQuestion:
    """Tokenise as lm-eval does (``TemplateLM._encode_pair``).

    Blanks at the prompt's end move to the choice. A choice is what stands in encoding(prompt + " " + choice) behind the
    length of encoding(prompt), also where the tokenizer merges the prompt's end with the choice, or appends an end of
    sequence to both. What a chat template puts ``before`` and ``after`` a prompt belongs to it, and a choice follows
    directly. Raises DataError, which names the question, when the prompt is empty, a choice adds no token, or
    all choices have the same tokens.
    """
    name = f"question {name}" if name else f"question {prompt[-QUOTED:]!r}"
    if not prompt.strip():
        raise DataError(f"{name}: its prompt is empty: give it a text")
    text = in_frame(prompt, before, after)
    prompt_ids = tuple(encode(tokenizer, text.rstrip()))
    choice_ids = []
    for choice in choices:
        ids = tuple(encode(tokenizer, f"{text}{joint(after)}{choice}")[len(prompt_ids) :])
        if not ids:
            raise DataError(f"{name}: choice {choice!r} adds no token to its prompt: give it a text")
        choice_ids.append(ids)
    if len(set(choices)) > 1 and len(set(choice_ids)) == 1:
        raise DataError(
            f"{name}: all its choices are the tokens {list(choice_ids[0])}: if the tokenizer appends an end of "
            "sequence, set add_eos_token to false in its tokenizer_config.json"
        )
    return PackedQuestion(prompt_ids, tuple(choice_ids), name)


def longest_input(config) -> int | None:
    """The number of positions that a model's configuration gives it, or None where it gives none."""
    return positions_of(config.to_dict())


def cut(question: PackedQuestion, longest: int | None) -> list[PackedQuestion]:
    """The question as rows that take at most ``longest`` positions, their prompts cut from the left as lm-eval does.

    One row where the question fits; else a row a choice, since a longer choice leaves less room for the prompt. Raises
    DataError for a choice that leaves none.
    """
    if longest is None or question.positions <= longest:
        return [question]
    rows = []
    for choice in question.choices:
        room = longest + 1 - len(choice)
        if room < 1:
            raise DataError(f"{question.name}: a choice has {len(choice)} tokens, the model {longest} positions")
        rows.append(replace(question, prompt=question.prompt[-room:], choices=(choice,)))
    return rows
