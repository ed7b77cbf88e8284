"""A method: a forget loss and a retain loss, built from its config entry."""

from dataclasses import dataclass

from unlearning_robustness.errors import ConfigError
from unlearning_robustness.methods import FORGET_LOSSES, RETAIN_LOSSES


@dataclass(frozen=True)
class Method:
    """A forget loss and a retain loss, with what the training loop needs to know.

    ``topics`` are the settings of each topic, where they take steps in turn: retain_weight, tokens, retain_tokens.
    """

    forget_loss: object
    retain_loss: object
    retain_weight: float
    layers: tuple[int, ...]
    read_layer: int
    implementation: str = "corrected"
    topics: tuple[dict, ...] = ()

    def check_depth(self, depth: int) -> None:
        """Raise ConfigError when the method names a layer that a model of ``depth`` layers does not have."""
        if max(*self.layers, self.read_layer) >= depth:
            raise ConfigError(
                f"methods.*.layers: {list(self.layers)}, read layer {self.read_layer}: the model has {depth} layers"
            )

    @property
    def reads(self) -> str:
        """``hidden`` (up to the read layer) or ``logits`` (full depth)."""
        return self.forget_loss.reads


def build_method(settings: dict) -> Method:
    """A method from its resolved config entry."""
    return Method(
        forget_loss=FORGET_LOSSES[settings["forget_loss"]](**settings["parameters"]),
        retain_loss=RETAIN_LOSSES[settings["retain_loss"]](),
        retain_weight=settings["retain_weight"],
        layers=tuple(settings["layers"]),
        read_layer=settings["read_layer"],
        implementation=settings["implementation"],
        topics=_topics(settings),
    )


def _topics(settings: dict) -> tuple[dict, ...]:
    """What each topic has of its own over what the entry says for all; without topics the texts are one."""
    tokens = settings["tokens"]
    for_all = {"retain_weight": settings["retain_weight"], "tokens": tokens, "retain_tokens": tokens}
    return tuple(for_all | own for own in settings["topics"] or [{}])
