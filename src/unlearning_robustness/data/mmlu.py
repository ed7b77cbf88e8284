"""MMLU (Hendrycks et al., arXiv 2009.03300) as cais/mmlu has it: columns question, subject, choices, answer."""

import pandas

from unlearning_robustness.data.items import need_columns


def items(frame: pandas.DataFrame, part: str) -> pandas.DataFrame:
    """Questions of any part as items, subjects in words as lm-eval writes them ("high school biology")."""
    need_columns(frame, ("question", "subject", "choices", "answer"), "MMLU")
    return pandas.DataFrame(
        {
            "subject": frame["subject"].str.replace("_", " "),
            "stem": frame["question"],
            "options": [list(choices) for choices in frame["choices"]],
            "answer": frame["answer"].astype(int),
        }
    )
