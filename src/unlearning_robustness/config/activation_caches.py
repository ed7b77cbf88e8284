"""Which activation cache a method trains from: methods that read the same share one."""

from unlearning_robustness.config.kinds import FORGET_LOSSES, reads_of


def cache_settings(method: dict) -> dict:
    """What an activation cache depends on, of a resolved method entry."""
    return {
        "tokens": method["tokens"],
        "first_layer": min(method["layers"]),
        "read_layer": method["read_layer"],
        "likelihood": reads_of(FORGET_LOSSES, method["forget_loss"]) == "logits",
        "implementation": method["implementation"],
    }


def cache_id(settings: dict) -> str:
    """The activation cache's place in the results tree."""
    reads = "likelihood" if settings["likelihood"] else "activations"
    layers = f"layer{settings['first_layer']}-layer{settings['read_layer']}"
    return f"{reads}-tokens{settings['tokens']}-{layers}-{settings['implementation']}"
