"""What a forget token harms, RNA repairs and StableUN keeps, in models that differ in one property each."""

from collections.abc import Iterator

import pandas

from unlearning_robustness.config.cells import NONE, RNA
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.words import points

STABLEUN = "stableun"
HARM, REPAIR, KEPT = QUANTITIES = ("harm", "repair", "kept")
SENTENCES = {
    HARM: "a forget token costs retain accuracy, beyond a neutral one",
    REPAIR: "RNA adds to retain accuracy behind a forget token",
    KEPT: "StableUN lessens what relearning brings back by",
}


def varied(context: ReportContext) -> pandas.DataFrame:
    """One row a property, level, method and quantity, in the study's order, with ``mean``, ``low`` and ``high``.

    ``harm`` is what a forget token costs plain unlearning beyond a neutral one, ``repair`` what RNA adds behind a
    forget token, ``kept`` how much less relearning brings back with StableUN, at its largest budget; all are shares of
    questions, and positive where there is such an effect.
    """
    rows = []
    for each in context.settings["variation"]:
        for level in each["levels"]:
            for method in context.every_method():
                for quantity, row in _of_model(context, level["model"], method):
                    named = {"property": each["property"], "level": level["label"], "model": level["model"]}
                    rows.append({**named, "method": method, "quantity": quantity, **row})
    columns = ["property", "level", "model", "method", "quantity", "mean", "low", "high"]
    return pandas.DataFrame(rows, columns=columns)


def _of_model(context: ReportContext, model: str, method: str) -> Iterator[tuple[str, dict]]:
    tables, token = context.every_model, context.probe("forget_token")
    kinds = {kind: context.of_kind(kind)[:1] for kind in (RNA, STABLEUN)}
    harm = {"defence": NONE, "contrast": "beyond_control"}
    yield from ((HARM, _negative(row)) for row in _rows(tables["token_effects"], model, method, harm))
    for defence in kinds[RNA]:
        repair = {"first": defence, "second": NONE, "role": "retain", "probe": token}
        yield from ((REPAIR, row) for row in _rows(tables["differences"], model, method, repair))
    for defence in kinds[STABLEUN]:
        kept = {"first": defence, "second": NONE, "quantity": "gain"}
        after = _rows(tables["attacked_differences"], model, method, kept)
        yield from ((KEPT, _negative(row)) for row in after[-1:])


def _rows(table: pandas.DataFrame, model: str, method: str, where: dict) -> list[dict]:
    """The estimates of rows that have these values, those of most documents and steps last."""
    if table.empty:
        return []
    values = {"model": model, "method": method, **where}
    rows = table[(table[list(values)] == list(values.values())).all(axis=1)]
    rows = rows.sort_values([name for name in ("documents", "steps") if name in rows], kind="stable")
    return rows[["mean", "low", "high"]].to_dict("records")


def _negative(row: dict) -> dict:
    return {"mean": -row["mean"], "low": -row["high"], "high": -row["low"]}


def variation(context: ReportContext) -> list[str]:
    """One sentence a property, method and quantity: every level's estimate, and whether the extremes differ."""
    table = varied(context)
    groups = table.groupby(["quantity", "property", "method"], sort=False)
    order = sorted(groups, key=lambda group: QUANTITIES.index(group[0][0]))
    return [_sentence(context, *names, part) for names, part in order if len(part) > 1]


def _sentence(context: ReportContext, quantity: str, name: str, method: str, part: pandas.DataFrame) -> str:
    levels = part.to_dict("records")
    first, last = levels[0], levels[-1]
    ends = f"at {last['level']} than at {first['level']}"
    reading = (
        f"more {ends}" if last["low"] > first["high"] else f"less {ends}" if last["high"] < first["low"]
        else f"{last['level']} and {first['level']} are not shown to differ"
    )  # fmt: skip
    shown = "; ".join(f"{level['level']}: {points(level)}" for level in levels)
    return f"{name}, {context.method_label(method)}: {SENTENCES[quantity]} – {shown} ({reading})."
