"""A page of example answers before and after, with and without the token."""

import pandas

from unlearning_robustness.config.cells import NONE, REFERENCE, RNA
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.runtime.seeds import shuffler

LABEL = "example answers"
CAPTION = "Questions drawn at random, with every model's answer before and after unlearning, and with a forget token."
READS = ()
BESIDE = ("records",)
# A page is read from left to right; the records have every method.
MAX_METHODS = 4
INTRODUCTION = (
    "# Example answers\n\nFacts drawn at random, the first seed. ✗ marks a wrong answer. Each column is a model; each "
    "row a question as the model saw it.\n\n"
)


def page(context: ReportContext) -> str:
    """The answers below their introduction."""
    analysis = context.settings["analysis"]
    return INTRODUCTION + markdown(example_answers(context, analysis["examples"], analysis["seed"]))


def example_answers(context: ReportContext, count: int, seed: int) -> pandas.DataFrame:
    """``count`` facts of the forget and of the retain set: each question with the answer of the first methods' cells.

    ``seed`` draws the facts, nobody picks them. Answers are those of the study's first seed, of models without a
    defence and with RNA.
    """
    records, lead = context.records, context.settings["study"]["seeds"][0]
    records = records[(records["attack"] == NONE) & (records["split"] == "test") & (records["seed"] == lead)]
    methods, defences = context.every_method()[:MAX_METHODS], [NONE, *context.of_kind(RNA)]
    kinds = context.cells_of(records, [REFERENCE, *methods], defences)
    rows = []
    for role in ("forget", "retain"):
        part = records[records["role"] == role]
        known = sorted(part["fact"].unique())
        for fact in shuffler(seed, f"examples/{role}").sample(known, min(count, len(known))):
            asked = part[part["fact"] == fact].drop_duplicates(["method", "defence", "probe"])
            for probe in context.settings["headline"].values():
                answers = asked[asked["probe"] == probe]
                if len(answers):
                    rows.append(_row(context, answers, kinds, role))
    return pandas.DataFrame(rows)


def _row(context: ReportContext, answers: pandas.DataFrame, kinds: list[tuple[str, str]], role: str) -> dict:
    """One question: its right answer, and what each kind of cell answers."""
    first, by_kind = answers.iloc[0], answers.set_index(["method", "defence"])
    row = {"set": role, "question": f"{first['prompt']} …", "answer": first["choices"][first["answer"]]}
    for kind in kinds:
        name = context.cell_label(*kind, join=" + ", plain="")
        row[name] = _answer(by_kind.loc[kind]) if kind in by_kind.index else ""
    return row


def _answer(record) -> str:
    text = record["choices"][record["prediction"]]
    return text if record["correct"] else f"✗ {text}"
