"""The measures of an unlearned model beside its answers, by their names in the configuration."""

from unlearning_robustness.evaluation.landscape import Landscape
from unlearning_robustness.evaluation.latents import Latents
from unlearning_robustness.evaluation.protocols import Memorisation
from unlearning_robustness.evaluation.sharpness import Sharpness

MEASURES = {"landscape": Landscape, "latents": Latents, "memorisation": Memorisation, "sharpness": Sharpness}
