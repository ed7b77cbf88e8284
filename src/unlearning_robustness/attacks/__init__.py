"""Attacks: attempts to bring knowledge back. One file each, one interface: ``run(AttackInput)``."""

from unlearning_robustness.attacks.characters import Characters
from unlearning_robustness.attacks.few_shot import FewShot
from unlearning_robustness.attacks.gcg import GreedyCoordinateGradient
from unlearning_robustness.attacks.logit_lens import LogitLens
from unlearning_robustness.attacks.orthogonalise import Orthogonalise
from unlearning_robustness.attacks.paraphrase import Paraphrase
from unlearning_robustness.attacks.prefill import Prefill
from unlearning_robustness.attacks.prune import Prune
from unlearning_robustness.attacks.quantise import Quantise
from unlearning_robustness.attacks.relearn import Relearn
from unlearning_robustness.attacks.weight_noise import WeightNoise

ATTACKS = {
    "characters": Characters,
    "few-shot": FewShot,
    "gcg": GreedyCoordinateGradient,
    "logit-lens": LogitLens,
    "orthogonalise": Orthogonalise,
    "paraphrase": Paraphrase,
    "prefill": Prefill,
    "prune": Prune,
    "quantise": Quantise,
    "relearn": Relearn,
    "weight-noise": WeightNoise,
}
