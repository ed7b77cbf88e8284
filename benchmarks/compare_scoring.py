"""Multiple choice: lm-eval's hf backend and the scorer, on the same questions with the same predictions.

Questions have the shape of MMLU's and WMDP's and no content: stems and options are drawn from common words.
"""

import random
from dataclasses import dataclass

import pandas
import torch
from comparison import Comparison, compare

from unlearning_robustness.scoring.questions import QuestionScorer

WORDS = (
    "the of and to in a is that for it was on with as be by this at from are which not or have an one they all had "
    "were there been their has more when who will if no out so said what up its about into than them can only other "
    "time new some could these two may first then do any like my now over such our even most me state after also made "
    "many did must before back through years where much your way well down should because long each just people those "
    "report number course water house letter table river market season garden window paper morning village winter"
).split()
LETTERS = ["A", "B", "C", "D"]
SHOTS = 5
BATCH = 16
# As quick on a CPU as more, and so few questions are padded little.
LM_EVAL_BATCH = 4
# Nats, in float32 over prompts of thousands of tokens; predictions are equal.
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Subject:
    """So many ``questions``, whose stems have about so many ``words``, and each option ``option_words``."""

    questions: int
    words: int
    option_words: int = 6


# Prompts of about 60 to 450 tokens alone, of 300 to 800 behind five answered questions, and of 3,100.
ALONE = (Subject(8, 20), Subject(4, 80), Subject(1, 330))
BEHIND_SHOTS = (Subject(12, 20), Subject(6, 80))
LONG = (Subject(2, 420),)
SHORT = (Subject(4, 20),)
TINY = (Subject(6, 4, 1), Subject(4, 10, 1))


def text(words: int, drawn: random.Random) -> str:
    """So many common words."""
    return " ".join(drawn.choices(WORDS, k=words))


def item(subject: Subject, drawn: random.Random) -> tuple[str, list[str]]:
    """A stem and four different options."""
    options: set[str] = set()
    while len(options) < len(LETTERS):
        options.add(text(max(1, round(subject.option_words * drawn.uniform(0.5, 1.5))), drawn))
    return f"{text(round(subject.words * drawn.uniform(0.8, 1.2)), drawn).capitalize()}?", sorted(options)


def questions(subjects: tuple[Subject, ...], shots: int, letters: bool, seed: int = 0) -> pandas.DataFrame:
    """Questions (columns prompt, choices, answer) with letters to choose from, as MMLU has them, or whole options."""
    drawn, rows = random.Random(seed), []
    for subject in subjects:
        name = text(2, drawn)
        items = [item(subject, drawn) for _ in range(shots + subject.questions)]
        asked = [_asked(stem, options, letters) for stem, options in items]
        intro = f"The following are multiple choice questions (with answers) about {name}.\n\n"
        shown = "".join(f"{prompt} {drawn.choice(choices)}\n\n" for prompt, choices in asked[:shots])
        rows += [{"prompt": f"{intro}{shown}{prompt}", "choices": choices} for prompt, choices in asked[shots:]]
    return pandas.DataFrame(rows).assign(answer=0)


def _asked(stem: str, options: list[str], letters: bool) -> tuple[str, list[str]]:
    if not letters:
        return f"Question: {stem}\nAnswer:", options
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=True))
    return f"{stem}\n{lines}\nAnswer:", LETTERS


class LMEval:
    """lm-eval's hf backend, with prompts and choices as its multiple-choice tasks give them."""

    def __init__(self, model, tokenizer, batch_size: int):
        from lm_eval.models.huggingface import HFLM

        self.backend = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)

    def log_likelihoods(self, table: pandas.DataFrame) -> torch.Tensor:
        """Float32 (Q, C)."""
        from lm_eval.api.instance import Instance

        requests = [
            Instance(request_type="loglikelihood", doc={}, arguments=(row.prompt, f" {choice}"), idx=0)
            for row in table.itertuples()
            for choice in row.choices
        ]
        scores = [score for score, _ in self.backend.loglikelihood(requests, disable_tqdm=True)]
        return torch.tensor(scores).view(len(table), -1)


def difference_of_scores(plain: torch.Tensor, ours: torch.Tensor) -> float:
    """The largest difference of log-likelihoods (Q, C) in nats; AssertionError where a prediction differs."""
    assert torch.equal(plain.argmax(-1), ours.argmax(-1)), "predictions differ"
    return (plain - ours).abs().max().item()


def compare_scoring(model, tokenizer, tiny: bool) -> list[Comparison]:
    """Single letters and whole options, each alone and behind five answered questions."""
    lm_eval = LMEval(model, tokenizer, LM_EVAL_BATCH)
    ways = {
        "letters": (ALONE, 0, True),
        "letters behind five shots": (BEHIND_SHOTS, SHOTS, True),
        "letters behind five long shots": (LONG, SHOTS, True),
        "options of several tokens": (ALONE[:2], 0, False),
        "options of several tokens behind five shots": (SHORT, SHOTS, False),
    }
    tables = {name: questions(TINY if tiny else subjects, *asked) for name, (subjects, *asked) in ways.items()}
    return [
        compare(
            name,
            lambda table=table: lm_eval.log_likelihoods(table),
            lambda table=table: QuestionScorer(tokenizer, table, BATCH).log_likelihoods(model),
            TOLERANCE,
            0,
            difference_of_scores,
        )
        for name, table in tables.items()
    ]
