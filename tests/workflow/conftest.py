"""A hub on this machine, for workflow tests that download."""

import pandas
import pytest
from hub_server import COMMIT, serving


@pytest.fixture
def hub(make_model, tiny_tokenizer, tmp_path, monkeypatch):
    """A hub with a tiny model and a gated data set; no token, an empty cache."""
    make_model().save_pretrained(tmp_path / "saved")
    tiny_tokenizer.save_pretrained(tmp_path / "saved")
    table = pandas.DataFrame({"text": ["one", "two"]})
    table.to_parquet(tmp_path / "part.parquet")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with serving() as running:
        running.add("lab/tiny", COMMIT, {path.name: path.read_bytes() for path in (tmp_path / "saved").iterdir()})
        data = {"train/part-0.parquet": (tmp_path / "part.parquet").read_bytes()}
        running.add("lab/texts", COMMIT, data, kind="datasets", granted=["granted"])
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running
