"""A study as its report sees it: the tables of one model and benchmark, and what everything is called."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas

from unlearning_robustness.analysis.relations import MICRO
from unlearning_robustness.config.cells import ACCURACY, FLOORS, MEASURE, NONE, REFERENCE
from unlearning_robustness.runtime.manifest import read_json
from unlearning_robustness.scoring.records import read

# The axis of the study that a column of a table names.
AXES = {"method": "methods", "defence": "defences", "first": "defences", "second": "defences", "attack": "attacks",
        "column": "attacks", "probe": "probes"}  # fmt: skip


@dataclass(frozen=True)
class ReportContext:
    """Tables by name, cut to one model and benchmark, and ``config.display``'s settings of a figure or a page.

    ``tables`` have the rows of the measure of answers that is shown, ``every_measure`` has all rows, and
    ``every_model`` those that are shown of all models and benchmarks. One page has the
    ``records`` of that model and benchmark too, another one the ``benchmark``'s manifest and checks, and one the
    ``matrices`` of other studies, whole, by the name of their results folder.
    """

    tables: dict[str, pandas.DataFrame]
    settings: dict
    records: pandas.DataFrame | None = None
    benchmark: dict | None = None
    matrices: dict[str, pandas.DataFrame] = field(default_factory=dict)
    every_measure: dict[str, pandas.DataFrame] = field(default_factory=dict)
    every_model: dict[str, pandas.DataFrame] = field(default_factory=dict)

    @property
    def measured(self) -> str:
        """What is shown of answers, as axes say it."""
        return self.settings.get(MEASURE, ACCURACY)

    @property
    def chance(self) -> float:
        """The accuracy of guessing, a share: the mean over the tested questions where they differ in their choices."""
        said = self.settings["chance"]
        return self.benchmark["chance"] if said is None else said

    def floor(self, method: str, role: str, defence: str = NONE) -> pandas.Series | None:
        """The row of table ``floors`` of all relations: about other entities, else without a question, else None."""
        table = self.tables["floors"]
        if table.empty:
            return None
        named = {"method": method, "defence": defence, "role": role, "relation": MICRO}
        by_way = table[(table[list(named)] == list(named.values())).all(axis=1)].set_index("floor")
        return next((by_way.loc[way] for way in FLOORS if way in by_way.index), None)

    @property
    def defences(self) -> dict[str, dict]:
        """The study's defences in its order, combinations among them, without plain unlearning."""
        return {name: entry for name, entry in self.settings["defences"].items() if entry["used"]}

    def of_kind(self, kind: str, variants: bool = False) -> list[str]:
        """The study's defences of a kind in its order, those that vary another one only with ``variants``."""
        return [
            name
            for name, entry in self.defences.items()
            if entry["kind"] == kind and (variants or "variant_of" not in entry)
        ]

    def every_method(self) -> list[str]:
        """Unlearning methods in the study's order, variants included."""
        return list(self.settings["methods"])

    def methods(self) -> list[str]:
        """Unlearning methods in the study's order, without variants, which sweeps and the main table show."""
        return [name for name, entry in self.settings["methods"].items() if "variant_of" not in entry]

    def variants(self, method: str) -> list[str]:
        """The variants of a method in the study, in its order."""
        return [name for name, entry in self.settings["methods"].items() if entry.get("variant_of") == method]

    def cells_of(self, table: pandas.DataFrame, methods: Iterable[str], defences: Iterable[str]) -> list[tuple]:
        """(method, defence) of the cells in a table, in the order of the methods, then of the defences."""
        present = set(zip(table["method"], table["defence"], strict=True)) if len(table) else set()
        return [(method, name) for method in methods for name in defences if (method, name) in present]

    def attack_runs(self, table: pandas.DataFrame) -> list[tuple[str, int]]:
        """(attack, documents) of the table's runs against unlearned models, in the study's order."""
        runs = table.loc[table["method"] != REFERENCE, ["attack", "documents"]].drop_duplicates()
        order = list(self.settings["attacks"])
        return sorted(runs.itertuples(index=False, name=None), key=lambda run: (order.index(run[0]), run[1]))

    def method_label(self, method: str) -> str:
        """What a method is called; what the study does not train, such as the reference, by its id."""
        return self.settings["methods"].get(method, {"label": method})["label"]

    def defence_label(self, defence: str, plain: str = "plain") -> str:
        """What a defence is called, a combination by its parts; ``plain`` is what none at all is called."""
        if defence == NONE:
            return plain
        parts = [self.settings["defences"].get(part, {"label": part}) for part in defence.split(".")]
        return " + ".join(part["label"] for part in parts)

    def cell_label(self, method: str, defence: str, join: str = ", ", plain: str = "plain unlearning") -> str:
        """What a kind of cell is called: method and defence, the method alone where ``plain`` is empty.

        The reference and checkpoints, which are not trained here, have no defence to name.
        """
        labels = [self.method_label(method)]
        if method != REFERENCE and "checkpoint" not in self.settings["methods"].get(method, {}):
            labels.append(self.defence_label(defence, plain))
        return join.join(filter(None, labels))

    def attack_label(self, attack: str) -> str:
        """What an attack is called."""
        return self.settings["attacks"][attack]["label"]

    def probe_label(self, role: str, probe: str) -> str:
        """What a question set is called."""
        if probe == self.probe("baseline"):
            return {"forget": "forget", "retain": "retain", "neighbour": "neighbour domain"}[role]
        return f"{role}: {self.settings['probes'][probe]['label']}"

    def probe(self, name: str) -> str:
        """The probe of the headline comparison: ``baseline``, ``forget_token`` or ``neutral_token``."""
        return self.settings["headline"][name]

    def headline_sets(self) -> list[tuple[str, str]]:
        """The (role, probe) by which methods are judged: forget, retain, and retain with a forget token."""
        plain, token = self.probe("baseline"), self.probe("forget_token")
        return [("forget", plain), ("retain", plain), ("retain", token)]

    def answer_probes(self) -> list[str]:
        """The study's probes in its order, without those that ask for a letter and those that measure the floor."""
        return [name for name, entry in self.settings["probes"].items() if entry["mode"] not in ("letter", *FLOORS)]


def read_context(
    paths: Iterable[str | Path],
    settings: dict,
    model: str,
    benchmark: str,
    records: Sequence = (),
    manifests: Sequence = (),
    matrices: Sequence = (),
) -> ReportContext:
    """The context of one model and benchmark from csv tables, their rows in the study's order.

    ``records`` are files of answers, ``manifests`` are that of the benchmark and its checks, ``matrices`` csv tables of
    other studies, in their results folders; only some pages read them.
    """
    whole = {Path(path).stem: _read(path) for path in paths}
    tables = {
        name: _in_order(_cut(table, model, benchmark), settings) if len(table) else table
        for name, table in whole.items()
    }
    answers = _cut(read(records), model, benchmark) if len(records) else None
    known = {key: value for path in manifests for key, value in read_json(path).items()} or None
    others = {Path(path).parents[1].name: of_measure(_read(path), ACCURACY) for path in matrices}
    measure = settings.get(MEASURE, ACCURACY)
    shown, all_models = ({name: of_measure(table, measure) for name, table in each.items()} for each in (tables, whole))
    return ReportContext(shown, settings, answers, known, others, tables, all_models)


def of_measure(table: pandas.DataFrame, measure: str) -> pandas.DataFrame:
    """The rows of one measure of answers; a table without such measures as it is."""
    return table[table[MEASURE] == measure] if MEASURE in table else table


def _cut(rows: pandas.DataFrame, model: str, benchmark: str) -> pandas.DataFrame:
    return rows[(rows["model"] == model) & (rows["benchmark"] == benchmark)]


def _read(path: str | Path) -> pandas.DataFrame:
    # NONE is an id here, not a missing value.
    try:
        return pandas.read_csv(path, keep_default_na=False, na_values=[""])
    except pandas.errors.EmptyDataError:
        return pandas.DataFrame()


def _in_order(table: pandas.DataFrame, settings: dict) -> pandas.DataFrame:
    """Rows in the order of the study's axes instead of their ids'; what no axis names, such as none, goes first.

    A figure that has no settings of an axis shows nothing in its order.
    """
    axes = set(AXES.values()) & settings.keys()
    ranks = {axis: {name: rank for rank, name in enumerate(settings[axis], 1)} for axis in axes}
    columns = [column for column, axis in AXES.items() if column in table and axis in axes]

    def rank(column: pandas.Series) -> pandas.Series:
        return column.map(ranks[AXES[column.name]]).fillna(0)

    return table.sort_values(columns, key=rank, kind="stable") if columns else table
