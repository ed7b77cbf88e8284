"""Unlearning methods: a forget loss with a retain loss. One file a method."""

from dataclasses import dataclass

from unlearning_robustness.methods.npo import NPO
from unlearning_robustness.methods.retain import ActivationRetain, KLRetain
from unlearning_robustness.methods.rmu import RMU
from unlearning_robustness.methods.rsv import RSV

FORGET_LOSSES = {"rmu": RMU, "rsv": RSV, "npo": NPO}
RETAIN_LOSSES = {"activation": ActivationRetain, "kl": KLRetain}


@dataclass(frozen=True)
class Method:
    """A forget loss and a retain loss, with what the training loop needs to know."""

    forget_loss: object
    retain_loss: object
    retain_weight: float
    layers: tuple[int, ...]
    read_layer: int
    implementation: str = "corrected"

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
    )
