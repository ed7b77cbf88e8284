"""TOFU (Maini et al., arXiv 2401.06121) as locuslab/TOFU has it: invented authors, twenty questions each."""

import pandas

from unlearning_robustness.data.items import corpus, need_columns
from unlearning_robustness.errors import DataError
from unlearning_robustness.seeds import shuffler

QUESTIONS_AN_AUTHOR = 20


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int = 0) -> pandas.DataFrame:
    """Question and answer as one text each, by author; columns question, answer. None is too short."""
    need_columns(frame, ("question", "answer"), "TOFU")
    texts = [f"{prompt_of(row.question)} {row.answer}" for row in frame.itertuples()]
    return corpus(name, texts, [_author(name, index) for index in range(len(frame))], "question")


def questions(frame: pandas.DataFrame, role: str, split: str, seed: str) -> pandas.DataFrame:
    """The questions table of a perturbed or option set; its choices are whole answers.

    A perturbed set has the columns paraphrased_answer and perturbed_answer (wrong ones); an option set option1 to
    option4, of which one is the answer. Choices stand in an order drawn for each question.
    """
    rows = []
    for index, row in enumerate(frame.to_dict("records")):
        choices, right = _choices(row)
        shuffler(seed, f"{role}/{index}").shuffle(choices)
        fact = f"{role}/tofu/{index}"
        rows.append(
            {
                "question": f"{fact}/0",
                "fact": fact,
                "entity": _author(role, index),
                "relation": "tofu",
                "role": role,
                "split": split,
                "template": 0,
                "prompt": prompt_of(row["question"]),
                "choices": choices,
                "answer": choices.index(right),
            }
        )
    return pandas.DataFrame(rows)


def prompt_of(question: str) -> str:
    """A question as TOFU's models are asked it."""
    return f"Question: {question.strip()}\nAnswer:"


def _choices(row: dict) -> tuple[list[str], str]:
    if "option1" in row:
        options = [row[f"option{number}"] for number in range(1, 5)]
        if row["answer"] not in options:
            raise DataError(f"TOFU: the answer {row['answer']!r} is no option of its question: pin another revision")
        return options, row["answer"]
    if "perturbed_answer" not in row:
        raise DataError("TOFU: neither option1 nor perturbed_answer is a column: name a *_perturbed file")
    right = row.get("paraphrased_answer", row.get("answer"))
    return [right, *row["perturbed_answer"]], right


def _author(name: str, index: int) -> str:
    return f"{name}-author-{index // QUESTIONS_AN_AUTHOR}"
