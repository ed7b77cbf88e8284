"""Wikitext-2-raw (Merity et al., arXiv 1609.07843) as Salesforce/wikitext has it: one line a row, column text."""

import re

import pandas

from unlearning_robustness.data.items import corpus, need_columns

TITLE = re.compile(r" = (?!= )(.+?) = \n?")


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int) -> pandas.DataFrame:
    """Rows longer than ``minimum_characters``, each with its article as entity; RMU's retain text.

    Headings are left out whatever their length, which RMU's released code does not do.
    """
    need_columns(frame, ("text",), "wikitext")
    titles = frame["text"].str.extract(f"^{TITLE.pattern}$", expand=False).ffill().fillna("")
    heading = frame["text"].str.match(r" =.*= \n?$")
    kept = (frame["text"].str.len() > minimum_characters) & ~heading
    return corpus(
        name, frame.loc[kept, "text"].str.strip().tolist(), titles[kept].tolist(), "article", frame.index[kept]
    )
