"""A page of example answers before and after, with and without the token."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, in_order
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.runtime.seeds import shuffler

# A page is read from left to right; the records have every method.
MOST_METHODS = 4


def example_answers(records: pandas.DataFrame, config: dict, count: int, seed: int) -> pandas.DataFrame:
    """``count`` facts of the forget and of the retain set: each question with the answer of the first methods' cells.

    The facts are drawn by ``seed``, not picked; answers are those of the study's first seed.
    """
    analysis = config["analysis"]
    probes = [analysis["baseline_probe"], analysis["forget_token_probe"], analysis["neutral_token_probe"]]
    chosen = records[(records["attack"] == NONE) & (records["split"] == "test")]
    chosen = chosen[chosen["seed"] == config["study"]["seeds"][0]]
    unlearned = [name for name in in_order(config["study"], "methods") if name != REFERENCE]
    kinds = [(REFERENCE, NONE)] + [
        (method, defence)
        for method in unlearned[:MOST_METHODS]
        for defence in (NONE, "rna")
        if ((chosen["method"] == method) & (chosen["defence"] == defence)).any()
    ]
    rows = []
    for role in ("forget", "retain"):
        part = chosen[chosen["role"] == role]
        facts = shuffler(seed, f"examples/{role}").sample(
            sorted(part["fact"].unique()), min(count, part["fact"].nunique())
        )
        for fact in facts:
            asked = part[part["fact"] == fact].drop_duplicates(["method", "defence", "probe"])
            for probe in [name for name in probes if name in set(asked["probe"])]:
                rows.append(_row(asked[asked["probe"] == probe], kinds, role))
    return pandas.DataFrame(rows)


def _row(asked: pandas.DataFrame, kinds: list[tuple[str, str]], role: str) -> dict:
    first = asked.iloc[0]
    row = {"set": role, "question": f"{first['prompt']} …", "answer": first["choices"][first["answer"]]}
    for method, defence in kinds:
        found = asked[(asked["method"] == method) & (asked["defence"] == defence)]
        name = "reference" if method == REFERENCE else f"{method}" if defence == NONE else f"{method} + {defence}"
        row[name] = "" if found.empty else _said(found.iloc[0])
    return row


def _said(record) -> str:
    text = record["choices"][record["prediction"]]
    return text if record["correct"] else f"✗ {text}"


def example_page(table: pandas.DataFrame) -> str:
    """The examples as markdown."""
    intro = (
        "# Example answers\n\nFacts drawn at random, the first seed. ✗ marks a wrong answer. "
        "Each column is a model; each row a question as the model saw it.\n\n"
    )
    return intro + markdown(table)
