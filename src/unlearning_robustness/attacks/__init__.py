"""Attacks: attempts to bring knowledge back. One file each, one interface: ``run(AttackInput)``."""

from unlearning_robustness.attacks.characters import Characters
from unlearning_robustness.attacks.few_shot import FewShot
from unlearning_robustness.attacks.gcg import GreedyCoordinateGradient
from unlearning_robustness.attacks.paraphrase import Paraphrase
from unlearning_robustness.attacks.prefill import Prefill
from unlearning_robustness.attacks.relearn import Relearn

ATTACKS = {
    "characters": Characters,
    "few-shot": FewShot,
    "gcg": GreedyCoordinateGradient,
    "paraphrase": Paraphrase,
    "prefill": Prefill,
    "relearn": Relearn,
}
