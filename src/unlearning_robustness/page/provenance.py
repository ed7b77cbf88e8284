"""What a study ran on and for how long, from what its jobs left behind."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from unlearning_robustness.runtime.manifest import read_json

MACHINE = ("machine", "device", "dtype", "python")


def machines(manifests: Iterable[Path]) -> list[dict]:
    """Each kind of machine with its versions, and how many jobs it ran, from manifests of jobs; unreadable ones aside.

    A study that went on elsewhere has several.
    """
    counted = Counter()
    for path in manifests:
        try:
            manifest = read_json(path)
        except (OSError, ValueError):
            continue
        facts = {name: manifest.get(name) for name in MACHINE} | (manifest.get("versions") or {})
        counted[tuple((name, str(value)) for name, value in facts.items() if value is not None)] += 1
    return [{"jobs": count, **dict(facts)} for facts, count in counted.most_common()]


def times(folder: Path) -> list[dict]:
    """Of each rule how many jobs ran, their seconds of wall clock in all, and the longest one's, from their costs."""
    rows = []
    for rule in sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ():
        seconds = [spent for path in sorted(rule.rglob("*.jsonl")) for spent in _seconds(path)]
        if seconds:
            hours, longest = f"{sum(seconds) / 3600:.2f}", f"{max(seconds):.0f}"
            rows.append({"rule": rule.name, "jobs": len(seconds), "hours": hours, "longest": longest})
    return rows


def _seconds(path: Path) -> list[float]:
    """The wall clock of every run in a file of Snakemake's costs."""
    try:
        return [float(json.loads(line)["s"]) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, ValueError, KeyError, TypeError):
        return []
