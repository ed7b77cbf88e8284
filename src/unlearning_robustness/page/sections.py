"""The parts of the page that stand there without JavaScript and in print: claims, main table, figures, costs."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pandas

from unlearning_robustness.analysis.decisions import UNDECIDED
from unlearning_robustness.errors import StudyError
from unlearning_robustness.page.packing import FIGURES_INSIDE, LACKING
from unlearning_robustness.page.study import Study
from unlearning_robustness.report.claims import register, rule_in_words, verdict_in_words
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.summary import summary

COSTS = {"operations": "operations", "cpu_seconds": "CPU seconds", "peak_memory_mb": "peak memory, MB",
         "operations_ratio": "operations × plain", "cpu_seconds_ratio": "CPU seconds × plain"}  # fmt: skip


def claims(context: ReportContext) -> list[dict]:
    """One entry a claim: statement, source, verdict, effect with interval, smallest effect shown, rule, subjects."""
    stated = context.settings["claims"]
    try:
        table = register(stated, context.every_measure) if stated else pandas.DataFrame()
    except (*LACKING, StudyError) as error:
        return [_unread(claim, error) for claim in stated.values()]
    return [_claim(claim, table[table["claim"] == name]) for name, claim in stated.items()]


def _claim(claim: dict, rows: pandas.DataFrame) -> dict:
    head = rows.iloc[0]
    return {
        "statement": claim["statement"],
        "source": claim["source"],
        "verdict": verdict_in_words(claim, head),
        "kind": head["verdict"].split()[0],
        "effect": _effect(head),
        "power": _number(head["shows from"]),
        "seeds": _count(head["seeds"]),
        "facts": _count(head["facts"]),
        "rule": rule_in_words(claim),
        "subjects": [{"name": row["subject"], "effect": _effect(row), "decided": row["decided"]}
                     for _, row in rows.iloc[1:].iterrows()],
    }  # fmt: skip


def _unread(claim: dict, error: Exception) -> dict:
    verdict = f"{UNDECIDED}: its tables are missing or of an older schema ({' '.join(str(error).split())[:120]})"
    empty = dict.fromkeys(("effect", "power", "seeds", "facts"), "")
    return {"statement": claim["statement"], "source": claim["source"], "verdict": verdict, "kind": UNDECIDED,
            "rule": rule_in_words(claim), "subjects": [], **empty}  # fmt: skip


def _effect(row: pandas.Series) -> str:
    if pandas.isna(row["mean"]):
        return ""
    return f"{row['mean']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def _number(value: float) -> str:
    return "" if pandas.isna(value) else "∞" if value == float("inf") else f"{value:.3f}"


def _count(value: float) -> str:
    return "" if pandas.isna(value) else f"{value:.0f}"


def main_table(context: ReportContext) -> pandas.DataFrame:
    """The report's main table; no rows where its tables are missing."""
    try:
        return summary(context)
    except LACKING:
        return pandas.DataFrame()


def costs(context: ReportContext) -> pandas.DataFrame:
    """What a run of each kind of cell costs, and how many times as much as plain unlearning."""
    table = context.tables["costs"]
    shown = [name for name in COSTS if name in table]
    if table.empty or not shown:
        return pandas.DataFrame()
    labels = [context.cell_label(row["method"], row["defence"]) for _, row in table.iterrows()]
    return (
        table[shown]
        .map(lambda value: f"{value:.3g}")
        .rename(columns=COSTS)
        .assign(model=labels)[["model", *(COSTS[name] for name in shown)]]
    )


def figures(study: Study) -> Iterator[dict]:
    """One entry a figure: caption, tables, command, and the svg itself while there is room, else where it lies."""
    used = 0
    for path in study.figures:
        *_, model, benchmark, _ = path.parts
        facts = study.settings["figures"][path.stem]
        facts = {**facts, "caption": facts["caption"].replace("*", "")}
        entry = {
            "name": path.stem,
            "place": f"{model}/{benchmark}",
            "path": study.relative(path),
            "source": None,
            **facts,
        }
        if path.is_file():
            content = base64.b64encode(path.read_bytes()).decode()
            used += len(content)
            inside = used <= FIGURES_INSIDE
            entry["source"] = f"data:image/svg+xml;base64,{content}" if inside else study.relative(path)
        entry["command"] = command(study, path)
        yield entry


def command(study: Study, path: Path) -> str:
    """The command that makes a file again."""
    overlay = study.settings["overlay"]
    return f"snakemake --cores 1 {f'--configfile {overlay} ' if overlay else ''}-- {path.as_posix()}"
