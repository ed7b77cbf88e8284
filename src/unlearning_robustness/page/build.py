"""Build the page: collect, pack, and fill the template, whose values are escaped; no text is ever a template."""

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

import pandas
import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from unlearning_robustness import __version__
from unlearning_robustness.page import answers, lead, provenance, sections
from unlearning_robustness.page.own_files import (
    LIBRARIES,
    PACKAGES,
    SCRIPTS,
    STYLES,
    TABULATOR,
    TEMPLATE,
    asset,
    joined,
)
from unlearning_robustness.page.packing import ANSWERS_INSIDE, LACKING, columns_of, packed, packed_json
from unlearning_robustness.page.study import Study, names
from unlearning_robustness.report.context import ReportContext
from unlearning_robustness.report.findings import page as findings
from unlearning_robustness.runtime.manifest import atomic


def build(study: Study, html: Path, beside: Path) -> None:
    """Write the page, and into the folder ``beside`` the answers that are too many to stand in it."""
    contexts = study.contexts()
    index, cells, unread = answers.packed_answers(path for path in study.records if path.is_file())
    parts = {"index": packed_json(index)} | {name: packed(content) for name, content in cells.items()}
    inside = sum(map(len, parts.values())) <= ANSWERS_INSIDE
    beside.mkdir(parents=True, exist_ok=True)
    files_of = {} if inside else _write_beside(parts, beside)
    tables = {path.stem: columns_of(_read(path)) for path in study.tables if path.is_file()}
    data = {"places": {place: names(context) for place, context in contexts.items()}, "tables": tables,
            "files": files_of, "tables_at": {path.stem: study.relative(path) for path in study.tables}}  # fmt: skip
    text = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            title=study.settings["title"],
            version=__version__,
            confidence=f"{100 * study.settings['confidence']:.0f}",
            places=[_place(study, place, context) for place, context in contexts.items()],
            figures=list(sections.figures(study)),
            machines=provenance.machines(path for path in study.jobs if path.is_file()),
            times=[list(row.values()) for row in provenance.times(study.times)],
            seeds=", ".join(map(str, study.settings["seeds"])),
            settings=yaml.safe_dump(study.settings["config"], sort_keys=False, allow_unicode=True, width=110),
            missing=study.missing(),
            unread=unread,
            answered=bool(cells),
            style=Markup(joined(STYLES)),
            tabulator=Markup(asset(TABULATOR)),
            allowed=Markup(" ".join(map(_hashed, (joined(LIBRARIES), joined(SCRIPTS), asset(TABULATOR))))),
            libraries=Markup(joined(LIBRARIES)),
            scripts=Markup(joined(SCRIPTS)),
            licences=json.loads(asset(PACKAGES)),
            data=packed_json(data),
            parts=parts if inside else {},
        )
    )
    with atomic(html) as path:
        path.write_text(text, encoding="utf-8")


def _place(study: Study, place: str, context: ReportContext) -> dict:
    """What the template shows of a model and benchmark."""
    try:
        text = findings(context)
    except (*LACKING, TypeError):
        text = ""  # Tables or manifests are missing; the page names them.
    return {
        "name": place,
        "question": lead.question(context),
        "answer": lead.answer(context),
        "findings": text.splitlines()[1:],
        "claims": sections.claims(context),
        "main": _rows(sections.main_table(context)),
        "costs": _rows(sections.costs(context)),
        "undone": list(lead.undone(context)),
    }


def _hashed(script: str) -> str:
    """What a content security policy calls a script that may run: no other one in the page may."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _rows(table: pandas.DataFrame) -> dict:
    return {"columns": list(table.columns), "rows": table.values.tolist()}


def _read(path: Path) -> pandas.DataFrame:
    try:
        return pandas.read_csv(path, keep_default_na=False, na_values=[""])
    except pandas.errors.EmptyDataError:
        return pandas.DataFrame()


def _write_beside(parts: dict[str, str], folder: Path) -> dict[str, str]:
    """Write every part as a script, since a page from disk may load those alone; returns the file of each part."""
    for stale in folder.glob("*.js"):
        stale.unlink()
    names_ = {name: f"{number:05d}.js" for number, name in enumerate(parts)}
    for name, content in parts.items():
        with atomic(folder / names_[name]) as path:
            path.write_text(f'window.answersBeside({json.dumps(name)}, "{content}");\n')
    return {name: f"{folder.name}/{file}" for name, file in names_.items()}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
