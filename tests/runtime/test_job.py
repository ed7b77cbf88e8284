"""How an entry script ends."""

import os
from types import SimpleNamespace

import pytest

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.runtime import job as jobs


@pytest.fixture
def ended(monkeypatch):
    """Exit codes with which this process would have ended."""
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def snakemake(tmp_path):
    return SimpleNamespace(rule="unlearn", wildcards={}, params={}, log=[tmp_path / "log"], input=[], output=[])


@pytest.mark.parametrize("among", [True, False])
def test_only_a_process_among_several_ends_at_once_when_its_work_is_done(monkeypatch, ended, tmp_path, among):
    monkeypatch.setattr(jobs, "started", lambda: among)
    with jobs.job(snakemake(tmp_path)):
        assert not ended
    assert ended == [0] * among


def test_a_job_that_fails_says_why_in_its_log_and_ends_at_once(ended, tmp_path):
    with jobs.job(snakemake(tmp_path)):
        raise KeyError("nothing")
    assert ended == [1] and "KeyError: 'nothing'" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("wanted", [True, False])
def test_what_a_person_can_mend_is_one_line_and_its_traceback_where_it_is_wanted(monkeypatch, ended, tmp_path, wanted):
    monkeypatch.setenv("UNLEARNING_ROBUSTNESS_TRACEBACKS", "1" if wanted else "")
    with jobs.job(snakemake(tmp_path)):
        raise ConfigError("key: mend it")
    *before, line = (tmp_path / "log").read_text().splitlines()
    assert line == "error: key: mend it" and ended == [1]
    assert any("Traceback" in text for text in before) == wanted


def test_a_job_seals_what_it_writes_and_checks_what_it_reads(ended, tmp_path):
    writer, reader = snakemake(tmp_path), snakemake(tmp_path)
    writer.output = reader.input = [str(tmp_path / "cells" / "delta")]
    (tmp_path / "cells").mkdir()
    with jobs.job(writer):
        (tmp_path / "cells" / "delta").write_text("tensors")
    with jobs.job(reader):
        assert not ended
    (tmp_path / "cells" / "delta").write_text("tensor")
    with pytest.raises(RuntimeError, match="didn't yield"), jobs.job(reader):
        pass  # the process has ended before
    said = (tmp_path / "log").read_text()
    assert (
        ended == [1]
        and said == f"error: {reader.input[0]} has 6 bytes instead of 7: delete {reader.input[0]} and run again\n"
    )


def test_an_interrupted_job_leaves_no_traceback_and_no_seal(ended, tmp_path):
    interrupted = snakemake(tmp_path)
    interrupted.output = [str(tmp_path / "delta")]
    with jobs.job(interrupted):
        (tmp_path / "delta").write_text("half")
        raise KeyboardInterrupt
    assert ended == [130] and (tmp_path / "log").read_text() == "interrupted\n"
    assert not (tmp_path / ".delta.seal").exists()


@pytest.mark.parametrize(
    ("device", "placement", "expected"),
    [("cuda", "auto", "auto"), ("cuda", "one-device", "cuda"), ("cpu", "auto", "cpu"), ("cpu", "one-device", "cpu")],
)
def test_a_model_is_spread_over_gpus_only(monkeypatch, tmp_path, device, placement, expected):
    monkeypatch.setattr("unlearning_robustness.runtime.device.choose_device", lambda gpu, setting: device)
    monkeypatch.setattr(jobs, "_device_name", lambda device: device)
    monkeypatch.setattr("torch.use_deterministic_algorithms", lambda *_, **__: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    started = snakemake(tmp_path)
    started.resources, started.threads = {"gpu": 2}, 1
    model = {"device": "auto", "dtype": "float32", "placement": placement}
    with jobs.job(started, model) as running:
        assert (running.device, running.placement) == (device, expected)
