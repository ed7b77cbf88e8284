"""Defences, baselines and controls: one file each; a row of them makes a step."""

from unlearning_robustness.defences.constant_shift import ConstantShift
from unlearning_robustness.defences.dropout import Dropout
from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.gradient_noise import GradientNoise
from unlearning_robustness.defences.latent_noise import LatentNoise
from unlearning_robustness.defences.rna import RNA
from unlearning_robustness.defences.sgd import SGD
from unlearning_robustness.defences.weight_decay import WeightDecay

DEFENCES = {
    "rna": RNA,
    "early-stop": EarlyStop,
    "gradient-noise": GradientNoise,
    "constant-shift": ConstantShift,
    "latent-noise": LatentNoise,
    "dropout": Dropout,
    "weight-decay": WeightDecay,
    "sgd": SGD,
}
