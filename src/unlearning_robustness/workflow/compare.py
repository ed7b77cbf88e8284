"""The first stage in which two runs of a study differ: ``python -m unlearning_robustness.workflow.compare A B``.

Artefacts are compared by the digests of their seals, stage by stage in the order of the flow, so that what is named is
where a difference begins, not where it ends. Seconds, memory and versions differ always and are left out.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unlearning_robustness.errors import ArtefactError, StudyError
from unlearning_robustness.runtime.artefacts import check

# In the order of the flow; rules that are not named come last, in the order of their names.
STAGES = (
    "fetch_model", "fetch_source", "pretrain", "build_corpora", "check_texts", "make_target_model", "check_world",
    "build_open_questions", "build_questions", "build_probes", "check_questions", "build_prefix", "cache_activations",
    "reference", "take_checkpoint", "unlearn", "evaluate", "trigger_control", "search", "attack", "trajectory",
    "measure_retrained", "measure", "arbitrate", "lm_eval_tasks",
)  # fmt: skip
# What a machine and a moment decide, in manifests, measures and tables.
COSTS = {
    "versions", "python", "machine", "wall_seconds", "cpu_seconds", "cpu_seconds_ratio", "seconds", "peak_memory_mb",
    "peak_memory_mb_ratio", "peak_gpu_memory_mb", "visible_devices", "device", "scratch", "code", "seeds", "processes",
}  # fmt: skip
# Pages, figures and the markdown of tables say what tables hold.
COMPARED = (".safetensors", ".parquet", ".csv", ".json")


@dataclass(frozen=True)
class Difference:
    """An artefact of one stage that is not the same in both runs, and how it differs."""

    stage: str
    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.name} {self.how}"


def differences(first: Path, second: Path) -> Iterator[Difference]:
    """All artefacts that differ, in the order of the flow.

    Raises ArtefactError for a folder without artefacts, and for an artefact that is not what its seal says.
    """
    ours, theirs = sealed(first), sealed(second)
    for name in sorted(ours.keys() | theirs.keys(), key=lambda name: (_place((ours | theirs)[name]["rule"]), name)):
        stage = (ours | theirs)[name]["rule"]
        if name not in theirs or name not in ours:
            yield Difference(stage, name, f"is in {first if name in ours else second} alone")
        elif ours[name]["sha256"] != theirs[name]["sha256"]:
            check(first / name), check(second / name)
            if how := how_much(first / name, second / name):
                yield Difference(stage, name, f"{how} ({_why(ours[name], theirs[name])})")


def sealed(results: Path) -> dict[str, dict]:
    """The seals of a results folder, by the artefact's path in it."""
    seals = {}
    for path in results.rglob(".*.seal"):
        artefact = path.with_name(path.name.removeprefix(".").removesuffix(".seal"))
        name = artefact.relative_to(results)
        if artefact.is_file() and artefact.suffix in COMPARED and name.parts[0] != "scratch":
            seals[name.as_posix()] = {"rule": "", "settings": None, "inputs": None, **json.loads(path.read_bytes())}
    if not seals:
        raise ArtefactError(f"{results} holds no artefacts with seals: name a study's results folder")
    return seals


def _place(rule: str) -> tuple[int, str]:
    return (STAGES.index(rule) if rule in STAGES else len(STAGES), rule)


def _why(ours: dict, theirs: dict) -> str:
    if ours["settings"] != theirs["settings"]:
        return "settings differ"
    if ours.get("code") != theirs.get("code"):
        return "the code differs"
    return "inputs differ" if ours["inputs"] != theirs["inputs"] else "settings, code and inputs are the same"


def how_much(first: Path, second: Path) -> str:
    """How two files of one form differ; empty where only what a machine and a moment decide does."""
    ours, theirs = (dict(READERS[path.suffix](path)) for path in (first, second))
    if ours.keys() != theirs.keys():
        return f"differs in what it has: {', '.join(sorted(map(str, ours.keys() ^ theirs.keys()))[:3])}"
    largest, where, others = 0.0, None, []
    for name, value in ours.items():
        distance = _distance(value, theirs[name])
        if distance is None:
            others.append(name)
        elif distance > largest:
            largest, where = distance, name
    said = [f"differs by up to {largest:.3g} in {where}"] if where is not None else []
    return "; ".join([*said, *([f"differs in {', '.join(map(str, others[:3]))}"] if others else [])])


def _distance(first, second) -> float | None:
    """The largest difference of two lots of numbers, 0 for equal ones; None where there is no such number."""
    import numpy

    first, second = numpy.asarray(first), numpy.asarray(second)
    if first.shape != second.shape:
        return None
    numbers = all(array.dtype.kind in "biuf" for array in (first, second))
    if not numbers:
        return 0.0 if (first.astype(str) == second.astype(str)).all() else None
    first, second = first.astype(float), second.astype(float)
    if (numpy.isnan(first) != numpy.isnan(second)).any():
        return None
    return float(numpy.nan_to_num(abs(first - second)).max(initial=0.0))


def _tensors(path: Path) -> Iterator[tuple[str, object]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as handle:
        for name in handle.keys():  # noqa: SIM118
            yield name, handle.get_tensor(name).double().numpy()


def _table(path: Path) -> Iterator[tuple[str, object]]:
    import numpy
    import pandas

    table = pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path)
    for name, column in table.items():
        lists = len(column) and isinstance(column.iloc[0], numpy.ndarray)
        if name not in COSTS:
            yield name, numpy.concatenate(list(column)) if lists else column.to_numpy()


def _entries(path: Path) -> Iterator[tuple[str, object]]:
    def flat(value, key: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name not in COSTS:
                    yield from flat(inner, f"{key}.{name}" if key else name)
        elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
            for number, inner in enumerate(value):
                yield from flat(inner, f"{key}[{number}]")
        else:
            yield key, value

    return flat(json.loads(path.read_bytes()), "")


READERS = {".safetensors": _tensors, ".parquet": _table, ".csv": _table, ".json": _entries}


def main() -> None:
    """The command line: the first stage that differs with all its artefacts, and how many differ behind it."""
    try:
        every = list(differences(*map(Path, sys.argv[1:3])))
    except StudyError as error:
        raise SystemExit(f"error: {error}") from None
    if not every:
        print("no artefact differs")
        return
    stage = every[0].stage
    of_stage = [difference for difference in every if difference.stage == stage]
    print(f"The first stage that differs is {stage}:")
    print(*(f"  {difference.name} {difference.how}" for difference in of_stage), sep="\n")
    print(f"Behind it {len(every) - len(of_stage)} artefacts differ.")
    raise SystemExit(1)


if __name__ == "__main__":
    main()
