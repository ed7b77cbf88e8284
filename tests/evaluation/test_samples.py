"""Records as samples of lm-eval, held against the files that lm-eval itself writes for the same questions."""

import json
import random

import numpy
import pandas
import pytest
from odd_tokenizers import tokenizer_of
from synthetic import records_of

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.evaluation.harness import evaluated, write_tasks
from unlearning_robustness.evaluation.samples import main, sample_files, samples, write_samples
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.records import label, write

CELL = Cell("tiny", "odd", "rmu", "none", 0)


@pytest.fixture(scope="module")
def questions():
    """Questions with answers of unequal length, in more than ASCII."""
    draw = random.Random(1)
    rows = [
        {
            "question": f"forget/{number}",
            "prompt": f"The größte {''.join(draw.choices('abcdef', k=5))} of all {number} is",
            "choices": ["".join(draw.choices("abcdefgh", k=length)) for length in draw.sample([3, 6, 9, 14], 4)],
            "answer": number % 4,
            "role": "forget",
            "probe": "plain",
            "split": ("select", "test")[number % 2],
            "relation": "r",
            "entity": str(number),
            "fact": str(number),
            "template": 0,
        }
        for number in range(12)
    ]
    return pandas.DataFrame(rows)


def theirs(model, tokenizer, folder, name):
    """The lines of the file that lm-eval writes with ``--log_samples``."""
    from lm_eval.loggers import EvaluationTracker

    logged = evaluated(model, tokenizer, [name], [folder], 8)["samples"][name]
    tracker = EvaluationTracker(output_path=str(folder / "logged"))
    tracker.general_config_tracker.model_name_sanitized = "tiny"
    tracker.date_id = "today"
    tracker.save_results_samples(name, logged)
    (path,) = (folder / "logged").rglob("samples_*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def scores(line):
    return [float(score) for score, _ in line["filtered_resps"]]


@pytest.mark.parametrize(("rule", "chat"), [("sum", False), ("byte-mean", False), ("sum", True)])
def test_a_file_of_samples_is_the_one_that_lm_eval_writes(make_model, questions, tmp_path, rule, chat):
    model, tokenizer = make_model(seed=2, vocab_size=270, initializer_range=0.3), tokenizer_of(before=["<s>"])
    asked = questions.assign(decided_by=rule, **({"before": "<u>", "after": "</u>\n<a>\n"} if chat else {}))
    (name,) = write_tasks(asked, "odd", tmp_path)
    expected = theirs(model, tokenizer, tmp_path, name)
    records = label(QuestionScorer(tokenizer, asked, 8).records(model), CELL, "none")
    (path,) = write_samples(records, tmp_path / "ours")
    assert path.relative_to(tmp_path / "ours").as_posix() == f"{CELL.path}/none/samples_{name}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.pop("split") for line in lines] == ["select", "test"] * 6
    for line, other in zip(lines, expected, strict=True):
        numpy.testing.assert_allclose(scores(line), scores(other), atol=1e-4)
        for key in ("resps", "filtered_resps"):
            shape = [numpy.shape(one[key]) for one in (line, other)]
            assert shape[0] == shape[1]
            del line[key], other[key]
        assert line == other and list(line) == list(other)
    assert {line["acc"] for line in lines} == {0.0, 1.0}


def test_each_point_of_an_attack_has_a_folder_of_its_own():
    budgets = [{"documents": 4, "steps": steps} for steps in (0, 5)]
    records = records_of(CELL, "relearn", [(budget, "forget", "plain", "test") for budget in budgets])
    files = dict(sample_files(records))
    assert [path.parent.name for path in files] == ["relearn-0", "relearn-1"]
    assert sum(map(len, files.values())) == len(records)
    for (_, lines), (_, part) in zip(files.items(), records.groupby("steps"), strict=True):
        assert [line["acc"] == 1.0 for line in lines] == part["correct"].tolist()
        assert lines == samples(part)


def test_the_command_converts_files_and_refuses_others(tmp_path, capsys):
    write(tmp_path / "r.parquet", [records_of(CELL, "none", [({}, "forget", "plain", "test")])])
    assert main([str(tmp_path / "r.parquet"), str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").rglob("*.jsonl")
    assert capsys.readouterr().out == f"{path}\n"
    (tmp_path / "text").write_text("no records")
    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    refused = {
        "absent": "there is no file {}; give a records.parquet of a study that was run",
        "text": "{} is no Parquet file; give a records.parquet",
        "other.parquet": "{} has no column model, so it holds no records; give a records.parquet",
    }
    for name, said in refused.items():
        assert main([str(tmp_path / name), str(tmp_path / "none")]) == 2
        assert capsys.readouterr().err == f"error: {said.format(tmp_path / name)}\n"
    assert not (tmp_path / "none").exists()
