"""Attacks: attempts to bring knowledge back. One file each, one interface: ``run(AttackInput)``."""

from unlearning_robustness.config.kinds import ATTACKS as REGISTRY
from unlearning_robustness.config.kinds import Kinds

ATTACKS = Kinds(REGISTRY)
