"""WMDP (Li et al., arXiv 2403.03218): questions as cais/wmdp has them, and the texts that are forgotten.

Nothing of it is kept in the repository: questions and texts are fetched, and the biology texts are gated.
"""

import pandas

from unlearning_robustness.data.checked_items import checked_items, with_choices
from unlearning_robustness.data.items import corpus, need_columns

SUBJECTS = {"bio": "biology", "chem": "chemistry", "cyber": "cybersecurity"}


def items(frame: pandas.DataFrame, part: str) -> pandas.DataFrame:
    """Questions as items; columns question, choices, answer. The subject of any part but WMDP's own is its name."""
    frame = with_choices(frame)
    need_columns(frame, ("question", "choices", "answer"), f"WMDP {part}")
    return checked_items(frame, [SUBJECTS.get(part, part.replace("-", " "))] * len(frame))


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int) -> pandas.DataFrame:
    """Texts of a corpus, longer than ``minimum_characters`` as RMU's released code has it; column text."""
    need_columns(frame, ("text",), "the WMDP corpus")
    texts = frame["text"].dropna()
    texts = texts[texts.str.len() > minimum_characters]
    return corpus(name, texts.tolist(), [f"{name}-document-{index}" for index in texts.index], "article", texts.index)
