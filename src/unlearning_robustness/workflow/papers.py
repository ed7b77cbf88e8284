"""The figures and tables of a study that the papers have too, by the papers' names."""

from unlearning_robustness.config.cells import NONE, RNA, in_order, parts_of
from unlearning_robustness.config.constants import constant
from unlearning_robustness.config.kinds import FIGURES, module_of
from unlearning_robustness.runtime.code_digest import code_digest
from unlearning_robustness.workflow.paths import filled
from unlearning_robustness.workflow.report import Report

TABLES = "report.paper_tables"
KINDS = ("svg", "pdf", "png")
STABLEUN = "stableun"


class Papers:
    """Paths, inputs and settings of papers' figures and tables; ``report`` knows the study's own."""

    def __init__(self, report: Report):
        self.report = report
        self.folder = f"{report.paths.results}/papers/{{model}}/{{benchmark}}"
        self.figure, self.table = f"{self.folder}/{{paper}}-{{figure}}", f"{self.folder}/{{paper_table}}.tex"

    @property
    def figures(self) -> dict[str, str]:
        """The study's figures that a paper has, with the paper and its number."""
        named = {}
        for figure in self.report.config["study"]["figures"]:
            try:
                named[figure] = constant(module_of(FIGURES, figure), "PAPER")
            except KeyError:  # A figure of this study alone.
                continue
        return named

    @property
    def tables(self) -> list[str]:
        """The tables whose question the study asks: of a paper whose defence it has, of attacks, of memorised texts."""
        config = self.report.config
        study, used = config["study"], in_order(config["study"], "defences")
        kinds = {config["defences"][part]["kind"] for name in used if name != NONE for part in parts_of(name)}
        asked = {
            "rna-main": RNA in kinds,
            "rna-attacks": "matrix" in study["figures"],
            "stableun-main": STABLEUN in kinds,
            "stableun-muse": bool(study["memorisation"]),
        }
        return [name for name in constant(TABLES, "READS") if asked[name]]

    @property
    def files(self) -> list[str]:
        """All of them."""
        every = self.report.targets.per_benchmark
        figures = [every(self.figure, paper=paper, figure=figure) for figure, paper in self.figures.items()]
        paths = [f"{path}.{kind}" for each in figures for path in each for kind in KINDS]
        return [*paths, *(path for name in self.tables for path in every(self.table, paper_table=name))]

    def figure_files(self, wildcards) -> list[str]:
        """The study's own files of a figure."""
        path = filled(self.report.figure, wildcards)
        return [path.replace(".svg", f".{kind}") for kind in KINDS]

    def table_inputs(self, wildcards) -> list[str]:
        """The tables of results that a paper's table reads."""
        return [self.report.table.format(table=name) for name in constant(TABLES, "READS")[wildcards.paper_table]]

    def table_code(self, wildcards) -> str:
        """Digest of the code that writes it."""
        return code_digest(TABLES)
