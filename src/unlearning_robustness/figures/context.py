"""What a figure is given: the tables of one model and benchmark, and the names to print."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas

from unlearning_robustness.analysis.table_files import read_tables
from unlearning_robustness.config.cells import REFERENCE, in_order


@dataclass(frozen=True)
class FigureContext:
    """Tables by name, already cut to one model and benchmark, and the study's resolved configuration."""

    tables: dict[str, pandas.DataFrame]
    config: dict
    chance: float

    @property
    def defences(self) -> dict[str, dict]:
        """The study's defences in its order, then the others it defines; a combination has a kind of its own."""
        named = in_order(self.config["study"], "defences")
        known = self.config["defences"]
        used = {name: known.get(name, {"kind": "combination", "parameters": {}}) for name in named if name != "none"}
        return used | {name: entry for name, entry in known.items() if name not in used}

    def method_label(self, method: str) -> str:
        """What a figure calls a method."""
        return self.config["methods"][method]["label"] if method in self.config["methods"] else method

    def probe_label(self, role: str, probe: str) -> str:
        """What a figure calls a question set."""
        if probe == self.config["analysis"]["baseline_probe"]:
            return {"forget": "forget", "retain": "retain", "neighbour": "neighbour domain"}[role]
        return f"{role}: {self.config['probes'][probe]['label']}"

    @property
    def probes(self) -> dict[str, str]:
        """The probes that the headline comparisons are about: baseline, forget_token, neutral_token."""
        analysis = self.config["analysis"]
        return {name: analysis[f"{name}_probe"] for name in ("baseline", "forget_token", "neutral_token")}

    def methods(self) -> list[str]:
        """Unlearning methods in the study's order, without variants of them."""
        return [name for name in self.every_method() if "variant_of" not in self.config["methods"][name]]

    def variants(self, method: str) -> list[str]:
        """The variants of a method in the study, in its order."""
        return [name for name in self.every_method() if self.config["methods"][name].get("variant_of") == method]

    def attack_runs(self, table: pandas.DataFrame) -> list[tuple[str, int]]:
        """(attack, documents) of the table's runs against unlearned models, in the study's order."""
        runs = table.loc[table["method"] != REFERENCE, ["attack", "documents"]].drop_duplicates()
        order = in_order(self.config["study"], "attacks")
        return sorted(runs.itertuples(index=False, name=None), key=lambda run: (order.index(run[0]), run[1]))

    def every_method(self) -> list[str]:
        """Unlearning methods in the study's order, variants included."""
        return [method for method in in_order(self.config["study"], "methods") if method != REFERENCE]


def read_context(paths: Iterable[str | Path], config: dict, model: str, benchmark: str) -> FigureContext:
    """The context of one model and benchmark, from the csv tables."""
    chance = 1 / (1 + config["benchmarks"][benchmark]["distractors"])
    return FigureContext(read_tables(paths, model, benchmark), config, chance)
