"""What a job reads: wildcards-only functions, whose values Snakemake compares to decide whether the job runs again.

Each gives no more than its job reads, so that a change of anything else reruns nothing.
"""

from collections.abc import Callable, Sequence

from unlearning_robustness.config import defence_row
from unlearning_robustness.config.activation_caches import cache_id, cache_settings
from unlearning_robustness.config.cells import NONE, REFERENCE, places
from unlearning_robustness.config.checkpoints import checkpoint_methods, matches, study_methods, trained_methods
from unlearning_robustness.config.demands import question_demands, text_demands
from unlearning_robustness.config.kinds import DEFENCES, facts_of, module_of
from unlearning_robustness.config.sources import roles_of
from unlearning_robustness.config.worlds import learners
from unlearning_robustness.runtime.code_digest import code_digest
from unlearning_robustness.workflow.model_parameters import COMPUTED_WITH, ModelParameters, without
from unlearning_robustness.workflow.paths import Paths, all_filled, filled

# Where a measure's module has another name than the measure.
MEASURE_MODULES = {"memorisation": "protocols"}
# Of a benchmark's entry, what its texts and questions depend on, and which published items it reads.
CORPORA = (
    "minimum_characters", "longest_characters", "held_out_every", "forget_prose_documents", "retain_documents",
    "perplexity_documents", "benign_documents", "relearn",
)  # fmt: skip
TEXT_KEYS = (*(f"corpora.{name}" for name in CORPORA), "forget.domain", "forget.splits", "neighbour.domain", "seed",
             "texts", "world")  # fmt: skip
QUESTION_KEYS = (
    "chat", "decided_by", "distractors", "forget", "neighbour", "neighbour_minimum", "options", "retain", "seed",
    "world",
)  # fmt: skip
# Of them, what a pretrained model's own knowledge is asked with.
LEARNED_KEYS = ("decided_by", "distractors", "forget.splits", "neighbour.splits", "retain.splits", "seed", "world")
ITEM_KEYS = tuple(f"{role}.{name}" for role in ("forget", "neighbour", "retain") for name in ("items", "shots"))
Of = Callable[[object], object]


class Parameters(ModelParameters):
    """Functions of a job's wildcards over a resolved configuration without what is for people."""

    def __init__(self, config: dict, paths: Paths):
        super().__init__(config, paths)
        self.study = config["study"]
        self.trained_methods, self.checkpoints = study_methods(config), list(checkpoint_methods(config))
        self.caches = {cache_id(entry): entry for entry in map(cache_settings, trained_methods(config).values())}

    def source_origin(self, wildcards) -> dict:
        """Where the data set comes from."""
        return without(self.config["sources"][wildcards.source], COMPUTED_WITH)

    def learned_benchmark(self, wildcards) -> dict:
        """The world that a model is pretrained on, and how its knowledge is asked."""
        return self._benchmark(self.model(wildcards)["generated"]["benchmark"], LEARNED_KEYS)

    def world(self, wildcards) -> dict:
        """The settings of a benchmark's world."""
        return self.config["benchmarks"][wildcards.benchmark]["world"]

    def learner_folders(self, wildcards) -> list[str]:
        """The folders of the study's models that learn a benchmark's world."""
        return [self.folder_of(model) for model in learners(self.config, wildcards.benchmark)]

    def world_check(self, wildcards) -> list[str]:
        """The check of these models, where the benchmark is of a world."""
        generated = "world" in self.config["benchmarks"][wildcards.benchmark]
        return [filled(self.paths.world_check, wildcards)] if generated else []

    def memorised_corpora(self, wildcards) -> str:
        """The texts that a fine-tuned model memorises."""
        return self.paths.corpora.format(benchmark=self.config["models"][wildcards.model]["memorised"]["benchmark"])

    def memorised_check(self, wildcards) -> str:
        """The check of these texts."""
        benchmark = self.config["models"][wildcards.model]["memorised"]["benchmark"]
        return self.paths.texts_check.format(benchmark=benchmark)

    def text_demands(self, wildcards) -> list[dict]:
        """How many texts of the benchmark are asked for."""
        return text_demands(self.config, wildcards.benchmark)

    def question_demands(self) -> list[dict]:
        """How many facts are asked for to be asked about."""
        return question_demands(self.config)

    def benchmark(self, *names: str) -> Of:
        """These keys of the benchmark's entry, where it has them; ``forget.domain`` is a key in ``forget``."""
        return lambda wildcards: self._benchmark(wildcards.benchmark, names)

    def _benchmark(self, benchmark: str, names: Sequence[str]) -> dict:
        entry, values = self.config["benchmarks"][benchmark], {}
        for name in names:
            outer, _, inner = name.partition(".")
            if inner and inner in entry.get(outer, {}):
                values.setdefault(outer, {})[inner] = entry[outer][inner]
            elif not inner and outer in entry:
                values[outer] = entry[outer]
        return values

    def perplexity_tokens(self, wildcards) -> int:
        """Tokens of each text whose perplexity is measured."""
        return self.config["benchmarks"][wildcards.benchmark]["corpora"]["perplexity_tokens"]

    def readers(self, what: str) -> Of:
        """The sources that a benchmark's "items", "texts" or "open" questions read, with the reader of each."""

        def readers(wildcards) -> dict:
            return {name: self.config["sources"][name]["reader"] for name in self._sources(wildcards.benchmark, what)}

        return readers

    def sources(self, what: str) -> Of:
        """The folders of these sources."""
        return lambda wildcards: [
            self.paths.source.format(source=name) for name in self._sources(wildcards.benchmark, what)
        ]

    def probes(self) -> dict:
        """The entries of the probes that the study asks under."""
        return {name: self.config["probes"][name] for name in self.study["probes"]}

    def first_layer(self) -> int:
        """The first layer that any method of the study trains; variants may lie lower, and alone they have 0."""
        methods = [self.config["methods"][name] for name in self.trained_methods]
        return min((min(method["layers"]) for method in methods if "variant_of" not in method), default=0)

    def processes(self, wildcards) -> int:
        """How many processes train a cell together; each takes a GPU."""
        return self.method(wildcards)["parallel"]["processes"]

    def cache(self, wildcards) -> dict:
        """The settings of an activation cache."""
        return self.caches[wildcards.cache]

    def cache_file(self, wildcards) -> str:
        """The activation cache that the method trains from."""
        return filled(self.paths.activations, wildcards, cache=cache_id(cache_settings(self.method(wildcards))))

    def row_of(self, defence: str, method: str) -> list[dict]:
        """The resolved entries of a defence's parts for a method."""
        return defence_row(self.config, defence, method)

    def row(self, wildcards) -> list[dict]:
        """The resolved entries of the defence's parts."""
        return self.row_of(wildcards.defence, wildcards.method)

    def matched(self, name: str) -> Of:
        """The files ``name`` of the cells that a control is matched to, one a seed; none without such a control."""
        files = self.paths.each_seed(f"{self.paths.delta}/{name}")

        def matched(wildcards) -> list[str]:
            defences = matches(self.config, wildcards.method, wildcards.defence)
            return all_filled(files, wildcards, defence=defences[0]) if defences else []

        return matched

    def checked_questions(self, wildcards) -> list[str]:
        """The check of the questions that a model is asked; a checkpoint on which a method is run is asked none."""
        asked = (wildcards.model, wildcards.benchmark) in places(self.study)
        return [filled(self.paths.questions_check, wildcards)] if asked else []

    def select_questions(self, wildcards) -> list[str]:
        """The questions, where a part of the defence scores those of the select split while it trains."""
        scores_select = any(_facts(part).scores_select(part["parameters"]) for part in self.row(wildcards))
        return [filled(self.paths.questions, wildcards)] if scores_select else []

    def select_batch_size(self, wildcards) -> int | None:
        """How many of these questions are asked at once."""
        return self.config["scoring"]["batch_size"] if self.select_questions(wildcards) else None

    def seeds(self, wildcards) -> list[int]:
        """The seeds that one job serves."""
        return self.study["seeds"] if self.paths.batch_seeds else [int(wildcards.seed)]

    def attack(self, wildcards) -> dict:
        """The entry of the attack."""
        return self.config["attacks"][wildcards.attack]

    def chosen_settings(self, wildcards) -> list[str]:
        """The search whose choice the attack takes, where it names one."""
        search = self.attack(wildcards)["search"]
        return [filled(self.paths.search, wildcards, search=search)] if search != NONE else []

    def search(self, wildcards) -> dict:
        """The settings of a search, without what only tables read."""
        return without(self.config["searches"][wildcards.search], ("taught",))

    def searched_attack(self, wildcards) -> dict:
        """The entry of the attack whose settings it tries."""
        return self.config["attacks"][self.search(wildcards)["attack"]]

    def searched_delta(self, wildcards) -> str:
        """The cell of the first seed, which stands for its kind: nobody reports the questions that it is asked."""
        return filled(f"{self.paths.delta}/delta.safetensors", wildcards, seed=self.study["seeds"][0])

    def search_of_reference(self, wildcards) -> list[str]:
        """The same search on the reference; none for the reference itself."""
        if wildcards.method == REFERENCE:
            return []
        return [filled(self.paths.search, wildcards, method=REFERENCE, defence=NONE)]

    def search_code(self, wildcards) -> str:
        """Digest of the code of a search and of its attack."""
        return code_digest("attacks.search", module_of("attacks.ATTACKS", self.searched_attack(wildcards)["kind"]))

    def unlearn_code(self, wildcards) -> str:
        """Digest of the code that trains this cell: the loop, its method and its defences, not the others."""
        return code_digest("training.unlearning", *self._trained_by(wildcards))

    def attack_code(self, wildcards) -> str:
        """Digest of the code of this attack and of scoring."""
        return code_digest("attacks.run_attack", module_of("attacks.ATTACKS", self.attack(wildcards)["kind"]))

    def trigger_control_code(self, wildcards) -> str:
        """Digest of the code of this attack, of scoring and of the control."""
        return code_digest("attacks.trigger_control", module_of("attacks.ATTACKS", self.attack(wildcards)["kind"]))

    def measure(self, wildcards) -> dict:
        """The settings of the measure."""
        return self.memorisation(wildcards) if wildcards.measure == "memorisation" else self.config[wildcards.measure]

    def memorisation(self, wildcards) -> dict:
        """The settings of memorisation, with the chat that the benchmark is asked in."""
        return self.config["memorisation"] | self.benchmark("chat")(wildcards)

    def measure_input(self, wildcards) -> dict[str, str]:
        """The tables that the measure reads beside the model and its deltas."""
        return {name: filled(path, wildcards) for name, path in self._measure_tables(wildcards).items()}

    def measure_attack(self, wildcards) -> list:
        """The attack that the measure runs, its id and its resolved entry; nothing when it runs none."""
        return self._attack_of(wildcards.measure)

    def measure_code(self, wildcards) -> str:
        """Digest of the code of the measure and of its attack."""
        return self._measure_code(wildcards.measure)

    def trajectory(self, wildcards) -> dict:
        """The settings of trajectories, with the probes that they ask under."""
        probes = {f"{name}_probe": self.config["analysis"][f"{name}_probe"] for name in ("baseline", "forget_token")}
        return self.config["trajectory"] | probes

    def trajectory_attack(self, wildcards) -> list:
        """The attack on every checkpoint of a trajectory, its id and its resolved entry; nothing without one."""
        return self._attack_of("trajectory")

    def trajectory_corpora(self, wildcards) -> list[str]:
        """The texts of that attack."""
        return [filled(self.paths.corpora, wildcards)] if self._attack_of("trajectory") else []

    def trajectory_code(self, wildcards) -> str:
        """Digest of the code of a trajectory, of what trains the cell and of the attack."""
        kinds = [attack["kind"] for attack in self._attack_of("trajectory")[1:]]
        attacks = [module_of("attacks.ATTACKS", kind) for kind in kinds]
        return code_digest("evaluation.trajectory", *self._trained_by(wildcards), *attacks)

    def retrained_attack(self) -> list:
        """The attack after which memorisation is measured again, its id and its resolved entry; or nothing."""
        return self._attack_of("memorisation")

    def retrained_code(self) -> str:
        """Digest of the code of memorisation and of its attack."""
        return self._measure_code("memorisation")

    def open_questions(self, wildcards) -> str:
        """What a benchmark's models are asked in words: published questions, or those about facts."""
        published = "open" in self.config["benchmarks"][wildcards.benchmark]
        return filled(self.paths.open_questions if published else self.paths.questions, wildcards)

    def _trained_by(self, wildcards) -> list[str]:
        """The modules of a cell's losses and defences."""
        method = self.method(wildcards)
        losses = [("methods.FORGET_LOSSES", method["forget_loss"]), ("methods.RETAIN_LOSSES", method["retain_loss"])]
        defences = [("defences.DEFENCES", part["kind"]) for part in self.row(wildcards)]
        return [module_of(*kind) for kind in (*losses, *defences)]

    def _measure_tables(self, wildcards) -> dict[str, str]:
        if wildcards.measure == "latents":
            return {"probes": self.paths.probes}
        if wildcards.measure == "memorisation":
            return {"corpora": self.paths.corpora, "questions": self.open_questions(wildcards)}
        return {"corpora": self.paths.corpora}

    def _attack_of(self, measure: str) -> list:
        name = self.config.get(measure, {}).get("attack")
        return [name, self.config["attacks"][name]] if name else []

    def _measure_code(self, measure: str) -> str:
        kinds = [attack["kind"] for attack in self._attack_of(measure)[1:]]
        module = MEASURE_MODULES.get(measure, measure)
        return code_digest(f"evaluation.{module}", *(module_of("attacks.ATTACKS", kind) for kind in kinds))

    def _sources(self, benchmark: str, what: str) -> list[str]:
        entry = self.config["benchmarks"][benchmark]
        if what == "items":
            roles = [entry[role] for role in roles_of(entry)]
            tables = [[*role.get("items", []), *role.get("shots", {}).get("items", [])] for role in roles]
        else:
            tables = entry.get(what, {}).values()
        return sorted({table.split("/")[0] for part in tables for table in part})


def _facts(part: dict) -> type:
    return facts_of(DEFENCES, part["kind"])
