"""Unlearning methods: a forget loss with a retain loss. One file a method."""

from unlearning_robustness.methods.npo import NPO
from unlearning_robustness.methods.retain import ActivationRetain, KLRetain
from unlearning_robustness.methods.rmu import RMU
from unlearning_robustness.methods.rsv import RSV

FORGET_LOSSES = {"rmu": RMU, "rsv": RSV, "npo": NPO}
RETAIN_LOSSES = {"activation": ActivationRetain, "kl": KLRetain}
