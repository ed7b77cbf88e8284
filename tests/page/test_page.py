"""What is packed into the page, and what it says where something is missing."""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace

import numpy
import pandas
import pytest
from small_page import page_of

from unlearning_robustness.page import lead, provenance
from unlearning_robustness.page.answers import packed_answers
from unlearning_robustness.page.own_files import HERE, PACKAGES, asset, assets_digest
from unlearning_robustness.page.packing import packed_json
from unlearning_robustness.page.study import Study

PLACE = "smollm2-135m-instruct/elements"


def test_every_test_answer_comes_back_with_its_probabilities_to_a_255th(small):
    index, cells, unread = packed_answers(small.records)
    assert unread == []
    asked, texts, seen = index["asked"], index["texts"], 0
    for path in small.records:
        *kind, attack = path.parts[-7:-1]
        name = "/".join(kind)
        records = pandas.read_parquet(path).query("split == 'test'")
        for (documents, steps), rows in records.groupby(["documents", "steps"]):
            run = next(run for run in index["runs"][name] if run[:3] == [attack, documents, steps])
            *_, number, at = run
            questions = index["sets"][number]
            assert [texts[asked["prompt"][question]] for question in questions] == list(rows["prompt"])
            assert [texts[asked["question"][question]] for question in questions] == list(rows["question"])
            content = numpy.frombuffer(cells[name], "uint8")
            shares = content[at : at + 4 * len(rows)].reshape(-1, 4) / 255
            scores = numpy.exp(numpy.stack(rows["log_likelihoods"]))
            numpy.testing.assert_allclose(shares, scores / scores.sum(1, keepdims=True), atol=0.5 / 255 + 1e-6)
            said = content[at + 4 * len(rows) : at + 5 * len(rows)]
            assert list(said) == list(rows["prediction"])
            seen += len(rows)
    assert seen == sum(len(pandas.read_parquet(path).query("split == 'test'")) for path in small.records)


def test_the_page_is_one_small_file_that_names_no_host(html):
    text = html.read_text()
    assert len(text) < 8_000_000
    assert not list((html.parent / "answers").iterdir())
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?(?!data:)[^\"' >]+", text)


def test_the_page_is_the_same_when_it_is_built_again(small, html):
    before = html.read_bytes()
    assert page_of(small).read_bytes() == before


def test_libraries_are_those_that_were_pinned_and_bring_their_licences():
    for name, entry in json.loads(asset(PACKAGES)).items():
        assert hashlib.sha256((HERE / "vendor" / name).read_bytes()).hexdigest() == entry["sha256"]
        assert "</script" not in (HERE / "vendor" / name).read_text()
        assert (HERE / "vendor" / f"{name.split('.')[0]}.LICENSE").is_file()
    assert len(assets_digest()) == 16


@pytest.mark.parametrize(
    ("mean", "half", "shown", "numbers"),
    [
        (0.3, 0.1, "Yes, for 1 of 1 method", "RMU +30 [+20, +40]"),
        (-0.3, 0.1, "It harms, for 1 of 1 method", "RMU −30 [−40, −20]"),
        (0.1, 0.2, "Not shown", "RMU +10 [−10, +30]"),
    ],
)
def test_the_answer_follows_the_table_of_differences(small, mean, half, shown, numbers):
    (context,) = small.contexts().values()
    table = context.tables["differences"]
    rows = (table["role"] == "retain") & (table["probe"] == "forget-token") & (table["second"] == "none")
    assert rows.sum() == 1
    table.loc[rows, ["mean", "low", "high"]] = mean, mean - half, mean + half
    said = {sentence.topic: sentence for sentence in lead.answer(context)}
    assert said["help"].shown == shown
    assert numbers in said["help"].numbers
    assert said["cost"].shown == "No cost is shown"
    assert "RNA" in lead.question(context)


def test_a_study_without_a_defence_begins_with_its_first_findings(small):
    (context,) = small.contexts().values()
    context.tables["differences"] = context.tables["differences"].head(0)
    assert {sentence.topic for sentence in lead.answer(context)} >= {"forgetting", "problem", "attack"}
    assert "What is left" in lead.question(context)


def test_an_empty_study_says_what_is_missing(small, tmp_path):
    table, figure, records = (
        tmp_path / name for name in ("tables/accuracy.csv", "a/b/accuracy.svg", "records.parquet")
    )
    empty = Study(small.settings, tmp_path, [table], [figure], [records])
    text = page_of(empty).read_text()
    assert "3 files are missing or cannot be read" in text
    for said in ("tables/accuracy.csv", "There are no records of answers", "no manifest of a job", "No times of jobs"):
        assert said in text


@pytest.mark.parametrize(
    "table", ["accuracy", "differences", "floors", "token_effects", "trajectory", "costs", "measures"]
)
def test_a_missing_table_leaves_the_rest(small, tmp_path, table):
    gone = replace(small, root=tmp_path, tables=[
        tmp_path / path.name if path.stem == table else path for path in small.tables
    ])  # fmt: skip
    text = page_of(gone).read_text()
    assert f"{table}.csv" in text
    assert "What was not done" in text


def test_records_of_an_older_schema_are_shown_as_far_as_they_go(small, tmp_path):
    paths = []
    for path, lost in zip(small.records[:2], (["decided_by", "setting", "split", "template"], ["prompt"]), strict=True):
        target = tmp_path / "records" / path.relative_to(small.root / "records")
        target.parent.mkdir(parents=True)
        pandas.read_parquet(path).drop(columns=lost).to_parquet(target)
        paths.append(target)
    _, cells, unread = packed_answers(paths)
    assert len(cells) == 1
    assert len(unread) == 1
    assert "an older schema without prompt" in unread[0]


def test_a_damaged_file_of_records_is_named_and_the_others_are_read(small, tmp_path):
    path = tmp_path.joinpath("m", "b", "rmu", "none", "seed0", "none", "records.parquet")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no parquet")
    _, cells, unread = packed_answers([path, *small.records])
    assert len(unread) == 1
    assert len(cells) == 6


def test_times_are_added_by_rule_and_machines_counted(tmp_path):
    for name, seconds in (("a", 3600), ("b", 1800)):
        path = tmp_path / "unlearn" / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"s": seconds}) + "\n")
    (tmp_path / "unlearn" / "c.jsonl").write_text("damaged\n")
    (row,) = provenance.times(tmp_path)
    assert list(row.values()) == ["unlearn", 2, "1.50", "3600"]
    manifests = [tmp_path / f"{number}.json" for number in range(3)]
    for path in manifests[:2]:
        path.write_text(json.dumps({"machine": "x86_64", "versions": {"torch": "2.1"}}))
    assert provenance.machines(manifests) == [{"jobs": 2, "machine": "x86_64", "torch": "2.1"}]


def test_what_is_packed_is_json_without_nan():
    packed = packed_json({"a": [1.5, None, "é🧪"]})
    assert json.loads(gzip.decompress(base64.b64decode(packed))) == {"a": [1.5, None, "é🧪"]}
    with pytest.raises(ValueError):
        packed_json([float("nan")])
