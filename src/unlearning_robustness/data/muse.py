"""MUSE (Shi et al., arXiv 2407.06460) as muse-bench/MUSE-News and MUSE-Books have it: texts, and open questions."""

import pandas

from unlearning_robustness.data.items import answered, corpus, need_columns, open_rows
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

# What is asked: part and role, from the columns of which the prompt and the truth come.
KNOWLEDGE = {"prompt": "question", "truth": "answer"}
PARTS = {
    "verbatim-forget": {"prompt": "prompt", "truth": "gt"},
    "knowledge-forget": KNOWLEDGE,
    "knowledge-retain": KNOWLEDGE,
    "shots-forget": KNOWLEDGE,
    "shots-retain": KNOWLEDGE,
    "membership-forget": {"truth": "text"},
    "membership-holdout": {"truth": "text"},
}


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int) -> pandas.DataFrame:
    """Texts of raw, privleak, sust or scal longer than that; column text. Every text is an entity of its own."""
    need_columns(frame, ("text",), "MUSE")
    texts = frame.loc[frame["text"].str.len() > minimum_characters, "text"]
    return corpus(name, texts.tolist(), [f"{name}-text-{index}" for index in texts.index], "article", texts.index)


def questions(
    frame: pandas.DataFrame, role: str, splits: dict[str, int], seed: str, distractors: int
) -> pandas.DataFrame:
    """KnowMem as multiple choice, which MUSE does not ask: the wrong choices are answers to other questions of the set.

    Columns question, answer. Raises DataError when there are too few other answers.
    """
    need_columns(frame, ("question", "answer"), "MUSE knowmem")
    answers, rows = sorted(set(frame["answer"])), []
    for index, row in enumerate(frame.itertuples()):
        others = [answer for answer in answers if answer != row.answer]
        if len(others) < distractors:
            raise DataError(f"there are {len(others)} other answers, not {distractors}: lower benchmarks.*.distractors")
        wrong = shuffler(seed, f"{role}/{index}/wrong").sample(others, distractors)
        prompt = f"Question: {row.question}\nAnswer:"
        rows.append({"entity": f"{role}-question-{index}", "prompt": prompt, "right": row.answer, "wrong": wrong})
    return answered(rows, role, "knowmem", splits, seed)


def open_questions(parts: dict[str, pandas.DataFrame]) -> pandas.DataFrame:
    """The open questions, by the names of PARTS: verbatim prompts, questions, shots, members and hold-outs."""
    tables = []
    for name, columns in PARTS.items():
        need_columns(parts[name], tuple(columns.values()), f"MUSE {name}")
        tables.append(open_rows(*name.split("-"), parts[name], **columns))
    return pandas.concat(tables, ignore_index=True)
