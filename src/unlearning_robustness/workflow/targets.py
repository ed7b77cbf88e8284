"""The files of a study that its tables read, one for each cell, attack or measure."""

from unlearning_robustness.config.cells import (
    KIND,
    NONE,
    Cell,
    attacked_cells,
    measured_cells,
    places,
    retrain_of,
    trigger_controls,
)
from unlearning_robustness.config.searches import searched_kinds
from unlearning_robustness.workflow.paths import Paths, filled

MEASURES = ("latents", "sharpness", "landscape", "memorisation")


class Targets:
    """Lists of paths, in the order of the cells."""

    def __init__(self, config: dict, paths: Paths):
        self.config, self.paths, self.study = config, paths, config["study"]

    @property
    def records(self) -> list[str]:
        """Answers of every cell under every attack, also without one."""
        return [self._attacked(cell, attack, "records.parquet") for cell, attack in attacked_cells(self.study)]

    @property
    def searches(self) -> list[str]:
        """What was searched for attacks, by kind of cell."""
        names = (*KIND, "search")
        return [self.paths.search.format(**dict(zip(names, kind, strict=True))) for kind in searched_kinds(self.config)]

    @property
    def attack_manifests(self) -> list[str]:
        """What every attack cost."""
        pairs = [pair for pair in attacked_cells(self.study) if pair[1] != NONE]
        return [self._attacked(cell, attack, "manifest.json") for cell, attack in pairs]

    @property
    def trigger_controls(self) -> list[str]:
        """The positive control of every attack that searches over prompts, on every model that it attacks."""
        named = ("model", "benchmark", "attack")
        controls = [dict(zip(named, place, strict=True)) for place in trigger_controls(self.config)]
        return [filled(self.paths.trigger_control, place) for place in controls]

    @property
    def cell_measures(self) -> list[str]:
        """Perplexity and cost of training of every cell."""
        pairs = [pair for pair in attacked_cells(self.study) if pair[1] == NONE]
        return [self._attacked(cell, attack, "measures.json") for cell, attack in pairs]

    def measured(self, measure: str) -> list[str]:
        """The tables of one of ``MEASURES`` or of trajectories; of memorisation, also of models without the texts."""
        tables = [self.paths.records_of(cell, f"{measure}.parquet") for cell in measured_cells(self.config, measure)]
        return tables + self._retrained() if measure == "memorisation" else tables

    @property
    def retain_log(self) -> str | list[str]:
        """A published evaluation of the model that never saw the texts, if there is one."""
        retrain = self.config.get("memorisation", {}).get("retrain", {})
        return retrain.get("log", []) if self.study["memorisation"] else []

    def per_benchmark(self, pattern: str, **others: str) -> list[str]:
        """The path that a pattern gives for each model and benchmark."""
        return [
            filled(pattern, {"model": model, "benchmark": benchmark}, **others)
            for model, benchmark in places(self.study)
        ]

    def _retrained(self) -> list[str]:
        if not self.study["memorisation"]:
            return []
        return [
            filled(self.paths.retrained, {"model": model, "benchmark": benchmark})
            for model, benchmark in places(self.study)
            if "model" in retrain_of(self.config, model)
        ]

    def _attacked(self, cell: Cell, attack: str, name: str) -> str:
        return self.paths.records_of(cell, f"{attack}/{name}")
