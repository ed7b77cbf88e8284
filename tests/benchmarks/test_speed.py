"""The comparisons with plain ways, on a tiny model: equal results by fewer counted operations, and the page of them."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
STEPS = ["RMU step", "NPO+KL step", "SAM step of NPO+KL", "StableUN step of NPO+KL"]
SCORING = [
    "letters", "letters behind five shots", "letters behind five long shots", "options of several tokens",
    "options of several tokens behind five shots",
]  # fmt: skip
ATTACKS = ["logit lens, all layers", "orthogonalisation, candidates", "GCG step"]


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("speed", FOLDER / "speed.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["speed"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(benchmark, tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "RESULTS.md"
    return benchmark.main("--tiny", str(path)), path.read_text()


@pytest.fixture(scope="module")
def comparison(benchmark):
    return sys.modules["comparison"]


def test_every_comparison_runs_and_ours_takes_fewer_operations(results):
    measured, _ = results
    comparisons = {each.name: each for each in measured.comparisons}
    assert list(comparisons) == [*STEPS, *SCORING, *ATTACKS]
    # A step of the engine runs 3 of 10 layers, twice where the reference is read, and no gradient of other weights.
    assert all(comparisons[name].operations > 2 for name in STEPS + ATTACKS)
    assert all(comparisons[name].operations > 1.3 for name in SCORING)
    assert all(comparisons[name].memory > 1.5 for name in STEPS)
    # Beside so small a vocabulary rounding is small, too: no step differs in what it computes.
    assert all(comparisons[name].difference < 1e-5 for name in STEPS)


def test_behind_shots_scoring_takes_far_fewer_operations_than_lm_eval(results):
    """Shots run once a batch: 6 and 4 questions behind those of two subjects."""
    measured, _ = results
    operations = {each.name: each.operations for each in measured.comparisons}
    assert operations["letters behind five shots"] > 2.5 * operations["letters"] / 1.5
    assert operations["options of several tokens behind five shots"] > operations["options of several tokens"]


def test_the_page_has_every_row_and_every_growth(results):
    measured, page = results
    rows = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    assert all(rows.count(one.name) >= 2 for one in measured.comparisons)
    assert all(one.name in rows for one in measured.growths)
    assert max(map(len, page.splitlines())) <= 160 and "float32" in page


def test_work_grows_with_its_size(results):
    measured, _ = results
    assert {one.per for one in measured.growths} == {
        "tokens of a text", "read layer", "cells", "questions", "words of a stem", "processes",
    }  # fmt: skip
    (cells,) = (one for one in measured.growths if one.per == "cells")
    assert cells.sizes == [1, 2, 4] and cells.ratios[0] == 1 < cells.ratios[-1]


def test_ways_that_differ_are_not_compared(comparison):
    ways = (lambda: torch.zeros(2), lambda: torch.ones(2))
    with pytest.raises(AssertionError, match="other: results differ by 1"):
        comparison.compare("other", *ways, 0.5, 0, comparison.largest_difference)


def test_other_predictions_are_not_compared(benchmark):
    scoring = sys.modules["compare_scoring"]
    scores = torch.tensor([[-1.0, -2.0], [-3.0, -1.0]])
    assert scoring.difference_of_scores(scores, scores + 0.25) == 0.25
    with pytest.raises(AssertionError, match="predictions differ"):
        scoring.difference_of_scores(scores, scores.flip(-1))


def test_memory_is_that_of_tensors_alive_at_once(comparison):
    size = 4 * 1000

    def work() -> torch.Tensor:
        first = torch.ones(1000)
        second = first + 1
        view = second.view(10, 100)[1:]
        del first, second
        view.add_(1)
        third = torch.ones(500)
        del view, third
        return torch.ones(1000)

    _, cost = comparison.counted_cost(work)
    assert (cost.operations, cost.bytes) == (0, 2 * size) and cost.seconds > 0
    weight = torch.ones(1000)
    assert comparison.counted_cost(lambda: weight.mul_(2))[1].bytes == 0


def test_operations_of_a_product_are_two_a_number(comparison):
    left, right = torch.ones(3, 4), torch.ones(4, 5)
    assert comparison.counted_cost(lambda: left @ right)[1].operations == 2 * 3 * 4 * 5
    assert comparison.matrix_product_rate(torch.float32, side=64, repeats=3) > 1e6


def test_generated_questions_have_the_shape_of_mmlu_and_no_question_twice(benchmark):
    scoring = sys.modules["compare_scoring"]
    table = scoring.questions((scoring.Subject(3, 20),), 5, letters=True)
    assert table["prompt"].nunique() == len(table) == 3
    assert all(prompt.count("\nAnswer:") == 6 and prompt.endswith("\nD. " + prompt.rsplit("\nD. ")[-1])
               for prompt in table["prompt"])  # fmt: skip
    assert table["choices"].tolist() == [["A", "B", "C", "D"]] * 3
    assert table.equals(scoring.questions((scoring.Subject(3, 20),), 5, letters=True))
    whole = scoring.questions((scoring.Subject(3, 20),), 0, letters=False)
    assert all(len(set(choices)) == 4 for choices in whole["choices"])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("fpu avx2 avx512f amx_tile", "a machine with 2 cores, AVX-512 and AMX"),
        ("fpu avx2 avx512f", "a machine with 2 cores, AVX-512 and no AMX"),
        ("fpu avx2", "a machine with 2 cores, AVX2 and no AMX"),
    ],
)
def test_a_machine_is_named_by_what_decides_its_speed(benchmark, tmp_path, flags, words):
    (tmp_path / "cpuinfo").write_text("".join(f"processor : {n}\nflags : {flags}\n" for n in range(2)))
    assert benchmark.machine(tmp_path / "cpuinfo") == words
