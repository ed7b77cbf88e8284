"""The inputs and settings of tables, figures and pages, as their own files declare them."""

from functools import cached_property
from pathlib import Path

from unlearning_robustness.config.cells import ACCURACY, NONE, in_order
from unlearning_robustness.config.checkpoints import checkpoint_methods
from unlearning_robustness.config.constants import constant, registry
from unlearning_robustness.config.display import figure_settings, index_settings, page_settings
from unlearning_robustness.config.folders import matrix_in
from unlearning_robustness.config.kinds import FIGURES, PAGES, module_of, registered
from unlearning_robustness.config.references import expected_of
from unlearning_robustness.config.root import ROOT
from unlearning_robustness.runtime.code_digest import code_digest
from unlearning_robustness.runtime.manifest import file_digest
from unlearning_robustness.workflow.paths import Paths, filled
from unlearning_robustness.workflow.targets import MEASURES, Targets

STYLE = Path(__file__).parents[1] / "figures" / "paper.mplstyle"


class Report:
    """Inputs, settings and code of each group of tables, figure and page; functions of ``wildcards`` are for rules.

    ``science`` is the configuration without labels and notes, all that a table reads.
    """

    def __init__(self, config: dict, science: dict, paths: Paths, targets: Targets):
        self.config, self.science, self.paths, self.targets = config, science, paths, targets
        self.table = f"{paths.results}/tables/{{table}}.csv"
        self.figure = f"{paths.results}/figures/{{model}}/{{benchmark}}/{{figure}}.svg"
        self.page = f"{paths.results}/tables/{{model}}/{{benchmark}}/{{page}}.html"
        self.groups: dict[str, tuple[str, ...]] = constant("analysis", "GROUPS")
        # No register without claims, no comparison without published numbers, no audit of models trained here.
        absent = {"claims": not config["claims"], "published": not expected_of(config), "audit": not self._audits()}
        self.pages = [name for name in registered(PAGES) if not absent.get(name)]

    def _audits(self) -> bool:
        """Whether any model of the study was unlearned elsewhere."""
        return bool(checkpoint_methods(self.config).keys() & set(in_order(self.config["study"], "methods")))

    @property
    def matrices(self) -> list[str]:
        """The matrices of the studies beside this one."""
        return [matrix_in(folder) for folder in self.config["study"]["beside"]]

    @cached_property
    def files(self) -> list[str]:
        """Everything that a study's report shows."""
        figures, pages = self.config["study"]["figures"], self.pages
        return [
            *(self.table.format(table=name) for names in self.groups.values() for name in names),
            *(path for name in figures for path in self.targets.per_benchmark(self.figure, figure=name)),
            *(path for name in pages for path in self.targets.per_benchmark(self.page, page=name)),
            self.paths.landing,
            self.paths.index,
        ]

    @cached_property
    def recorded(self) -> dict[str, list[str]]:
        """The recorded files by kind, as ``analysis.inputs.Inputs`` names them."""
        targets = self.targets
        alone = {path: Path(path).parent.name == NONE for path in targets.records}
        return {
            "answers": [path for path, unattacked in alone.items() if unattacked],
            "attacked": [path for path, unattacked in alone.items() if not unattacked],
            "measures": targets.cell_measures,
            "spent": targets.attack_manifests,
            "searched": targets.attack_manifests,
            "trigger_controls": targets.trigger_controls,
            "searches": targets.searches,
            "retain_log": [targets.retain_log] if targets.retain_log else [],
            **{kind: targets.measured(kind) for kind in (*MEASURES, "trajectory")},
        }

    def read_files(self, *patterns: str) -> list[str]:
        """All that tables, figures and pages read of what other jobs wrote, each once.

        ``patterns`` are those of a benchmark's files. A published log is no job's.
        """
        recorded = [path for kind, paths in self.recorded.items() if kind != "retain_log" for path in paths]
        return sorted({*recorded, *(path for pattern in patterns for path in self.targets.per_benchmark(pattern))})

    def _modules(self, group: str) -> list[str]:
        """The modules of a group's tables, each once."""
        modules = registry("analysis", "TABLES")
        return list(dict.fromkeys(modules[name] for name in self.groups[group]))

    def group_tables(self, group: str) -> list[str]:
        """The csv files of a group."""
        return [self.table.format(table=name) for name in self.groups[group]]

    def group_input(self, group: str) -> dict[str, list[str]]:
        """The recorded files that the tables of a group read, by kind."""
        kinds = [kind for module in self._modules(group) for kind in constant(module, "READS")]
        return {kind: self.recorded[kind] for kind in dict.fromkeys(kinds)}

    def group_settings(self, group: str) -> dict:
        """What they read of the configuration; published numbers come with their sources, which the table names."""
        keys = {"analysis", *(key for module in self._modules(group) for key in constant(module, "SETTINGS"))}
        settings = self.science | {"expected": expected_of(self.config)}
        return {key: settings[key] for key in sorted(keys) if key in settings}

    def group_code(self, group: str) -> str:
        """Digest of their code."""
        return code_digest(*self._modules(group))

    def figure_tables(self, wildcards) -> list[str]:
        """The tables that a figure reads."""
        return self._tables(constant(module_of(FIGURES, wildcards.figure), "READS"))

    def figure_manifest(self, manifest: str):
        """A function of wildcards: the benchmark's ``manifest``, a pattern, where chance stands in it alone."""

        def beside(wildcards) -> list[str]:
            settings = self.figure_settings(wildcards)
            return [filled(manifest, wildcards)] if settings.get("chance", 1) is None else []

        return beside

    def figure_settings(self, wildcards) -> dict:
        """The names that it prints, in their order; labels of attacks only where it shows attacks."""
        read = constant(module_of(FIGURES, wildcards.figure), "SETTINGS")
        return figure_settings(self.config, wildcards.benchmark, read)

    def figure_caption(self, wildcards) -> str:
        """Its caption, which says so where it shows another measure than accuracy."""
        return self.captioned(wildcards.figure)

    def captioned(self, figure: str) -> str:
        """The caption of a figure by its name."""
        caption = constant(module_of(FIGURES, figure), "CAPTION")
        shown = self.config["study"]["shown_measure"]
        return caption if shown == ACCURACY else f"{caption} Shown is the {shown} of the right choice, not accuracy."

    def figure_code(self, wildcards) -> str:
        """Digest of the code that draws it, and of its fonts and widths."""
        return f"{code_digest(module_of(FIGURES, wildcards.figure))} {file_digest(STYLE)}"

    def page_tables(self, wildcards) -> list[str]:
        """The tables that a page reads; the register reads those that the study's claims name."""
        reads = constant(module_of(PAGES, wildcards.page), "READS")
        if reads == "claims":
            reads = sorted({"pooled", "attack_validity", *(claim["table"] for claim in self.config["claims"].values())})
        return self._tables(reads)

    def page_beside(self, kind: str, files: list[str]):
        """A function of wildcards: the ``files``, patterns or paths, where a page reads that kind beside tables."""

        def beside(wildcards) -> list[str]:
            kinds = constant(module_of(PAGES, wildcards.page), "BESIDE")
            return [filled(path, wildcards) for path in files] if kind in kinds else []

        return beside

    def page_settings(self, wildcards) -> dict:
        """What it says of the study."""
        return page_settings(self.config, wildcards.model, wildcards.benchmark)

    def page_labels(self, wildcards) -> dict[str, str]:
        """What the report's list of pages says."""
        label = constant(module_of(PAGES, wildcards.page), "LABEL")
        return {"model": wildcards.model, "benchmark": wildcards.benchmark, "page": label}

    def page_caption(self, wildcards) -> str:
        """Its caption."""
        return constant(module_of(PAGES, wildcards.page), "CAPTION")

    def page_code(self, wildcards) -> str:
        """Digest of the code that writes it."""
        return code_digest(module_of(PAGES, wildcards.page))

    @property
    def index_settings(self) -> dict:
        """What the study's own page says: what every page does, and each figure's caption and tables."""
        figures = {
            name: {"caption": self.captioned(name), "tables": list(constant(module_of(FIGURES, name), "READS"))}
            for name in self.config["study"]["figures"]
        }
        overlay = f"studies/{self.config['study']['name']}.yaml"
        return index_settings(self.config) | {
            "figures": figures,
            "overlay": overlay if (ROOT / overlay).is_file() else None,
        }

    def _tables(self, names) -> list[str]:
        return [self.table.format(table=name) for name in names]
