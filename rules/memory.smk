"""What jobs ask for: more when resubmitted, and more host memory for a model that is not small."""

from unlearning_robustness.estimate.work import activation_cache_bytes, attack_megabytes
from unlearning_robustness.models.shape import BFLOAT16, Shape, shape_of


def growing(first):
    """A resource that a resubmitted job gets more of: ``first``, twice, three times as much (see `retries` in profiles).

    ``first`` is a number, or a function of the wildcards.
    """

    def amount(wildcards, attempt):
        return (first(wildcards) if callable(first) else first) * attempt

    return amount


# A model of up to this many MB is in the numbers that the rules give.
SMALL = 1000


def declared_shape(model):
    """The shape that the configuration gives a model, or the one that it is made from; None without."""
    entry = CONFIG["models"][model]
    shape = CONFIG["models"][entry.get("from", model)].get("shape")
    return Shape(**shape) if shape else None


def size_of(model):
    """Megabytes of a model in bfloat16; 0 where the configuration does not say its shape."""
    shape = declared_shape(model)
    return shape.parameters * BFLOAT16 / 1e6 if shape else 0


def with_model(first):
    """Megabytes of a job, a function of the wildcards: ``first``, and for a model that is not small three times it.

    It is loaded, and held once more while it is altered or written, with texts computed beside it.
    """

    def amount(wildcards):
        size, least = size_of(wildcards.model), first
        if callable(first):
            least = first(wildcards)
        return least + (round(3 * size) if size > SMALL else 0)

    return amount


def with_cache(first, tokens, times=1):
    """Megabytes of a job, a function of the wildcards: ``with_model``, and so many times the activation cache of a larger model.

    ``tokens`` says how long the cached texts are, from the wildcards. Caches of small models are in ``first``.
    """

    def amount(wildcards):
        least = with_model(first)(wildcards)
        if size_of(wildcards.model) <= SMALL:
            return least
        corpora = CONFIG["benchmarks"][wildcards.benchmark]["corpora"]
        texts = corpora["forget_prose_documents"] + corpora["retain_documents"]
        return least + round(
            times
            * activation_cache_bytes(
                declared_shape(wildcards.model), tokens(wildcards), texts
            )
            / 1e6
        )

    return amount


def method_tokens(wildcards):
    return method_of(wildcards)["tokens"]


def processes_memory(wildcards):
    """Megabytes: each process loads the model and the activation cache."""
    return with_cache(4000, method_tokens)(wildcards) * processes_of(wildcards)


def attack_memory(wildcards):
    """Megabytes: what suffices for the laptop's model, or more where a larger model's shape is known."""
    attack = CONFIG["attacks"][wildcards.attack]
    least = 8000 if attack["parameters"].get("trained") == "full" else 4000
    at = CONFIG["models"][wildcards.model].get("from", wildcards.model)
    try:
        shape = shape_of(at, CONFIG["models"][at], Path(folder_of(at)))
    except ConfigError:
        return least
    return max(least, attack_megabytes(shape, attack, CONFIG["scoring"]["batch_size"]))
