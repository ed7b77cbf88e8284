"""Attacks: attempts to bring knowledge back. One file each, one interface: ``run(AttackInput)``."""

from unlearning_robustness.attacks.logit_lens import LogitLens
from unlearning_robustness.attacks.orthogonalise import Orthogonalise
from unlearning_robustness.attacks.prune import Prune
from unlearning_robustness.attacks.quantise import Quantise
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.attacks.weight_noise import WeightNoise

ATTACKS = {
    "relearn": Relearn,
    "logit-lens": LogitLens,
    "orthogonalise": Orthogonalise,
    "prune": Prune,
    "quantise": Quantise,
    "weight-noise": WeightNoise,
}
