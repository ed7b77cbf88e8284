"""Tables and pages as markdown and HTML."""

import html
import re

import pandas


def markdown(table: pandas.DataFrame) -> str:
    """A table as GitHub markdown; bars inside cells are escaped."""
    cells = table.map(
        lambda value: f"{value:.3f}" if isinstance(value, float) else " ".join(str(value).split()).replace("|", "\\|")
    )
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def rst(text: str) -> str:
    """The markdown this package writes as reStructuredText: headings underlined, the rest as it is."""
    lines = []
    for line in text.splitlines():
        level = len(line) - len(line.lstrip("#"))
        title = line.lstrip("# ")
        lines += [title, "=-~"[level - 1] * len(title)] if level else [line]
    return "\n".join(lines) + "\n"


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
