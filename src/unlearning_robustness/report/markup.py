"""Tables and pages as markdown and HTML."""

import html
import re
import unicodedata
from collections.abc import Iterator

import pandas


def markdown(table: pandas.DataFrame) -> str:
    """A table as GitHub markdown; bars inside cells are escaped."""
    cells = table.map(
        lambda value: f"{value:.3f}" if isinstance(value, float) else " ".join(str(value).split()).replace("|", "\\|")
    )
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
    return "\n".join(lines) + "\n"


# Signs with a meaning in reStructuredText, or in the templates that Snakemake's report takes it for.
SIGNS = re.compile(r"[!-/:-@\[-`{-~]")
# Bold and slanted words, in the markdown that this package writes.
EMPHASIS = re.compile(r"(\*{1,2})(?=\S)(.+?)(?<=\S)\1")


def rst(text: str) -> str:
    """The markdown this package writes as reStructuredText that shows every sign of it as it stands.

    Snakemake's report takes the whole for a template and then for markup: nothing in a title or label may be either.
    """
    return "\n".join(_rst_lines(text)) + "\n"


def _rst_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        level = len(line) - len(line.lstrip("#"))
        if level:
            title = _literal(line.lstrip("# "))
            yield from (title, "=-~"[level - 1] * _width(title))
        elif line.startswith("|"):
            if not line.startswith("|---"):
                yield f"| {_inline(line.strip('| '))}"
        elif line.startswith("- "):
            yield f"- {_inline(line[2:])}"
        else:
            yield _inline(line)


def _inline(text: str) -> str:
    parts = EMPHASIS.split(text)
    words = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    # A backslash and a space are nothing, and let emphasis begin and end within a word.
    return _literal(parts[0]) + "".join(
        f"\\ {stars}{_literal(inner)}{stars}\\ {_literal(after)}" for stars, inner, after in words
    )


def _literal(text: str) -> str:
    return SIGNS.sub(r"\\\g<0>", text)


def _width(text: str) -> int:
    """Columns of a text, of which wide letters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #ddd;padding:.3rem .5rem;text-align:left}
th{background:#f4f4f4}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.6rem}"""


def html_page(title: str, text: str) -> str:
    """A page of the markdown this package writes (headings, lists, paragraphs, tables) as self-contained HTML."""
    blocks, rows, items = [], [], []

    def flush() -> None:
        if rows:
            head, *body = rows
            cell = lambda name, values: "<tr>" + "".join(f"<{name}>{value}</{name}>" for value in values) + "</tr>"  # noqa: E731
            blocks.append("<table>" + cell("th", head) + "".join(cell("td", row) for row in body) + "</table>")
        if items:
            blocks.append("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")
        rows.clear()
        items.clear()

    for line in text.splitlines():
        inline = re.sub(r"\*(.+?)\*", r"<em>\1</em>", html.escape(line))
        if line.startswith("|---"):
            continue
        if line.startswith("|"):
            rows.append([value.strip().replace("\\|", "|") for value in re.split(r"(?<!\\)\|", inline)[1:-1]])
        elif line.startswith("- "):
            items.append(inline[2:])
        else:
            flush()
            level = len(line) - len(line.lstrip("#"))
            if level:
                blocks.append(f"<h{level}>{inline.lstrip('# ')}</h{level}>")
            elif line.strip():
                blocks.append(f"<p>{inline}</p>")
    flush()
    body = "\n".join(blocks)
    return f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>\n{body}\n'
