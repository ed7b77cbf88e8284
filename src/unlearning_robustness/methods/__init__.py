"""Unlearning methods: a forget loss with a retain loss. One file a method."""

from unlearning_robustness.methods.adaptive_rmu import AdaptiveRMU
from unlearning_robustness.methods.dpo import DPO
from unlearning_robustness.methods.gradient_ascent import GradientAscent
from unlearning_robustness.methods.npo import NPO
from unlearning_robustness.methods.rab import RAb
from unlearning_robustness.methods.retain import ActivationRetain, KLRetain, MSERetain, NLLRetain
from unlearning_robustness.methods.rmu import RMU
from unlearning_robustness.methods.rsv import RSV
from unlearning_robustness.methods.simnpo import SimNPO

FORGET_LOSSES = {
    "rmu": RMU,
    "adaptive-rmu": AdaptiveRMU,
    "rsv": RSV,
    "rab": RAb,
    "gradient-ascent": GradientAscent,
    "npo": NPO,
    "simnpo": SimNPO,
    "dpo": DPO,
}
RETAIN_LOSSES = {"activation": ActivationRetain, "kl": KLRetain, "mse": MSERetain, "nll": NLLRetain}
