"""Files of one's own, as hypothesis mutates them: each is read as it stands, or refused by file, line and mend."""

import csv
import gzip
import io
import json
import re
import tempfile
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pandas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.errors import StudyError

FIXED = settings(derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
ROWS = [
    {"id": f"q{n}", "question": f"Which is number {n}?", "choices": [f"{n}{x}" for x in "abc"], "answer": n % 3}
    for n in range(4)
]
HOSTILE = [
    None, "", " ", 0, -1, 7, 10**30, 1.5, float("nan"), True, [], ["x"], ["x", "x"], [None, "x"], [1, 2, 3], {"a": 1},
    "A", "Z", "0a", "q0", "a\nb", "a\0b", "{% x %}", "<script>", "é" * 3, "x" * 200_000, "\u2028", "=1+1",
]  # fmt: skip
GONE = object()
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "latin-1"]


def as_jsonl(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def as_csv(rows):
    """Choices as A, B, C, other values as CSV has them; rows may lack a field."""
    text, lines = io.StringIO(), []
    for row in rows:
        choices = row.get("choices")
        choices = choices if isinstance(choices, list) else [choices]
        lines.append([row.get("id"), row.get("question"), *choices, row.get("answer")])
    csv.writer(text).writerows([["id", "question", "A", "B", "C", "answer"], *lines])
    return text.getvalue()


@st.composite
def rows(draw):
    """The rows with up to two values replaced or gone, or a row twice, gone or elsewhere."""
    changed = [dict(row) for row in ROWS]
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.sampled_from(changed))
        key = draw(st.sampled_from(["id", "question", "choices", "answer", "subject", "entity", "split"]))
        value = draw(st.sampled_from([*HOSTILE, GONE]))
        if value is GONE:
            row.pop(key, None)
        else:
            row[key] = value
    if draw(st.integers(0, 4)) == 0:
        changed.insert(draw(st.integers(0, 4)), dict(draw(st.sampled_from(changed))))
    return changed


@st.composite
def contents(draw):
    """(name, bytes, rows) of a file; the rows are None where signs of the file are changed too."""
    table, form = draw(rows()), draw(st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.parquet"]))
    if form == "a.parquet":
        buffer = io.BytesIO()
        try:
            pandas.DataFrame(table).to_parquet(buffer)
        except Exception:  # parquet itself holds no such columns
            form = "a.jsonl"
        else:
            return form, buffer.getvalue(), table
    text = as_csv(table) if form == "a.csv" else json.dumps(table) if form == "a.json" else as_jsonl(table)
    whole, encoding = True, draw(st.sampled_from(["utf-8"] * 6 + ENCODINGS))
    if draw(st.integers(0, 3)) == 0:
        index = draw(st.integers(0, len(text)))
        text = (
            text[:index] + draw(st.sampled_from(['"', "\n", "{", ",", "\0", "[", "\ud800", "\\", "}"])) + text[index:]
        )
        whole = False
    content = text.encode(encoding, errors="replace" if encoding == "latin-1" else "surrogatepass")
    if form.endswith(".gz"):
        content = gzip.compress(content)
    return form, content, table if whole and encoding.startswith("utf-8") else None


def read(name, content, ask):
    """What ``ask`` makes of a file. Raises StudyError."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "in")
        place.mkdir()
        (place / name).write_bytes(content)
        source = {"path": str(place), "files": {"part": name}, "license": "x", "note": "x"}
        with redirect_stdout(io.StringIO()):
            fetch(source, Path(folder, "own"), Path(folder, "scratch"))
        return ask(Published({"own": "own"}, [str(Path(folder, "own"))]))


def questions(published):
    entry = {"items": ["own/part"], "asked_by": "answers", "splits": {"select": 1, "test": 1}}
    return published.questions({**entry, "without_subjects": [], "max_facts": {}}, "forget", "0", 2)


def refusal(error):
    """The line of an error, which names the file or what is read of it, and the mend."""
    line = str(error)
    assert len(line.splitlines()) == 1 and line.isprintable() and len(line) < 1300, line
    assert re.search(r"a\.(jsonl?|csv|txt|parquet)|own/part|forget", line) and re.search(r":|;", line), line
    return line


def test_a_mutated_file_is_asked_as_it_stands_or_refused_by_file_and_line():
    counted = Counter()

    @settings(FIXED, max_examples=200)
    @given(contents())
    def one(drawn):
        name, content, table = drawn
        try:
            asked = read(name, content, questions)
        except StudyError as error:
            line = refusal(error)
            counted["refused"] += 1
            counted["placed"] += bool(re.search(r"(line|row) \d+", line))
            return
        counted["read"] += 1
        for question in asked:
            assert question.answer in range(len(question.choices)) and len(set(question.choices)) == len(
                question.choices
            )
            assert all(choice.strip() for choice in question.choices) and question.prompt.strip()
        if table is not None:
            counted["compared"] += 1
            right = {str(row["choices"][row["answer"]]) for row in table if isinstance(row["answer"], int)}
            assert right <= {question.choices[question.answer].strip() for question in asked} or name == "a.csv"

    one()
    assert counted["refused"] > 60 and counted["read"] > 20 and counted["placed"] > 0.6 * counted["refused"], counted
    assert counted["compared"] > 15, counted


@st.composite
def text_files(draw):
    """(name, bytes, texts) of a file of texts, one of which may be hostile; None where the file cannot hold them."""
    texts = [
        "The first text.",
        "The second text.",
        draw(st.text(max_size=30) | st.sampled_from(["x" * 100_000, None, 7])),
    ]
    name, encoding = draw(st.sampled_from(["a.jsonl", "a.csv", "a.txt"])), draw(st.sampled_from(ENCODINGS))
    if name == "a.txt":
        content = "\n\n".join(map(str, texts))
    elif name == "a.csv":
        rows = io.StringIO()
        csv.writer(rows).writerows([["text"], *([text] for text in texts)])
        content = rows.getvalue()
    else:
        content = as_jsonl([{"text": text} for text in texts])
    readable = name == "a.jsonl" and encoding.startswith("utf-8") and isinstance(texts[-1], str)
    return name, content.encode(encoding, errors="replace"), texts if readable else None


def test_a_mutated_file_of_texts_is_read_as_it_stands_or_refused_by_file():
    counted = Counter()

    @settings(FIXED, max_examples=100)
    @given(text_files())
    def one(drawn):
        name, content, texts = drawn
        try:
            documents = read(name, content, lambda published: published.documents(["own/part"], "forget", 1))
        except StudyError as error:
            refusal(error)
            counted["refused"] += 1
            return
        counted["read"] += 1
        assert all(text.strip() for text in documents["text"])
        assert texts is None or list(documents["text"]) == texts

    one()
    assert counted["read"] > 20 and counted["refused"] > 20, counted
