"""What jobs ask for: more when they are submitted again, and more host memory for a model that is not small."""

from collections.abc import Callable
from pathlib import Path

from unlearning_robustness.config.searches import trials_of, tried
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.estimate.jobs import PUBLISHED
from unlearning_robustness.estimate.machines import MACHINES
from unlearning_robustness.estimate.work import (
    LETTERED_TOKENS,
    activation_cache_bytes,
    attack_megabytes,
    attacking,
    relearning,
)
from unlearning_robustness.models.shape import BFLOAT16, Shape, Work, shape_of
from unlearning_robustness.workflow.parameters import Parameters

Amount = int | Callable[[object], int]
# A model of up to this many MB is in the numbers that the rules give.
SMALL = 1000
# Minutes of an attack on a small model, and megabytes and minutes of its measures.
ATTACK_MINUTES = 120
MEASURES = {"latents": (6000, 60), "sharpness": (8000, 120), "landscape": (4000, 120), "memorisation": (4000, 120)}


def growing(first: Amount) -> Callable[[object, int], int]:
    """A resource that a resubmitted job gets more of: ``first``, then twice, then three times as much.

    ``first`` is a number, or a function of the wildcards; `retries` of a profile submits again.
    """

    def amount(wildcards, attempt):
        return _at(first, wildcards) * attempt

    return amount


class Requests:
    """Megabytes of host memory, and minutes, as functions of a job's wildcards."""

    def __init__(self, config: dict, parameters: Parameters):
        self.config, self.parameters = config, parameters

    def size_of(self, model: str) -> float:
        """Megabytes of a model in bfloat16; 0 where the configuration does not say its shape."""
        shape = self._shape(model)
        return shape.parameters * BFLOAT16 / 1e6 if shape else 0

    def small(self) -> bool:
        """Whether every model of the study has a known shape and is small."""
        return all(0 < self.size_of(model) <= SMALL for model in self.config["study"]["models"])

    def with_model(self, first: Amount) -> Amount:
        """``first``, and for a model that is not small three times it.

        It is loaded, and held once more while it is altered or written, with texts computed beside it.
        """

        def amount(wildcards) -> int:
            size = self.size_of(wildcards.model)
            return _at(first, wildcards) + (round(3 * size) if size > SMALL else 0)

        return amount

    def fetching(self, wildcards) -> int:
        """Megabytes to fetch a model: one that turns out to be quantised, or an adapter's, is held twice."""
        size = self.size_of(self.config["models"][wildcards.model].get("base", wildcards.model))
        return 4000 + (round(2 * size) if size > SMALL else 0)

    def with_cache(self, first: Amount, tokens: Callable[[object], int], times: int = 1) -> Amount:
        """``with_model``, and so many times the activation cache of a larger model, whose texts have ``tokens``.

        Caches of small models are in ``first``.
        """

        def amount(wildcards) -> int:
            least = self.with_model(first)(wildcards)
            if self.size_of(wildcards.model) <= SMALL:
                return least
            corpora = self.config["benchmarks"][wildcards.benchmark]["corpora"]
            counts = (corpora.get(key, PUBLISHED) for key in ("forget_prose_documents", "retain_documents"))
            texts = sum(counts)
            cache = activation_cache_bytes(self._shape(wildcards.model), tokens(wildcards), texts)
            return least + round(times * cache / 1e6)

        return amount

    def method_tokens(self, wildcards) -> int:
        """The length of the texts that a method trains on."""
        return self.parameters.method(wildcards)["tokens"]

    def cache_tokens(self, wildcards) -> int:
        """The length of the texts of a cache."""
        return self.parameters.cache(wildcards)["tokens"]

    def training(self, wildcards) -> int:
        """Each process loads the model and the activation cache."""
        of_one = self.with_cache(4000, self.method_tokens)(wildcards)
        return of_one * self.parameters.processes(wildcards)

    def attack(self, wildcards) -> int:
        """What suffices for the laptop's model, or more where a larger model's shape is known."""
        attack, shape = self.parameters.attack(wildcards), self._fetched_shape(wildcards.model)
        least = 8000 if attack["parameters"].get("trained") == "full" else 4000
        scoring = self.config["scoring"]
        asked = attack_megabytes(shape, attack, scoring["batch_size"], scoring["precision"]) if shape else 0
        return max(least, asked)

    def attack_minutes(self, wildcards) -> int:
        """Those of a small model, or twice what an A100 takes on a larger one whose shape is known."""
        attack, shape = self.parameters.attack(wildcards), self._fetched_shape(wildcards.model)
        if not shape or self.size_of(wildcards.model) <= SMALL:
            return ATTACK_MINUTES
        scoring = self.config["scoring"]
        questions = (PUBLISHED, scoring["batch_size"], PUBLISHED, LETTERED_TOKENS)
        work = attacking(shape, attack, *questions, scoring["precision"])
        return max(ATTACK_MINUTES, round(2 * MACHINES["a100"].seconds(work) / 60))

    def search(self, wildcards) -> int:
        """What suffices for the laptop's model, or that of the largest trial on a larger one of known shape."""
        shape = self._fetched_shape(wildcards.model)
        entries = self._trials(wildcards)
        least = 8000 if any(entry["parameters"].get("trained") == "full" for entry in entries) else 4000
        batch_size = self.config["scoring"]["batch_size"]
        return max(least, *(attack_megabytes(shape, entry, batch_size) for entry in entries)) if shape else least

    def search_minutes(self, wildcards) -> int:
        """As many runs of its attack as it has trials, to the last number of steps."""
        shape = self._fetched_shape(wildcards.model)
        if not shape or self.size_of(wildcards.model) <= SMALL:
            return ATTACK_MINUTES
        work = sum((relearning(shape, entry) for entry in self._trials(wildcards)), Work())
        return max(ATTACK_MINUTES, round(2 * MACHINES["a100"].seconds(work) / 60))

    def _trials(self, wildcards) -> list[dict]:
        search, entry = self.config["searches"][wildcards.search], self.parameters.searched_attack(wildcards)
        return [tried(entry, settings, search["steps"]) for settings in trials_of(search)]

    def measure(self, wildcards) -> int:
        """Megabytes of a measure."""
        return self.with_model(MEASURES[wildcards.measure][0])(wildcards)

    def measure_minutes(self, wildcards) -> int:
        """Minutes of a measure."""
        return MEASURES[wildcards.measure][1]

    def _fetched_shape(self, model: str) -> Shape | None:
        """The shape that a model's folder says, or the configuration; None where neither does."""
        models = self.config["models"]
        root = models[model].get("from", model)
        folder = self.parameters.paths.prefixed(self.parameters.folder_of(root))
        try:
            return shape_of(root, models[root], Path(folder))
        except ConfigError:
            return None

    def _shape(self, model: str) -> Shape | None:
        """The shape that the configuration gives a model, or the one that it is fine-tuned from."""
        models = self.config["models"]
        shape = models[models[model].get("from", model)].get("shape")
        return Shape.of(shape) if shape else None


def _at(amount: Amount, wildcards) -> int:
    return amount(wildcards) if callable(amount) else amount
