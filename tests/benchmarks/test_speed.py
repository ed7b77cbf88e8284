"""The comparison with the plain way, on a tiny model: equal results by fewer counted operations."""

import importlib.util
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "speed.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("speed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_comparison_runs_and_ours_takes_fewer_operations(benchmark, capsys):
    comparisons = benchmark.main("--tiny")
    assert [each.name for each in comparisons] == ["RMU step", "scoring", "five shots"]
    assert min(each.operations for each in comparisons) > 1.5
    assert capsys.readouterr().out.count("times fewer operations") == 3


def test_ways_that_differ_are_not_compared(benchmark):
    with pytest.raises(AssertionError):
        benchmark.compare("other", lambda: torch.zeros(2), lambda: torch.ones(2), {"rtol": 0, "atol": 1e-3}, 1)
