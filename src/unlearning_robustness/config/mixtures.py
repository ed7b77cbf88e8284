"""Mixtures of experts: what a study does with the matrices of a layer's one MLP is refused for them before any job."""

from collections.abc import Iterator, Mapping

from unlearning_robustness.config.cells import NONE, in_order
from unlearning_robustness.config.checkpoints import study_methods
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.config.layers import declared_shapes
from unlearning_robustness.errors import ConfigError

MLP = {"gate_proj", "up_proj", "down_proj"}
WIDER = "give trained: full, or lora with targets in the attention"


def check_mixtures(config: dict, experts: Mapping[str, int]) -> None:
    """Raise ConfigError for what needs one MLP a layer and meets a mixture; ``experts`` are their numbers by model."""
    for model in [model for model, count in experts.items() if count > 1]:
        for key, mend in uses_of_one_mlp(config, model):
            raise ConfigError(
                f"{key}: {model} is a mixture of {experts[model]} experts, which have no one down-projection; {mend}"
            )


def declared_experts(config: dict) -> dict[str, int]:
    """The number of experts of each model of the study whose ``shape`` says it."""
    return {model: shape["num_experts"] for model, shape in declared_shapes(config).items() if "num_experts" in shape}


def uses_of_one_mlp(config: dict, model: str) -> Iterator[tuple[str, str]]:
    """(key, mend) of every entry by which the study trains or rewrites the matrices of ``model``'s MLPs."""
    if config["models"][model].get("memorised", {}).get("tensors") == "down-projections":
        yield f"models.{model}.memorised.tensors", "give all"
    for name in study_methods(config):
        method = config["methods"][name]
        if method["trained"] == "down-projections":
            yield f"methods.{name}.trained", WIDER
        if method["trained"] == "lora" and MLP & set(method["lora"]["targets"]):
            yield f"methods.{name}.lora.targets", "give those in the attention, or trained: full"
    measured = [config[name]["attack"] for name in ("landscape", "memorisation") if config["study"][name]]
    for name in dict.fromkeys([*in_order(config["study"], "attacks"), *filter(None, measured)]):
        if name != NONE and (mend := _mend_of(config["attacks"][name])):
            yield f"attacks.{name}", mend


def _mend_of(attack: dict) -> str:
    return facts_of(ATTACKS, attack["kind"]).mend_for_mixtures(attack["parameters"])
