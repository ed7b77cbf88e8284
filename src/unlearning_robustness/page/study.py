"""What the page is made of: a study's tables, figures, records and manifests, wherever they come from."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas

from unlearning_robustness.analysis import TABLES
from unlearning_robustness.config.cells import NONE, REFERENCE
from unlearning_robustness.figures.style import REFERENCE_COLOUR, colour
from unlearning_robustness.page.lead import defence_of
from unlearning_robustness.report.context import ReportContext, read_context


@dataclass(frozen=True)
class Study:
    """The files and settings of the page.

    ``settings`` are ``workflow.report.index_settings``. Files that are not there are named on the page. ``root`` is the
    folder of the page, to which its links are relative.
    """

    settings: dict
    root: Path
    tables: list[Path] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)
    records: list[Path] = field(default_factory=list)
    jobs: list[Path] = field(default_factory=list)
    manifests: list[Path] = field(default_factory=list)
    times: Path = Path("benchmark_times")

    def contexts(self) -> dict[str, ReportContext]:
        """The context of each "model/benchmark"."""
        there = [path for path in self.tables if path.is_file() and path.stem in TABLES]
        contexts = {}
        for place, settings in self.settings["places"].items():
            model, benchmark = place.split("/")
            manifests = [path for path in self.manifests if path.is_file() and path.parts[-3:-1] == (model, benchmark)]
            context = read_context(there, settings, model, benchmark, manifests=manifests)
            for name in TABLES.keys() - context.tables.keys():
                context.tables[name] = context.every_measure[name] = pandas.DataFrame()
            contexts[place] = context
        return contexts

    def missing(self) -> list[str]:
        """The files that should be there and are not."""
        files = [*self.tables, *self.figures, *self.records]
        return [self.relative(path) for path in files if not path.is_file()]

    def relative(self, path: Path) -> str:
        """A path as the page links to it, or as it is outside of the page's folder."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()


def names(context: ReportContext) -> dict:
    """What everything is called on charts, in the study's order, with the colours of figures."""
    defences = [NONE, *context.defences]
    return {
        "methods": {REFERENCE: "reference"} | {name: context.method_label(name) for name in context.every_method()},
        "defences": {name: context.defence_label(name) for name in defences},
        "attacks": {name: entry["label"] for name, entry in context.settings["attacks"].items()},
        "probes": {name: entry["label"] for name, entry in context.settings["probes"].items()},
        "colours": {name: colour(name, context.defences) for name in defences} | {REFERENCE: REFERENCE_COLOUR},
        "headline": context.settings["headline"],
        "chance": context.settings["chance"],
        "attack": context.settings["analysis"]["attack"],
        "defence": defence_of(context),
    }
