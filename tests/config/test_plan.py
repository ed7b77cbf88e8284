import os

import pytest

from unlearning_robustness.config import plan
from unlearning_robustness.errors import ConfigError


def test_a_folder_that_can_be_made_is_accepted_and_not_made(tmp_path):
    plan.writable(tmp_path / "new" / "results", "study.results")
    assert list(tmp_path.iterdir()) == []


def test_results_below_a_file_are_refused_by_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(ConfigError) as raised:
            plan.writable(folder, "study.shares")
        assert str(folder) in str(raised.value)
        assert str(raised.value).startswith("study.shares:")
        assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match=r"study\.results"):
        plan.writable(tmp_path / "closed" / "results", "study.results")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("matrices", "in bfloat16, about 14 minutes on 2 cores"),
        ("vectors", "in bfloat16 (this CPU has no matrix unit for it), about 25 minutes"),
        ("float32", "no native bfloat16), about 42 minutes"),
    ],
)
def test_the_plan_says_how_much_work_and_in_which_precision(monkeypatch, kind, said):
    monkeypatch.setattr(plan, "processor", lambda: kind)
    line = plan.plan_line(7, 60, 2)
    assert line.startswith("7 cells, 60 (cell, attack) runs")
    assert said in line
    assert "\n" not in line
