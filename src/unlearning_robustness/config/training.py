"""Checks of how a method is trained: in which precision, by how many processes, with which layers run again."""

from unlearning_robustness.errors import ConfigError

# They work on activations, on the optimiser or on the schedule; others keep, draw or compare whole tensors.
SHARDABLE = {"rna", "constant-shift", "latent-noise", "dropout", "weight-decay", "more-steps", "sgd", "weight-noise"}
# Corrected, they differentiate gradients, which layers that run again on detached tensors do not allow.
DOUBLE_BACKWARD = {"gradient-penalty", "curvature"}


def check_training(name: str, method: dict) -> None:
    """Raise ConfigError when a method cannot be trained as its entry says."""
    key, processes, sharded = f"methods.{name}", method["parallel"]["processes"], method["parallel"]["sharded"]
    if processes > method["batch_size"]:
        raise ConfigError(
            f"{key}.parallel.processes: {processes} are more than the batch_size {method['batch_size']}, so some would "
            "have no text; give fewer, or a larger batch"
        )
    if sharded and processes == 1:
        raise ConfigError(f"{key}.parallel.sharded: a single process has nobody to share with; give processes")
    if sharded and method["trained"] == "lora":
        raise ConfigError(f"{key}.parallel.sharded: adapters are small and stay whole; leave sharded out, or lora")
    for without_master, other in ((sharded, "parallel.sharded"), (method["trained"] == "lora", "trained: lora")):
        if without_master and method["precision"] != "master":
            raise ConfigError(f"{key}.precision: {method['precision']} does not go with {other}; give master")


def check_unsharded(config: dict, methods: list[str], key: str) -> None:
    """Raise ConfigError for a sharded method where a single process trains."""
    for name in methods:
        if config["methods"][name]["parallel"]["sharded"]:
            raise ConfigError(f"{key}: a search is a single process, and {name!r} is sharded; leave it out there")


def check_trained_with(config: dict, method: str, part: str, key: str) -> None:
    """Raise ConfigError when a defence cannot be taken by the way in which a method is trained."""
    entry, defence = config["methods"][method], config["defences"][part]
    kind, parameters = defence["kind"], {**defence["parameters"], **defence["per_method"].get(method, {})}
    if entry["parallel"]["sharded"] and kind not in SHARDABLE:
        raise ConfigError(
            f"{key}: {part!r} ({kind}) needs whole tensors, and {method!r} is sharded; leave it out there, or give the "
            "method parallel.sharded: false"
        )
    if entry["gradient_checkpointing"] and kind in DOUBLE_BACKWARD and parameters["implementation"] == "corrected":
        raise ConfigError(
            f"{key}: {part!r} ({kind}) differentiates gradients, and {method!r} has gradient_checkpointing; leave one "
            "of them out"
        )
