"""Models that were unlearned elsewhere: sentences that a release note can quote, and what they rest on."""

import re
from collections.abc import Iterator

import pandas

from unlearning_robustness.analysis.matrix import FORGET, RETAIN, TOKEN, WORST
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.markup import markdown
from unlearning_robustness.report.words import interval, percent, points, verdict
from unlearning_robustness.scoring.bounds import at_least

LABEL = "audit"
CAPTION = "Models that were unlearned elsewhere, beside the model before unlearning and the one that never knew."
READS = ("audit", "matrix", "accuracy", "token_effects", "measures")
BESIDE = ("matrices",)
BUDGET = re.compile(r"(\d+) documents (\d+) steps")
NAMES = {RETAIN: "retain", TOKEN: "retain, forget token", FORGET: "forget, no attack", WORST: "worst attack"}


def page(context: ReportContext) -> str:
    """A section of sentences a model, then the table of differences, then the rows of the matrix."""
    lines = [f"# Audit: {context.settings['study']['title']}", "", _introduction(context), ""]
    for method in dict.fromkeys(context.tables["audit"]["method"]):
        lines += [f"## {context.method_label(method)}", ""]
        lines += [f"- {sentence}" for sentence in sentences(context, method)]
        lines += ["", markdown(differences(context, method))]
    lines += ["## Beside other models", "", "Accuracies in percent, every attack at the strength chosen on select.", ""]
    return "\n".join([*lines, markdown(beside(context))])


def _introduction(context: ReportContext) -> str:
    confidence = 100 * context.settings["analysis"]["confidence"]
    return (
        f"Every model is asked the same questions: about facts that the reference, the model before unlearning, knew. "
        f"Intervals are {confidence:.0f} % intervals over facts and over the seeds of the attacks; differences are "
        f"paired question by question, in points. A difference that is not shown is no evidence of equality."
    )


def sentences(context: ReportContext, method: str) -> list[str]:
    """What a model forgot, what each attack brings back of it, and what else it lost."""
    table = context.tables["audit"]
    rows = table[(table["method"] == method) & (table["probe"] == context.probe("baseline"))]
    name = context.method_label(method)
    return [
        *_forgotten(name, rows),
        *_attacked(context, method, rows),
        *_worst(context, name, rows),
        *_useful(name, rows),
        *_token(context, method),
    ]


def _row(rows: pandas.DataFrame, role: str, attack: str, reference: bool = True) -> pandas.Series | None:
    """The comparison with the reference, or with the model that never knew, if there is one."""
    against = rows["against"] == REFERENCE
    chosen = rows[(rows["role"] == role) & (rows["attack"] == attack) & (against if reference else ~against)]
    return chosen.iloc[0] if len(chosen) else None


def _forgotten(name: str, rows: pandas.DataFrame) -> Iterator[str]:
    before, never = _row(rows, FORGET, NONE), _row(rows, FORGET, NONE, reference=False)
    reading = verdict(before, "it answers more", "it forgot", "no difference from the reference is shown")
    yield (
        f"Without an attack {name} answers {100 * before['level']:.0f} % of the forget questions and the reference "
        f"{100 * before['other']:.0f} %, {points(before)}: {reading}."
    )
    if never is not None:
        reading = verdict(
            never, "more than a model that never knew would", "less than a model that never knew would",
            "not shown to differ from a model that never knew",
        )  # fmt: skip
        yield f"A model that never knew answers {100 * never['other']:.0f} %, {points(never)}: {reading}."


def _attacked(context: ReportContext, method: str, rows: pandas.DataFrame) -> Iterator[str]:
    """One sentence an attack: what it brings back, and how far that is from the reference under the same attack."""
    matrix = context.tables["matrix"]
    cells = matrix[(matrix["method"] == method) & (matrix["defence"] == NONE)].set_index("column")
    for attack in context.settings["attacks"]:
        paired, never = (_row(rows, FORGET, attack, reference) for reference in (True, False))
        if paired is None:
            continue
        cell = cells.loc[attack]
        gain = {"mean": cell["gain"], "low": cell["gain_low"], "high": cell["gain_high"]}
        reading = verdict(gain, "brings knowledge back", "takes more away", "is not shown to bring anything back")
        yield (
            f"{_budget(context, attack, cell['setting'])} {context.method_label(method)} answers {percent(cell)} of "
            f"the forget questions, {points(gain)} beside no attack: the attack {reading}. Under the same attack the "
            f"reference answers {100 * paired['other']:.0f} %, {points(paired)}{_beside_never(never)}."
            + (f" It does not count: it {doubt}." if (doubt := _doubt(context, cell)) else "")
        )


def _doubt(context: ReportContext, cell: pandas.Series) -> str:
    """Why an attack in a row of the matrix does not count; empty where it does."""
    if cell["valid"]:
        return ""
    costly = not at_least(cell["retain_change"], -context.settings["analysis"]["utility_bound"])
    return "costs too much utility" if costly else "failed its positive control"


def _budget(context: ReportContext, attack: str, setting: str) -> str:
    """What was done, as a sentence begins: "After 15 steps on 60 documents (relearning)"."""
    label = context.attack_label(attack)
    if budget := BUDGET.fullmatch(str(setting)):
        documents, steps = budget.groups()
        return f"After {steps} steps on {documents} documents ({label})"
    return f"Under the attack “{label}” ({setting})"


def _beside_never(never: pandas.Series | None) -> str:
    if never is None:
        return ""
    return f", and a model that never knew {100 * never['other']:.0f} %, {points(never)}"


def _worst(context: ReportContext, name: str, rows: pandas.DataFrame) -> Iterator[str]:
    """How much of the knowledge is still there, by the worst attack on each side."""
    paired, never = (_row(rows, FORGET, WORST, reference) for reference in (True, False))
    if paired is None:
        return
    bound = context.settings["analysis"]["utility_bound"]
    reading = "not shown to be less than the reference"
    if paired["low"] > -bound:
        reading = (
            f"shown to be at most {100 * bound:.0f} points less than the reference, so the knowledge is still there"
        )
    elif paired["high"] < 0:
        reading = "less than the reference, so not all of it comes back"
    yield (
        f"The worst attack on {name} ({paired['setting']}) leaves it at {100 * paired['level']:.0f} %, the worst one "
        f"on the reference leaves that at {100 * paired['other']:.0f} %, {points(paired)}: {reading}."
    )
    if never is not None:
        reading = verdict(
            never,
            "knowledge was left in it",
            "less than one that never knew",
            "that any knowledge was left is not shown",
        )
        yield (
            f"The worst attack on the model that never knew leaves that at {100 * never['other']:.0f} %, "
            f"{points(never)}: {reading}."
        )


def _useful(name: str, rows: pandas.DataFrame) -> Iterator[str]:
    for role in ("retain", "neighbour"):
        if (row := _row(rows, role, NONE)) is not None:
            reading = verdict(row, "more than before", "it lost some of it", "no loss is shown")
            yield (
                f"Of the {role} questions {name} answers {100 * row['level']:.0f} % and the reference "
                f"{100 * row['other']:.0f} %, {points(row)}: {reading}."
            )


def _token(context: ReportContext, method: str) -> Iterator[str]:
    effects = context.tables["token_effects"]
    effects = (
        effects[(effects["method"] == method) & (effects["contrast"] == "beyond_control")] if len(effects) else effects
    )
    for _, row in effects.iterrows():
        reading = verdict(row, "it helps", "it trips the model", "no harm is shown")
        yield (
            f"A word of the forgotten subject before a retain question changes its accuracy by {points(row)} beyond "
            f"what a neutral word does: {reading}."
        )


def differences(context: ReportContext, method: str) -> pandas.DataFrame:
    """One row a set of questions and attack: accuracies in percent, paired differences in points with intervals."""
    table, rows = context.tables["audit"], {}
    table = table[table["method"] == method].assign(late=table["attack"] == WORST)
    for _, row in table.sort_values("late", kind="stable").iterrows():
        asked = context.probe_label(row["role"], row["probe"])
        attack = (
            "no attack" if row["attack"] == NONE else NAMES.get(row["attack"]) or context.attack_label(row["attack"])
        )
        setting = row["setting"] if isinstance(row["setting"], str) else ""
        entry = rows.setdefault((asked, attack), {"asked": asked, "attack": attack, "setting": setting})
        other = "reference" if row["against"] == REFERENCE else context.method_label(row["against"])
        entry |= {"accuracy": f"{100 * row['level']:.0f}", other: f"{100 * row['other']:.0f}"}
        entry[f"− {other}"] = interval(row)
    return pandas.DataFrame(list(rows.values())).fillna("")


def beside(context: ReportContext) -> pandas.DataFrame:
    """The matrix: this study's rows, then those of the studies that ``study.beside`` names."""
    own = context.tables["matrix"].assign(study="this one")
    tables = [own, *(table.assign(study=name) for name, table in context.matrices.items())]
    rows = {}
    for _, row in pandas.concat([table for table in tables if len(table)] or [own]).iterrows():
        mine = row["study"] == "this one"
        label = context.cell_label(row["method"], row["defence"]) if mine else f"{row['method']}, {row['defence']}"
        entry = rows.setdefault((row["study"], label), {"study": row["study"], "model": label})
        named = (
            NAMES.get(row["column"])
            or context.settings["attacks"].get(row["column"], {"label": row["column"]})["label"]
        )
        doubt = _doubt(context, row)
        entry[named] = f"{100 * row['mean']:.0f}" + (f" ({doubt})" if doubt else "")
    return pandas.DataFrame(list(rows.values())).fillna("")
