"""The columns of ``records.parquet``: their types, units and meaning.

``python -m unlearning_robustness.scoring.record_schema`` prints the table of docs/records.md.
"""

from typing import NamedTuple

TEXT, INTEGER, NUMBER, BOOLEAN = "text", "integer", "float32", "boolean"
TEXTS, NUMBERS = f"list of {TEXT}", f"list of {NUMBER}"


class Column(NamedTuple):
    """A column: its type, its unit, and what it says; ``-`` is no unit."""

    type: str
    unit: str
    meaning: str


SCHEMA = {
    "model": Column(TEXT, "-", "id of the model before unlearning, as in `models`"),
    "benchmark": Column(TEXT, "-", "id of the benchmark"),
    "method": Column(TEXT, "-", "id of the method; `reference` is the model before unlearning"),
    "defence": Column(TEXT, "-", "ids of the defences, joined by `.`; or `none`"),
    "seed": Column(INTEGER, "-", "seed of unlearning and attack"),
    "attack": Column(TEXT, "-", "id of the attack, or `none`"),
    "documents": Column(INTEGER, "documents", "how many documents the attacker had; 0 where it needs none"),
    "steps": Column(INTEGER, "steps", "how many steps the attacker took, 0 where it takes none"),
    "setting": Column(TEXT, "-", "what the attack chose, in words; empty where it chooses nothing"),
    "probe": Column(TEXT, "-", "how the question was asked; `plain` is as it stands"),
    "role": Column(TEXT, "-", "`forget`, `retain` or `neighbour`"),
    "split": Column(TEXT, "-", "`test` is reported; on `select` settings were chosen"),
    "relation": Column(TEXT, "-", "what is asked of the entity, such as its symbol"),
    "entity": Column(TEXT, "-", "whom the fact is about"),
    "fact": Column(TEXT, "-", "id of the fact; several templates ask about one"),
    "template": Column(INTEGER, "-", "which of the relation's sentences asks, from 0"),
    "question": Column(TEXT, "-", "id of the question, one fact in one template"),
    "prompt": Column(TEXT, "-", "the text that was asked, as the probe or the attack left it"),
    "choices": Column(TEXTS, "-", "the C choices, in the order of the question"),
    "answer": Column(INTEGER, "-", "index of the right choice, from 0"),
    "log_likelihoods": Column(NUMBERS, "nats", "log p(choice given prompt) of each choice, summed over its tokens"),
    "entropy": Column(NUMBER, "nats", "entropy of the softmax over `log_likelihoods`, 0 to log C"),
    "prediction": Column(INTEGER, "-", "index of the choice with the largest deciding score"),
    "correct": Column(BOOLEAN, "-", "whether `prediction` is `answer`"),
    "token_means": Column(NUMBERS, "nats a token", "`log_likelihoods` over the number of the choice's tokens"),
    "byte_means": Column(NUMBERS, "nats a byte", "`log_likelihoods` over the number of the choice's UTF-8 bytes"),
    "decided_by": Column(TEXT, "-", "the deciding score: `sum`, `token-mean` or `byte-mean`"),
    "tied": Column(BOOLEAN, "-", "whether several choices have the largest deciding score"),
    "tokens_cut": Column(INTEGER, "tokens", "by how many tokens the question was too long for the model"),
    "before": Column(TEXT, "-", "what a chat template puts before the prompt; empty without one"),
    "after": Column(TEXT, "-", "what it puts between the prompt and the choice"),
}


def table() -> str:
    """The columns as a table in Markdown."""
    lines = ["| column | type | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {' | '.join(column)} |" for name, column in SCHEMA.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
