"""Attacks: attempts to bring knowledge back. One file each, one interface: ``run(AttackInput)``."""

from unlearning_robustness.attacks.relearn import Relearn

ATTACKS = {"relearn": Relearn}
