"""The environments under `--sdm conda`, with a stand-in for conda: wiring, activation, and completeness."""

import os
import re
import subprocess
import sys

import pytest
import standin_conda
import tiny_study
import yaml
from running import ROOT, snakemake


@pytest.fixture
def conda(tmp_path, monkeypatch):
    folder = standin_conda.install(tmp_path / "conda")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def environment_python(folder, name: str) -> str:
    standin_conda.create(ROOT / "envs" / f"{name}.yaml", folder / name)
    return str(folder / name / "bin" / "python")


def test_an_environment_sees_its_pins_and_nothing_else(tmp_path):
    python = environment_python(tmp_path, "figures")
    seen = "import matplotlib, pandas, seaborn; print(matplotlib.__file__)"
    assert str(tmp_path) in subprocess.run([python, "-c", seen], capture_output=True, text=True, check=True).stdout
    absent = f"import sys; sys.path.append({str(standin_conda.BASE)!r}); import torch"
    result = subprocess.run([python, "-c", absent], capture_output=True, text=True, check=False)
    assert "No module named 'torch'" in result.stderr


def test_a_pin_that_is_not_installed_fails(tmp_path):
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump({"channels": [], "dependencies": ["pandas =1.0.0"]}))
    with pytest.raises(SystemExit, match=r"pandas: 1\.0\.0 is pinned"):
        standin_conda.create(tmp_path / "wrong.yaml", tmp_path / "env")


@pytest.mark.slow
def test_every_stage_finds_all_that_it_imports_in_its_environment(conda, make_model, tiny_tokenizer):
    overlay = tiny_study.write_study(conda, make_model(), tiny_tokenizer)
    options = ["--cores", "2", "--configfile", overlay, "--sdm", "conda", "--conda-prefix", conda / "environments"]
    result = snakemake(*options, folder=conda)
    created = re.findall(r"Environment for .*?/envs/([\w-]+)\.yaml created", result.stdout + result.stderr)
    assert sorted(created) == ["data", "figures", "train"]
    assert (conda / tiny_study.RESULTS / "figures" / tiny_study.PLACE / "accuracy.svg").is_file()
    activated = re.findall(r"Activating conda environment: (\S+)", result.stdout + result.stderr)
    assert len(activated) > 10 and str(sys.prefix) not in activated
