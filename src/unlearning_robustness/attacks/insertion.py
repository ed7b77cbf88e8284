"""Tokens put into prompts: which may be used, where they stand, and whether they survive as text.

An attack that searches over tokens is asked as text in the end. What it optimises is what is asked only if the text of
its tokens, inside the prompt, is encoded as the very same tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas
import torch

from unlearning_robustness.errors import DataError
from unlearning_robustness.scoring.chat import in_frame, joint
from unlearning_robustness.scoring.decision import SUM, divisors
from unlearning_robustness.scoring.packing import pack
from unlearning_robustness.scoring.questions import frames_of

Place = Literal["before", "after"]
ANCHOR = "!"


def insert(text: str, prompt: str, place: Place) -> str:
    """The prompt with the text on a line before it, or directly after it."""
    return "".join(_around(text, prompt, place))


def _around(text: str, prompt: str, place: Place) -> tuple[str, str]:
    """The part up to the end of the text, and the part after it."""
    return (text, f"\n{prompt}") if place == "before" else (f"{prompt}{text}", "")


@dataclass(frozen=True)
class Slot:
    """A question with room for tokens: ids before them, ids of the prompt behind them, and those of each choice.

    ``right`` is the right choice's number, ``divisors`` are what sums of log-likelihoods are divided by before choices
    are compared, and ``name`` is for errors. ``plain`` is the question without room, with its right choice but for its
    last id, which predicts nothing; its last ``shared`` ids also stand behind the tokens.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    right: int
    plain: tuple[int, ...]
    shared: int
    divisors: tuple[int, ...]
    name: str

    @property
    def answer(self) -> tuple[int, ...]:
        """Ids of the right choice."""
        return self.choices[self.right]


class Insertion:
    """Questions (columns prompt, choices, answer) with room for tokens before or after the prompt.

    In a chat template (columns before, after) that is within the user's turn.
    """

    def __init__(self, tokenizer, questions: pandas.DataFrame, place: Place):
        self.tokenizer, self.place = tokenizer, place
        self.texts = [(row.prompt, list(row.choices)) for row in questions.itertuples()]
        self.frames = frames_of(questions)
        rows = zip(questions.to_dict("records"), self.frames, strict=True)
        self.slots = [self._slot(row, *frame) for row, frame in rows]

    def _slot(self, row: dict, before: str, after: str) -> Slot:
        prompt, choices, answer = row["prompt"], row["choices"], row["answer"]
        left, right = _around(ANCHOR, prompt, self.place)
        asked = pack(self.tokenizer, f"{left}{right}", choices, row.get("question", ""), before, after)
        head = self.tokenizer.encode(f"{before}{_around('', prompt, self.place)[0]}")
        plain = self.tokenizer.encode(f"{in_frame(prompt, before, after)}{joint(after)}{choices[answer]}")[:-1]
        tail, shared = asked.prompt[len(self.tokenizer.encode(f"{before}{left}")) :], 0
        behind = tail + asked.choices[answer][:-1]
        # The first token of a text is an attention sink, so it is not compared with one further in.
        while shared < min(len(behind), len(plain) - 1) and behind[-1 - shared] == plain[-1 - shared]:
            shared += 1
        compared = tuple(divisors(row.get("decided_by", SUM), choices, asked.choices))
        return Slot(tuple(head), tail, asked.choices, int(answer), tuple(plain), shared, compared, asked.name)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the tokens."""
        return self.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)

    def survives(self, ids: Sequence[int]) -> bool:
        """Whether the tokens' text is encoded as these tokens, alone between the same others, before every choice."""
        text = self.decode(ids)
        return all(
            self.tokenizer.encode(f"{in_frame(insert(text, prompt, self.place), *frame)}{joint(frame[1])}{choice}")
            == [*slot.head, *ids, *slot.tail, *choice_ids]
            for (prompt, choices), frame, slot in zip(self.texts, self.frames, self.slots, strict=True)
            for choice, choice_ids in zip(choices, slot.choices, strict=True)
        )

    def usable(self, vocabulary: int) -> torch.Tensor:
        """Ids (K,), below ``vocabulary``, printable ASCII, not blank, without a space at the end; none special."""
        ids = range(min(vocabulary, len(self.tokenizer)))
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.get_added_vocab().values()}
        texts = [self.decode([index]) for index in ids]
        again = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        kept = [
            index
            for index, text, encoded in zip(ids, texts, again, strict=True)
            if index not in special and text.isascii() and text.isprintable() and text.strip()
            and not text.endswith(" ") and encoded == [index]
        ]  # fmt: skip
        return torch.tensor(kept, dtype=torch.long)

    def start(self, usable: torch.Tensor, count: int, random: torch.Generator) -> torch.Tensor:
        """Random usable tokens (count,) that survive together; DataError when none are found."""
        for _ in range(20):
            ids: list[int] = []
            for index in torch.randint(len(usable), (20 * count,), generator=random).tolist():
                if len(ids) < count and self.survives([*ids, usable[index].item()]):
                    ids.append(usable[index].item())
            if len(ids) == count:
                return torch.tensor(ids)
        raise DataError(f"no {count} tokens survive as text {self.place} the prompt: take another place")
