"""Defences, baselines and controls: one file each; a row of them makes a step."""

from unlearning_robustness.defences.constant_shift import ConstantShift
from unlearning_robustness.defences.curvature import CurvatureRegularisation
from unlearning_robustness.defences.dropout import Dropout
from unlearning_robustness.defences.early_stop import EarlyStop
from unlearning_robustness.defences.gradient_noise import GradientNoise
from unlearning_robustness.defences.gradient_penalty import GradientPenalty
from unlearning_robustness.defences.latent_adversarial import LatentAdversarial
from unlearning_robustness.defences.latent_noise import LatentNoise
from unlearning_robustness.defences.more_steps import MoreSteps
from unlearning_robustness.defences.randomised_smoothing import RandomisedSmoothing
from unlearning_robustness.defences.rna import RNA
from unlearning_robustness.defences.sam import SAM
from unlearning_robustness.defences.sgd import SGD
from unlearning_robustness.defences.stableun import StableUN
from unlearning_robustness.defences.weight_averaging import WeightAveraging
from unlearning_robustness.defences.weight_decay import WeightDecay
from unlearning_robustness.defences.weight_noise import WeightNoise

DEFENCES = {
    "rna": RNA,
    "early-stop": EarlyStop,
    "gradient-noise": GradientNoise,
    "constant-shift": ConstantShift,
    "latent-noise": LatentNoise,
    "dropout": Dropout,
    "weight-decay": WeightDecay,
    "more-steps": MoreSteps,
    "sgd": SGD,
    "sam": SAM,
    "randomised-smoothing": RandomisedSmoothing,
    "gradient-penalty": GradientPenalty,
    "weight-averaging": WeightAveraging,
    "curvature": CurvatureRegularisation,
    "latent-adversarial": LatentAdversarial,
    "stableun": StableUN,
    "weight-noise": WeightNoise,
}
