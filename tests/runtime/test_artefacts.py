"""Every kind of artefact, damaged in every way: the next job says so in one line, and reads none of it as data."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy
import pandas
import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.errors import ArtefactError
from unlearning_robustness.runtime import sealing
from unlearning_robustness.runtime.artefacts import check, check_inputs, name_of, seal_of, seal_outputs
from unlearning_robustness.runtime.manifest import digest_of, file_digest

CELL, OTHER = "m/b/rmu/rna/seed0", "m/b/npo/none/seed0"
# By kind an artefact's place and the place of another of its kind.
KINDS = {
    "delta": (f"cells/{CELL}/delta.safetensors", f"cells/{OTHER}/delta.safetensors"),
    "cell's facts": (f"cells/{CELL}/manifest.json", f"cells/{OTHER}/manifest.json"),
    "history": (f"cells/{CELL}/history.csv", f"cells/{OTHER}/history.csv"),
    "activation cache": ("activation_caches/m/b/layer1.safetensors", "activation_caches/m/b/layer2.safetensors"),
    "prefix": ("benchmarks/m/b/prefix.safetensors", "benchmarks/m/other/prefix.safetensors"),
    "corpora": ("corpora/b.parquet", "corpora/other.parquet"),
    "questions": ("benchmarks/m/b/questions.parquet", "benchmarks/m/other/questions.parquet"),
    "probes": ("benchmarks/m/b/probes.parquet", "benchmarks/n/b/probes.parquet"),
    "records": (f"records/{CELL}/relearn/records.parquet", f"records/{OTHER}/relearn/records.parquet"),
    "records of an attack": (f"records/{CELL}/relearn/records.parquet", f"records/{CELL}/gcg/records.parquet"),
    "measures": (f"records/{CELL}/none/measures.json", f"records/{OTHER}/none/measures.json"),
    "trajectory": (f"records/{CELL}/trajectory.parquet", f"records/{OTHER}/trajectory.parquet"),
    "search": ("records/m/b/rmu/rna/searches/lr.json", "records/m/b/npo/none/searches/lr.json"),
    "table": ("tables/accuracy.csv", "tables/recovery.csv"),
}  # fmt: skip


def wildcards_of(place: str) -> dict[str, str]:
    """What a rule would have found in a path: all that two places of one kind may differ in."""
    words = [part.split(".")[0] for part in Path(place).parts]
    kinds = ("cells", "activation_caches", "benchmarks", "corpora", "records", "tables")
    assert words[0] in kinds
    return {
        f"w{n}": word.removeprefix("seed") for n, word in enumerate(words[1:-1] or words[1:]) if words[0] != "tables"
    }


def write(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = numpy.random.default_rng(number).normal(size=64).astype("float32")
    if path.suffix == ".safetensors":
        save_file({"layer": torch.tensor(values)}, path)
    elif path.suffix == ".parquet":
        pandas.DataFrame({"text": [f"{value}" for value in values], "scores": list(values.reshape(64, 1))}).to_parquet(
            path
        )
    elif path.suffix == ".csv":
        pandas.DataFrame({"value": values}).to_csv(path, index=False)
    else:
        path.write_text(json.dumps({"values": values.tolist()}))


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes two artefacts of a kind, as jobs do; the first is what the next job reads."""
    monkeypatch.chdir(tmp_path)

    def make(kind: str) -> tuple[Path, Path]:
        paths = tuple(Path("results", place) for place in KINDS[kind])
        for number, (path, place) in enumerate(zip(paths, KINDS[kind], strict=True)):
            write(path, number)
            job = SimpleNamespace(rule="r", wildcards=wildcards_of(place), params={"rate": 1}, output=[str(path)])
            seal_outputs(job, {})
        return paths

    return make


def truncate(path: Path, other: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path, other: Path) -> None:
    """In the middle, with the times of before."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(path: Path, other: Path) -> None:
    shutil.copy(other, path)


def exchange_with_seal(path: Path, other: Path) -> None:
    shutil.copy(other, path)
    shutil.copy(seal_of(other), seal_of(path))


def double(path: Path, other: Path) -> None:
    """Each row twice, or each byte."""
    if path.suffix == ".parquet":
        table = pandas.read_parquet(path)
        pandas.concat([table, table]).to_parquet(path)
    else:
        path.write_bytes(path.read_bytes() * 2)


def hold_nan(path: Path, other: Path) -> None:
    if path.suffix == ".safetensors":
        tensors = load_file(path)
        tensors["layer"][3] = torch.nan
        save_file(tensors, path)
    elif path.suffix == ".parquet":
        table = pandas.read_parquet(path)
        table["scores"] = [numpy.array([numpy.nan], "float32")] * len(table)
        table.to_parquet(path)
    else:
        path.write_text(path.read_text().replace("0.", "NaN", 1))


def lose_seal(path: Path, other: Path) -> None:
    seal_of(path).unlink()


def damage_seal(path: Path, other: Path) -> None:
    os.truncate(seal_of(path), 20)


def lose(path: Path, other: Path) -> None:
    path.unlink()


# By fault the words that say it.
FAULTS = {
    truncate: "bytes instead of", empty: "0 bytes instead of", flip_a_bit: "has changed since it was written",
    exchange: "instead of|has changed", exchange_with_seal: "is another artefact", double: "bytes instead of",
    hold_nan: "instead of|has changed", lose_seal: "has no seal", damage_seal: "is damaged", lose: "is missing",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_artefact_is_refused_in_one_line(written, kind, fault):
    path, other = written(kind)
    assert check_inputs([path, other], Path("/nowhere"))[str(path)] == file_digest(path)
    fault(path, other)
    with pytest.raises(ArtefactError, match=FAULTS[fault]) as refused:
        check_inputs([other, path], Path("/nowhere"))
    said = str(refused.value)
    assert path.name in said and str(path.parent) in said and "run again" in said and "\n" not in said


def test_results_may_be_moved_and_another_study_may_read_them(written):
    path, other = written("delta")
    shutil.move("results", "elsewhere")
    assert check(Path("elsewhere", *path.parts[1:])) and check(Path("elsewhere", *other.parts[1:]).absolute())


@pytest.mark.parametrize(
    ("path", "wildcards", "name"),
    [
        (
            "results/world/cells/world/b/x/d/seed3/delta",
            {"model": "world", "benchmark": "b"},
            "cells/world/b/x/d/seed3/delta",
        ),
        (
            "results/tuning/m/b/noise/rmu/seed0.csv",
            {"model": "m", "kind": "noise", "seed": "0"},
            "tuning/m/b/noise/rmu/seed0.csv",
        ),
        ("/data/results/tables/accuracy.csv", {}, "tables/accuracy.csv"),
        ("results/corpora/elements.parquet", {"benchmark": "elements"}, "corpora/elements.parquet"),
        ("done", {}, "done"),
    ],
)
def test_an_artefact_is_named_by_its_place_below_the_results(path, wildcards, name):
    assert name_of(path, wildcards) == name


def test_a_seal_says_from_what_an_artefact_was_made(written, tmp_path):
    path, _ = written("delta")

    def sealed(inputs, **params):
        job = SimpleNamespace(rule="r", wildcards=wildcards_of(KINDS["delta"][0]), params=params, output=[str(path)])
        seal_outputs(job, inputs)
        return json.loads(seal_of(path).read_bytes())

    first = sealed({"c": "1", "cells/seed0/x": "2", "cells/seed1/x": "3"}, rate=1, seeds=[0, 1], code="k")
    assert first["rule"] == "r" and first["settings"] == digest_of({"rate": 1}) and first["code"] == "k"
    # A cell is the same whether seeds are served together or apart.
    assert sealed({"c": "1", "cells/seed0/x": "2"}, rate=1, seeds=[0], code="k") == first
    assert sealed({"c": "1", "cells/seed0/x": "9"}, rate=1, code="k")["inputs"] != first["inputs"]
    assert sealed({}, rate=2)["settings"] != first["settings"]


@pytest.fixture
def folder(tmp_path):
    files = {"config.json": b"{}", "part.parquet": b"rows", "model.safetensors": b"weights"}
    for name, content in files.items():
        (tmp_path / "f" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "f" / name).write_bytes(content)
    stated = {
        name: {"bytes": len(content), "sha256": file_digest(tmp_path / "f" / name)} for name, content in files.items()
    }
    (tmp_path / "f" / "manifest.json").write_text(json.dumps({"files": stated, "digest": digest_of(stated)}))
    return tmp_path / "f"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", b"[]", "has changed"),
        ("part.parquet", b"row", "3 bytes instead of 4"),
        ("model.safetensors", b"weight", "6 bytes instead of 7"),
        ("part.parquet", None, "is missing"),
        ("manifest.json", None, "is missing"),
        ("manifest.json", b"{", "is damaged"),
        ("manifest.json", b'{"files": {}, "digest": "0"}', "is damaged"),
    ],
)
def test_a_folder_is_what_its_manifest_says(folder, name, content, said):
    assert check(folder)
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{name}.*{said}.*delete the folder .* and run again"):
        check(folder)


def test_texts_of_this_repository_need_no_seal(tmp_path):
    (tmp_path / "guide.md").write_text("x")
    assert check_inputs([tmp_path / "guide.md"], tmp_path) == {}


def test_what_was_made_by_hand_is_looked_at_and_sealed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [Path("results", place) for places in KINDS.values() for place in places]
    for number, path in enumerate(paths):
        write(path, number)
    write(Path("results/scratch/seed0/delta.safetensors"), 0)
    assert len(sealing.seal_by_hand(Path("results"))) == len(set(paths))
    assert all(map(check, paths))
    write(paths[0], 99)
    assert sealing.seal_by_hand(Path("results"), [paths[0]]) == [paths[0]] and check(paths[0])


# A number that is missing is a legal entry of tables and measures.
DAMAGED = [("delta", hold_nan), ("records", hold_nan)] + [
    (kind, fault) for kind in ("delta", "records", "measures") for fault in (truncate, empty)
]


@pytest.mark.parametrize(("kind", "fault"), [*DAMAGED, ("table", empty)])
def test_what_was_damaged_is_not_sealed_by_hand(written, kind, fault):
    path, other = written(kind)
    fault(path, other)
    with pytest.raises(ArtefactError, match="nothing was sealed"):
        sealing.seal_by_hand(Path("results"), [path])


@pytest.mark.parametrize(("file", "said"), [("results/none", "is missing"), ("other", "is not below results")])
def test_a_file_that_cannot_be_sealed_is_named(tmp_path, monkeypatch, file, said):
    monkeypatch.chdir(tmp_path)
    Path("other").touch()
    with pytest.raises(ArtefactError, match=f"{file} {said}"):
        sealing.seal_by_hand(Path("results"), [Path(file)])


def test_a_folder_put_in_the_place_of_another_is_refused(folder):
    shutil.copytree(folder, folder.parent / "models" / "other")
    job = SimpleNamespace(
        rule="r", wildcards={"model": "other"}, params={}, output=[str(folder.parent / "models" / "other")]
    )
    seal_outputs(job, {})
    assert check(folder.parent / "models" / "other")
    shutil.move(folder.parent / "models" / "other", folder.parent / "models" / "model")
    with pytest.raises(ArtefactError, match=r"is another artefact, models/other/manifest\.json: delete the folder"):
        check(folder.parent / "models" / "model")
