import os

import pytest

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.workflow.writable import check_writable


def test_a_folder_that_can_be_made_is_accepted_and_not_made(tmp_path):
    check_writable(tmp_path / "new" / "results", "study.results")
    assert list(tmp_path.iterdir()) == []


def test_results_below_a_file_are_refused_by_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(ConfigError) as raised:
            check_writable(folder, "study.reuse_results")
        assert str(folder) in str(raised.value)
        assert str(raised.value).startswith("study.reuse_results:")
        assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match=r"study\.results"):
        check_writable(tmp_path / "closed" / "results", "study.results")
