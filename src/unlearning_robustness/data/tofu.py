"""TOFU (Maini et al., arXiv 2401.06121) as locuslab/TOFU has it: invented authors, twenty questions each."""

import pandas

from unlearning_robustness.data.items import answered, corpus, need_columns, open_rows
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

QUESTIONS_AN_AUTHOR = 20
# What is asked, by role; all of them *_perturbed files.
PARTS = ("forget", "retain", "real-authors", "world-facts")


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int = 0) -> pandas.DataFrame:
    """Question and answer as one text each, by author; columns question, answer. None is too short."""
    need_columns(frame, ("question", "answer"), "TOFU")
    texts = [text_of(row.question, row.answer) for row in frame.itertuples()]
    return corpus(name, texts, [_author(name, index) for index in range(len(frame))], "question")


def questions(
    frame: pandas.DataFrame, role: str, splits: dict[str, int], seed: str, distractors: int
) -> pandas.DataFrame:
    """The questions table of a perturbed or option set; its choices are whole answers.

    A perturbed set has the columns paraphrased_answer and perturbed_answer (wrong ones); an option set option1 to
    option4, of which one is the answer. ``distractors`` wrong ones are drawn; DataError when there are fewer.
    """
    rows = []
    for index, row in enumerate(frame.to_dict("records")):
        right, wrong = _choices(row)
        if len(wrong) < distractors:
            raise DataError(f"TOFU has {len(wrong)} wrong answers, not {distractors}: lower benchmarks.*.distractors")
        drawn = shuffler(seed, f"{role}/{index}/wrong").sample(wrong, distractors)
        rows.append(
            {"entity": _author(role, index), "prompt": prompt_of(row["question"]), "right": right, "wrong": drawn}
        )
    return answered(rows, role, "tofu", splits, seed)


def open_questions(parts: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """Every question with its answer, its paraphrased answer and wrong ones; columns as open_rows has them.

    Real authors and world facts have no paraphrase, so the answer stands for it, as in TOFU's released code.
    """
    tables = []
    for role in PARTS:
        need_columns(parts[role], ("question", "answer", "perturbed_answer"), f"TOFU {role}")
        paraphrase = "paraphrased_answer" if "paraphrased_answer" in parts[role] else "answer"
        columns = {"prompt": "question", "truth": "answer", "paraphrase": paraphrase, "wrong": "perturbed_answer"}
        tables.append(open_rows("question", role, parts[role], **columns))
    return pandas.concat(tables, ignore_index=True)


def prompt_of(question: str) -> str:
    """A question as TOFU's models are asked it."""
    return f"Question: {question.strip()}\nAnswer:"


def text_of(question: str, answer: str) -> str:
    """A question with its answer, as it is trained on."""
    return f"{prompt_of(question)} {answer}"


def _choices(row: dict) -> tuple[str, list[str]]:
    """The right answer and the wrong ones."""
    if "option1" in row:
        options = [row[f"option{number}"] for number in range(1, 5)]
        if row["answer"] not in options:
            raise DataError(f"TOFU: the answer {row['answer']!r} is no option of its question: pin another revision")
        return row["answer"], [option for option in options if option != row["answer"]]
    if "perturbed_answer" not in row:
        raise DataError("TOFU: neither option1 nor perturbed_answer is a column: name a *_perturbed file")
    return row.get("paraphrased_answer", row.get("answer")), list(row["perturbed_answer"])


def _author(name: str, index: int) -> str:
    return f"{name}-author-{index // QUESTIONS_AN_AUTHOR}"
