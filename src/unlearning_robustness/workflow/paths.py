"""Where every file of a study lies, as patterns with the names of wildcards."""

from collections.abc import Callable, Mapping, Sequence

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.config.folders import tidy

FETCHED_MODEL = "resources/models/{model}"


class Paths:
    """Patterns below the study's results, below the tree of what takes a model to make, and below the downloads.

    With ``reuse_results`` that tree is another study's; tables, figures and logs of what ran are always the study's
    own. ``prefixed`` puts a path where Snakemake puts files of this name, for paths that it does not know to be files:
    a module may have a ``prefix``.
    """

    def __init__(self, config: dict, prefixed: Callable[[str], str] = str):
        study = config["study"]
        self.prefixed = prefixed
        self.batch_seeds, self.seeds = config["batch_seeds"], study["seeds"]
        self.results = tidy(study["results"])
        self.tree = tidy(study.get("reuse_results", self.results))
        self.logs = f"{self.results}/logs"
        self.landing = f"{self.results}/tables/report.rst"
        # The study on one page, and the answers that are too many to stand in it.
        self.index, self.answers = f"{self.results}/index.html", f"{self.results}/answers"
        self.times = f"{self.tree}/benchmark_times"
        self.scratch = prefixed(f"{self.tree}/scratch")
        self.fetched_model = FETCHED_MODEL
        self.source = "resources/sources/{source}"
        self.fetching = prefixed("resources/scratch")
        self.target_model = f"{self.tree}/models/{{model}}"
        self.corpora = f"{self.tree}/corpora/{{benchmark}}.parquet"
        self.texts_check = f"{self.tree}/checks/texts/{{benchmark}}.json"
        self.world_check = f"{self.tree}/checks/worlds/{{benchmark}}.json"
        # Among the records, from which alone pages can be made again.
        self.questions_check = f"{self.tree}/records/{{model}}/{{benchmark}}/questions.json"
        self.open_questions = f"{self.tree}/open_questions/{{benchmark}}.parquet"
        self.benchmark = f"{self.tree}/benchmarks/{{model}}/{{benchmark}}"
        self.questions, self.probes = f"{self.benchmark}/questions.parquet", f"{self.benchmark}/probes.parquet"
        self.activations = f"{self.tree}/activation_caches/{{model}}/{{benchmark}}/{{cache}}.safetensors"
        self.kind = "{model}/{benchmark}/{method}/{defence}"
        self.cell = f"{self.kind}/seed{{seed}}"
        # One process serves every seed of a kind of cell; with `batch_seeds: false` (clusters) each seed has its own.
        self.job = self.kind if self.batch_seeds else self.cell
        self.delta = f"{self.tree}/cells/{self.cell}"
        self.records = f"{self.tree}/records/{self.cell}"
        # What an attack that searches over prompts brings back of a locked reference.
        self.trigger_control = f"{self.tree}/trigger_controls/{{model}}/{{benchmark}}/{{attack}}.json"
        self.search = f"{self.tree}/records/{self.kind}/searches/{{search}}.json"
        self.retrained = f"{self.tree}/records/{{model}}/{{benchmark}}/retrained.parquet"
        self.tuning = f"{self.results}/tuning/{{model}}/{{benchmark}}/{{kind}}/{{method}}"

    def each_seed(self, pattern: str) -> list[str]:
        """The pattern for each seed that one job serves."""
        return [pattern.replace("{seed}", str(seed)) for seed in self.seeds] if self.batch_seeds else [pattern]

    def records_of(self, cell: Cell, name: str) -> str:
        """A file beside the records of a cell."""
        return f"{self.tree}/records/{cell.path}/{name}"


def filled(pattern: str, wildcards: Mapping[str, str], **others: str) -> str:
    """A pattern with the values of wildcards in place of their names."""
    return pattern.format(**{**dict(wildcards.items()), **others})


def all_filled(patterns: Sequence[str], wildcards: Mapping[str, str], **others: str) -> list[str]:
    """Several of them."""
    return [filled(pattern, wildcards, **others) for pattern in patterns]
