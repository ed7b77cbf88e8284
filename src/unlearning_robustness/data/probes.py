"""Probes: the same retain question, asked in a form that may trip an unlearned model.

RNA's threat model (arXiv 2501.19202): no adversary, one benign forget-token stands in a retain query. Each
probe has a control with a neutral token of equal token length, so that what is measured is the token's
meaning and not the disturbance. The paper replaces a wrong option of an MMLU item by the token (mode
``option``); the other modes are ours. Of an item whose options stand behind letters, they change the question alone,
neither the introduction before it nor the options.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from unlearning_robustness.config.cells import NO_QUESTION
from unlearning_robustness.data.descriptions import alias, multi_hop
from unlearning_robustness.data.items import INTRO
from unlearning_robustness.data.neutral_nouns import NEUTRAL_NOUNS
from unlearning_robustness.data.questions import Question
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

# What stands before options that no question asks for.
UNASKED = "The answer is"
LETTERS = ("A", "B", "C", "D", "E", "F", "G", "H")


def plain(question: Question, words: Sequence[str], rng) -> Question:
    """The question as it is."""
    return question


def is_lettered(question: Question) -> bool:
    """Whether the prompt lists the options, each behind a letter that is the choice."""
    return question.choices == LETTERS[: len(question.choices)]


def around_stem(question: Question) -> tuple[str, str, str]:
    """Split the prompt into what precedes the question itself, the question, and what follows it."""
    if not is_lettered(question):
        return "", question.prompt, ""
    starts = [question.prompt.index("\n\n") + 2] if question.prompt.startswith(INTRO) else [0]
    # Behind answered questions, if some are shown.
    starts += [match.end() for match in re.finditer(r"\nAnswer: [A-H]\n\n", question.prompt)]
    start = starts[-1]
    end = question.prompt.rindex(f"\n{LETTERS[0]}. ")
    return question.prompt[:start], question.prompt[start:end], question.prompt[end:]


def _with_stem(question: Question, change: Callable[[str], str]) -> Question:
    before, stem, behind = around_stem(question)
    return replace(question, prompt=f"{before}{change(stem)}{behind}")


def prefix(question: Question, words: Sequence[str], rng) -> Question:
    """Put the words before the question: "Sodium, iron. The capital of France is"."""
    return _with_stem(question, lambda stem: f"{capital(', '.join(words))}. {stem}")


def suffix(question: Question, words: Sequence[str], rng) -> Question:
    """Put the words after the question, before its options if it has any: "What is old? Sodium, iron."."""
    return _with_stem(question, lambda stem: f"{stem} {capital(', '.join(words))}.")


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return f"{text[0].upper()}{text[1:]}"


def position(question: Question, words: Sequence[str], rng) -> Question:
    """Insert the words at a random position between two words of the question, or behind its only word."""

    def change(stem: str) -> str:
        parts = stem.split(" ")
        position = rng.randrange(1, len(parts)) if len(parts) > 1 else 1
        return " ".join([*parts[:position], *words, *parts[position:]])

    return _with_stem(question, change)


def substitute(question: Question, words: Sequence[str], rng) -> Question:
    """Each word replaces a random word of the question, not its first or last one while others are left.

    Raises DataError when the question has fewer words.
    """

    def change(stem: str) -> str:
        parts = stem.split(" ")
        positions = range(1, len(parts) - 1) if len(parts) - 2 >= len(words) else range(len(parts))
        if len(positions) < len(words):
            raise DataError(
                f"{question.question}: {len(positions)} words, {len(words)} to replace: lower probes.*.count"
            )
        for position, word in zip(sorted(rng.sample(positions, len(words))), words, strict=True):
            parts[position] = word
        return " ".join(parts)

    return _with_stem(question, change)


def mention(question: Question, words: Sequence[str], rng) -> Question:
    """A natural sentence before the question mentions the words."""
    return _with_stem(
        question, lambda stem: f"After reading about {' and '.join(words)}, we answered a question. {stem}"
    )


def option(question: Question, words: Sequence[str], rng) -> Question:
    """List the options; the words, if any, replace a wrong one, in the text and as option."""
    wrong = [index for index in range(len(question.choices)) if index != question.answer]
    return _listed(question, rng.choice(wrong) if words else 0, ", ".join(words))


def right_option(question: Question, words: Sequence[str], rng) -> Question:
    """List the options; the words precede the right one, in the text and as option: "sodium Paris"."""
    return _listed(question, question.answer, "".join(f"{word} " for word in words), keep=True)


def _listed(question: Question, index: int, text: str, keep: bool = False) -> Question:
    """The listed options, of which a text replaces the one at ``index``, or with ``keep`` precedes it."""
    if is_lettered(question):
        return _lettered_option(question, index, text, keep)
    choices = list(question.choices)
    if text:
        choices[index] = text + (choices[index] if keep else "")
    return replace(question, prompt=f"Options: {', '.join(choices)}. {question.prompt}", choices=tuple(choices))


def _lettered_option(question: Question, index: int, text: str, keep: bool) -> Question:
    """An option that stands behind a letter in the question already; without a text the question is as it was."""
    if not text:
        return question
    start = question.prompt.rindex(f"\n{LETTERS[index]}. ") + 4
    following = [*LETTERS[: len(question.choices)], None][index + 1]
    end = start if keep else question.prompt.rindex(f"\n{following}. " if following else "\nAnswer:")
    return replace(question, prompt=f"{question.prompt[:start]}{text}{question.prompt[end:]}")


def no_question(question: Question, words: Sequence[str], rng) -> Question:
    """The options alone: listed ones without the question above them, others behind ``UNASKED``."""
    before, _, behind = around_stem(question)
    return replace(question, prompt=f"{before}{behind}" or UNASKED)


def letter(question: Question, words: Sequence[str], rng) -> Question:
    """The MMLU format: options behind letters, the letter is the answer."""
    letters = LETTERS[: len(question.choices)]
    lines = [f"{name}. {choice}" for name, choice in zip(letters, question.choices, strict=True)]
    text = "\n".join([f"{question.prompt} ...", *lines, "Answer:"])
    return replace(question, prompt=text, choices=letters)


# None of a question that cannot be asked in a mode.
MODES: dict[str, Callable[[Question, Sequence[str], object], Question | None]] = {
    "plain": plain,
    "prefix": prefix,
    "suffix": suffix,
    "position": position,
    "substitute": substitute,
    "mention": mention,
    "option": option,
    "right-option": right_option,
    "letter": letter,
    "alias": alias,
    "multi-hop": multi_hop,
    NO_QUESTION: no_question,
}


def matched_words(
    tokenizer, forget_words: Sequence[str], neutral_words: Sequence[str] = NEUTRAL_NOUNS
) -> dict[str, list[str]]:
    """Each forget word with the neutral words of as many tokens, wherever they stand; words without any are left out.

    Raises DataError when no forget word has a neutral match, or the tokenizer does not know a word.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)

    def length(word: str) -> tuple[int, int]:
        # Inside a sentence, and at the beginning of one.
        inside, first = (tokenizer.encode(text, add_special_tokens=False) for text in (f" {word}", capital(word)))
        if unknown is not None and unknown in (*inside, *first):
            raise DataError(f"the tokenizer has no tokens for {word!r}: choose other forget words or another model")
        return len(inside), len(first)

    by_length: dict[tuple[int, int], list[str]] = {}
    for word in neutral_words:
        by_length.setdefault(length(word), []).append(word)
    matched = {word: by_length[length(word)] for word in forget_words if length(word) in by_length}
    if not matched:
        raise DataError("no forget word has a neutral word of equal token length")
    return matched


def apply_probe(
    questions: Sequence[Question],
    mode: str,
    tokens: str,
    count: int,
    matched: dict[str, dict[str, list[str]]],
    seed: str,
) -> list[Question]:
    """Apply one probe to every question; those that cannot be asked so are left out.

    ``tokens`` is ``none``, ``forget``, ``neutral`` or ``other-neutral``; ``matched`` maps a split to its forget
    words, each with its neutral matches. A question's forget words are the same in every mode, and a neutral word
    matches the forget word it stands for, another neutral one both; position and replaced option are the same for all.
    """
    result = []
    for question in questions:
        words: list[str] = []
        if tokens != "none":
            pool = matched[question.split]
            draw = shuffler(seed, f"{question.question}/words")
            # A question about a thing must not be tripped by its own name.
            candidates = [word for word in sorted(pool) if word.lower() not in question.prompt.lower()]
            if len(candidates) < count:
                raise DataError(f"there are {len(candidates)} forget tokens, not {count}: lower probes.*.count")
            words = draw.sample(candidates, count)
            if tokens != "forget":
                neutral = _neutral(words, pool, draw)
                words = neutral if tokens == "neutral" else _neutral(words, pool, draw, neutral)
        if changed := MODES[mode](question, words, shuffler(seed, f"{question.question}/place")):
            result.append(changed)
    if questions and not result:
        raise DataError(f"no question can be asked in the mode {mode}: leave this probe out, or change probes.*.roles")
    return result


def _neutral(words: list[str], pool: dict[str, list[str]], draw, taken: Sequence[str] = ()) -> list[str]:
    """For each forget word a neutral one of its length, each used once, and none ``taken``, while there are others."""
    chosen: list[str] = []
    for word in words:
        fresh = [neutral for neutral in pool[word] if neutral not in (*chosen, *taken)]
        chosen.append(draw.choice(fresh or pool[word]))
    return chosen
