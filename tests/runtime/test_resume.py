import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from unlearning_robustness.runtime.resume import pending_cells

WILDCARDS = {"model": "m", "benchmark": "b", "method": "x", "defence": "d"}


@pytest.fixture
def make_job(tmp_path):
    """A job of a rule with one input and two outputs a seed, and one input for all."""

    def make(seeds=(0, 1, 2), **params):
        (tmp_path / "cache").write_text("b") if not (tmp_path / "cache").exists() else None
        for seed in seeds:
            path = tmp_path / "in" / f"seed{seed}" / "delta"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("d") if not path.exists() else None
        inputs = [str(tmp_path / "cache"), *(str(tmp_path / "in" / f"seed{seed}" / "delta") for seed in seeds)]
        out = {
            name: [str(tmp_path / "out" / f"seed{seed}" / name) for seed in seeds] for name in ("records", "manifest")
        }
        params = {"seeds": list(seeds), "scratch": str(tmp_path / "scratch"), "rate": 1, **params}
        return SimpleNamespace(rule="r", wildcards=SimpleNamespace(**WILDCARDS, items=WILDCARDS.items),
                               params=Named(params), input=inputs, output=out)  # fmt: skip

    return make


class Named(dict):
    __getattr__ = dict.__getitem__


def run(job, stop_at=None):
    """Make the job's cells; before the cell ``stop_at`` is finished the process dies."""
    made = []
    for index, cell, files in pending_cells(job):
        assert job.params["seeds"][index] == cell.seed
        made.append(cell.seed)
        for name, path in files.items():
            path.write_text(f"{name} {cell.seed} {job.params['rate']}")
        if cell.seed == stop_at:
            raise KeyboardInterrupt
    return made


def outputs(job):
    return [Path(path).read_text() for path in job.output["records"]]


def test_every_cell_is_made_and_appears(make_job):
    job = make_job()
    assert run(job) == [0, 1, 2] and outputs(job) == ["records 0 1", "records 1 1", "records 2 1"]


def test_no_output_appears_before_all_are_there_and_finished_cells_are_not_made_again(make_job):
    job = make_job()
    with pytest.raises(KeyboardInterrupt):
        run(job, stop_at=1)
    assert not Path(job.output["records"][0]).exists()
    assert run(make_job()) == [1, 2] and outputs(job) == ["records 0 1", "records 1 1", "records 2 1"]


def test_a_further_seed_makes_its_own_cell_only(make_job):
    run(make_job(seeds=(0, 1)))
    shutil.rmtree(Path(make_job().output["records"][0]).parents[1])
    assert run(make_job(seeds=(0, 1, 5))) == [5]
    assert outputs(make_job(seeds=(0, 1, 5))) == ["records 0 1", "records 1 1", "records 5 1"]


def test_other_settings_or_another_input_make_what_depends_on_them(make_job, tmp_path):
    run(make_job())
    assert run(make_job()) == []
    assert run(make_job(rate=2)) == [0, 1, 2]
    os.utime(tmp_path / "in" / "seed1" / "delta", ns=(1, 1))
    assert run(make_job(rate=2)) == [1]
    os.utime(tmp_path / "cache", ns=(1, 1))
    assert run(make_job(rate=2)) == [0, 1, 2] and outputs(make_job()) == ["records 0 2", "records 1 2", "records 2 2"]


def test_a_cell_whose_kept_file_is_gone_is_made_again(make_job, tmp_path):
    run(make_job())
    (tmp_path / "scratch" / "seed2" / "records").unlink()
    assert run(make_job()) == [2]


def test_a_cell_whose_kept_file_was_altered_is_made_again(make_job):
    """The kept file and the output are one file: who deletes a damaged output gets a whole one."""
    run(make_job())
    output = Path(make_job().output["records"][1])
    output.write_text("damaged")
    output.unlink()
    assert run(make_job()) == [1] and output.read_text() == "records 1 1"


def test_a_cell_whose_state_is_half_written_is_made_again(make_job, tmp_path):
    run(make_job())
    (tmp_path / "scratch" / "seed2" / "key.json").write_text('{"key": ')
    assert run(make_job()) == [2]


def test_unfinished_work_beside_a_cell_is_found_again_but_not_after_a_change(make_job):
    for rate, kept in ((1, True), (2, False)):
        for _, _, files in pending_cells(make_job(rate=1)):
            beside = files["records"].with_name("training")
            beside.write_text("half")
            break
        for _, cell, files in pending_cells(make_job(rate=rate)):
            assert cell.seed == 0 and files["records"].with_name("training").exists() == kept
            break
