"""A report, or touched files, of a study that has not begun."""

import pytest
from running import snakemake

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.begun import check_begun
from unlearning_robustness.workflow.study import Study


@pytest.fixture
def paths(tmp_path, monkeypatch):
    from running import ROOT

    monkeypatch.chdir(tmp_path)
    return Study({}, ROOT).paths


@pytest.mark.parametrize("argument", ["--report", "--report=x.zip", "--touch", "-t"])
def test_there_must_be_something_to_report_or_touch(paths, tmp_path, argument):
    with pytest.raises(ConfigError, match="run the study first"):
        check_begun([argument], paths)
    (tmp_path / "results" / "corpora").mkdir(parents=True)
    (tmp_path / "results" / "tables").mkdir()
    (tmp_path / "results" / "tables" / "report.rst").touch()
    check_begun([argument], paths)


def test_other_arguments_ask_for_nothing(paths):
    check_begun(["--report-after-run", "--dry-run", "-n"], paths)


@pytest.mark.parametrize("arguments", [["--report", "report.zip"], ["--touch"]])
def test_snakemake_stops_with_that_line(arguments, tmp_path):
    result = snakemake("--cores", "1", *arguments, folder=tmp_path, check=False)
    printed = result.stdout + result.stderr
    assert result.returncode != 0
    assert [line for line in printed.splitlines() if "run the study first" in line] == printed.strip().splitlines()[-1:]
    assert "Traceback" not in printed and not (tmp_path / "results").exists()
