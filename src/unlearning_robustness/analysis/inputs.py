"""What tables query: recorded files as frames, and the settings of the analysis."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas

from unlearning_robustness.analysis.bootstrap import CrossedBootstrap
from unlearning_robustness.analysis.intervals import Intervals
from unlearning_robustness.analysis.pairs import comparison_pairs
from unlearning_robustness.config.cells import ACCURACY, KIND, NONE, PROBABILITY
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.scoring.records import BUDGET, read_answers, read_measures

CELL = [*KIND, "seed"]
SPENT = ["seconds", "forwards", "backwards", "tokens", "operations"]
# The column of records that each measure of answers is the mean of.
VALUES = {ACCURACY: "correct", PROBABILITY: "probability"}
# The columns that tables read of the other kinds of parquet files.
COLUMNS = {
    "latents": [*CELL, "contrast", "position", "layer", "statistic", "at", "value", "error", "questions"],
    "sharpness": [*CELL, "statistic", "at", "value", "error"],
    "landscape": [*CELL, "slice", "corpus", "a", "b", "nll", "length"],
    "memorisation": [*CELL, "attack", "metric", "role", "item", "value"],
    "trajectory": [
        *CELL, "steps", "change", "operations", "relearning", "probe", "role", "fact", "correct", "log_probability",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """Frames by kind of recorded file, as many as a table's ``READS`` names, and the configuration that it reads.

    ``answers`` are records of models that nobody attacked, ``attacked`` those after attacks; the other kinds are
    ``measures`` (one row a cell), ``spent`` (what each point of an attack cost), ``searched`` (the losses of a search),
    ``searches`` (what was searched for attacks) and ``trigger_controls`` (a mapping each), those of ``COLUMNS``, and
    ``retain_log`` (the path of a published log, if there is one). ``measure`` is that of answers, see ``measured_by``.
    """

    recorded: dict[str, pandas.DataFrame | list]
    settings: dict
    measure: str = ACCURACY

    @property
    def analysis(self) -> dict:
        """The settings of the analysis."""
        return self.settings["analysis"]

    @property
    def intervals(self) -> Intervals:
        """The intervals of all means."""
        return Intervals(self.analysis["confidence"])

    @property
    def bootstrap(self) -> CrossedBootstrap:
        """For statistics that are no means; the same draws for every table."""
        return CrossedBootstrap(self.analysis["bootstrap_samples"], self.analysis["confidence"], self.analysis["seed"])

    @property
    def probes(self) -> tuple[str, str, str]:
        """The probes of the main comparison: the plain question, with a forget token, with a neutral one."""
        return tuple(self.analysis[f"{name}_probe"] for name in ("baseline", "forget_token", "neutral_token"))

    @property
    def measures(self) -> list[str]:
        """The measures of answers that the records hold."""
        return [measure for measure, column in VALUES.items() if column in self.every_split]

    def measured_by(self, measure: str) -> "Inputs":
        """The same with ``value`` another measure: the ``accuracy``, or the right choice's ``probability``.

        The latter is paired like the former, and moves while answers stay as they are.
        """
        return replace(self, measure=measure)

    @cached_property
    def every_split(self) -> pandas.DataFrame:
        """Answers to the questions of all splits, unattacked ones first, each with its ``value``, 0 to 1."""
        frames = [self.recorded[kind] for kind in ("answers", "attacked") if len(self.recorded.get(kind, ()))]
        records = pandas.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        return records.assign(value=records[VALUES[self.measure]].astype(float))

    @cached_property
    def records(self) -> pandas.DataFrame:
        """Answers to the ``test`` questions; those of ``select`` only choose the strength of attacks in the matrix."""
        return self.every_split[self.every_split["split"] == "test"]

    @cached_property
    def unattacked(self) -> pandas.DataFrame:
        """Answers of models that nobody attacked to the ``test`` questions."""
        return self.records[self.records["attack"] == NONE]

    @cached_property
    def plain(self) -> pandas.DataFrame:
        """Such answers to the plain questions, which attacks ask too."""
        return self.unattacked[self.unattacked["probe"] == self.probes[0]]

    @cached_property
    def attacked(self) -> pandas.DataFrame:
        """Answers after an attack to the ``test`` questions."""
        return self.records[self.records["attack"] != NONE]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """(defence, what it is compared with), each once: by design, and as ``analysis.comparisons`` asks."""
        used = list(dict.fromkeys(self.records["defence"]))
        asked = [tuple(pair) for pair in self.analysis["comparisons"]]
        return list(dict.fromkeys(comparison_pairs(self.settings["defences"], used) + asked))


def read_inputs(files: dict[str, Iterable[str | Path]], settings: dict) -> Inputs:
    """The inputs from the recorded files of every kind, in their order."""
    return Inputs({kind: READERS.get(kind, _read_parquet)(kind, paths) for kind, paths in files.items()}, settings)


def _read_parquet(kind: str, paths: Iterable[str | Path]) -> pandas.DataFrame:
    """The columns that tables read; without a file, no rows."""
    frames = [pandas.read_parquet(path, columns=list(COLUMNS[kind])) for path in paths]
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame(columns=COLUMNS[kind])


def _read_answers(_: str, paths: Iterable[str | Path]) -> pandas.DataFrame:
    return read_answers(paths)


def _read_measures(_: str, paths: Iterable[str | Path]) -> pandas.DataFrame:
    """One row a cell from ``measures.json`` files."""
    return pandas.DataFrame(read_measures(paths)).sort_values(CELL, ignore_index=True)


def _read_spent(_: str, paths: Iterable[str | Path]) -> pandas.DataFrame:
    """One row a point of an attack from ``records/CELL/ATTACK/manifest.json`` files; older runs recorded none."""
    rows = [
        {**{name: entry[name] for name in CELL}, "attack": path.parent.name, **point}
        for path in map(Path, paths)
        for entry in read_measures([path])
        for point in entry.get("points", [])
    ]
    return pandas.DataFrame(rows, columns=[*CELL, "attack", *BUDGET, "setting", *SPENT])


def _read_searches(_: str, paths: Iterable[str | Path]) -> list[dict]:
    """The contents of ``records/KIND/searches/SEARCH.json`` files, with the kind and the search that they are of."""
    return [
        {**dict(zip(KIND, path.parts[-6:-2], strict=True)), "search": path.stem, **read_json(path)}
        for path in map(Path, paths)
    ]


def _as_paths(_: str, paths: Iterable[str | Path]) -> list[str | Path]:
    return list(paths)


def _read_searched(_: str, paths: Iterable[str | Path]) -> pandas.DataFrame:
    """One row a step of a search, with its loss, from the same files; most attacks have none."""
    rows = [
        {**{name: entry[name] for name in CELL}, "attack": path.parent.name, "step": step, "loss": loss}
        for path in map(Path, paths)
        for entry in read_measures([path])
        for step, loss in enumerate(entry.get("losses", []), start=1)
    ]
    return pandas.DataFrame(rows, columns=[*CELL, "attack", "step", "loss"])


def _read_json(_: str, paths: Iterable[str | Path]) -> list[dict]:
    return [read_json(path) for path in paths]


READERS = {
    "searched": _read_searched,
    "trigger_controls": _read_json,
    "answers": _read_answers,
    "attacked": _read_answers,
    "measures": _read_measures,
    "spent": _read_spent,
    "searches": _read_searches,
    "retain_log": _as_paths,
}
