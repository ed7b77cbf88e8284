"""MMLU (Hendrycks et al., arXiv 2009.03300) as cais/mmlu has it: columns question, subject, choices, answer."""

import pandas

from unlearning_robustness.data.checked_items import checked_items, with_choices
from unlearning_robustness.data.items import need_columns


def items(frame: pandas.DataFrame, part: str) -> pandas.DataFrame:
    """Questions of any part as items, subjects in words as lm-eval writes them ("high school biology")."""
    frame = with_choices(frame)
    need_columns(frame, ("question", "subject", "choices", "answer"), "MMLU")
    items = checked_items(frame, frame["subject"])
    return items.assign(subject=items["subject"].str.replace("_", " "))
