"""docs/python.md and docs/notebook.ipynb run, on tiny models."""

import json
import os
import re
from pathlib import Path

import pytest

from unlearning_robustness.data.model_folder import write_folder

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def model_folder(make_model, tiny_tokenizer, tmp_path):
    """The folder of a tiny model of 8 layers."""
    folder = tmp_path / "models" / "mine"
    write_folder(make_model(seed=1, num_hidden_layers=8), tiny_tokenizer, folder, {})
    return folder


def test_the_page_runs(model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r'```python title="first.py"\n(.*?)```', (DOCS / "python.md").read_text(), re.S)
    names = {}
    exec(code, names)
    assert set(names["attacked"]["steps"]) == {5, 15} and len(names["before"]) == len(names["after"]) == 1
    assert (tmp_path / "models" / "mine-unlearned" / "model.safetensors").is_file()


def test_the_notebook_runs_and_plots(model_folder, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setitem(os.environ, "MODEL", str(model_folder))
    monkeypatch.setattr(plt, "show", lambda: None)
    notebook = json.loads((DOCS / "notebook.ipynb").read_text())
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names = {}
    for cell in code:
        exec(cell, names)
    original, unlearned = (axis.get_ydata() for axis in names["axes"].lines[:2])
    # The curve of each model starts where it was asked without an attack.
    assert [original[0], unlearned[0]] == [names["before"]["forget"], names["after"]["forget"]]
    assert list(names["curves"]["unlearned model"].index) == [0, 2, 5, 15]
    plt.close(names["figure"])
