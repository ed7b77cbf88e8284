"""MUSE (Shi et al., arXiv 2407.06460) as muse-bench/MUSE-News and MUSE-Books have it: texts, and open questions."""

import pandas

from unlearning_robustness.data.items import corpus, need_columns


def documents(frame: pandas.DataFrame, name: str, minimum_characters: int) -> pandas.DataFrame:
    """Texts of raw, privleak, sust or scal longer than that; column text. Every text is an entity of its own."""
    need_columns(frame, ("text",), "MUSE")
    texts = frame.loc[frame["text"].str.len() > minimum_characters, "text"]
    return corpus(name, texts.tolist(), [f"{name}-text-{index}" for index in texts.index], "article")


def knowledge(frame: pandas.DataFrame, role: str, examples: pandas.DataFrame) -> pandas.DataFrame:
    """KnowMem: questions answered in words, behind the examples' questions and answers; columns question, answer."""
    for table in (frame, examples):
        need_columns(table, ("question", "answer"), "MUSE knowmem")
    shown = "".join(f"Question: {row.question}\nAnswer: {row.answer}\n\n" for row in examples.itertuples())
    prompts = [f"{shown}Question: {text}\nAnswer:" for text in frame["question"]]
    return _open(prompts, frame["answer"], role, "knowmem")


def verbatim(frame: pandas.DataFrame, role: str) -> pandas.DataFrame:
    """VerbMem: the beginning of a text and how it goes on; columns prompt, gt."""
    need_columns(frame, ("prompt", "gt"), "MUSE verbmem")
    return _open(frame["prompt"], frame["gt"], role, "verbmem")


def _open(prompts, references, role: str, relation: str) -> pandas.DataFrame:
    """Questions without choices: the columns of the questions table with ``reference`` for choices and answer."""
    facts = [f"{role}/{relation}/{index}" for index in range(len(prompts))]
    return pandas.DataFrame(
        {
            "question": [f"{fact}/0" for fact in facts],
            "fact": facts,
            "entity": facts,
            "relation": relation,
            "role": role,
            "split": "test",
            "template": 0,
            "prompt": list(prompts),
            "reference": list(references),
        }
    )
