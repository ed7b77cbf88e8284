"""Whether a control can have an effect at its numbers: computed from the configuration, before anything is trained.

A number type holds a weight to half a step of its last bit. Relative to the weight that is at least ``HALF_STEP`` and
at most twice as much: a smaller relative change alone is rounded away from every weight.
"""

import math

from unlearning_robustness.config.cells import defence_row, tried_rows
from unlearning_robustness.config.kinds import DEFENCES, facts_of
from unlearning_robustness.errors import ConfigError

# 8 bits of significand, and 24.
HALF_STEP = {"bfloat16": 2.0**-9, "float32": 2.0**-25}
# Fewer checkpoints give a stop matched to another cell next to no choice.
LEAST_CHECKPOINTS = 3
# By what histories and manifests call it, the cosine of the plain forget gradient and the one that a defence takes in
# its place: SAM, randomised smoothing, gradient penalty, curvature, latent adversarial training, StableUN's neighbours.
# Above SAME the defence does nothing.
COSINES = tuple(f"cosine_{name}" for name in ("sam", "rs", "gp", "cr", "lat", "inner", "sap", "gpn", "gap", "hws"))
SAME = 0.999


def whole_steps(method: dict) -> float:
    """To how many steps at the full learning rate the steps of a resolved method entry add up."""
    rising, rest = method["warm_up"], method["steps"] - method["warm_up"]
    return rising / 2 + (rest / 2 if method["decay"] == "linear" else rest)


def shrinkage(learning_rate: float, weight_decay: float, steps: float) -> float:
    """The share by which AdamW's decoupled decay alone shrinks a weight in so many steps."""
    return 1 - (1 - learning_rate * weight_decay) ** steps


def least_noise(half_step: float) -> float:
    """The smallest deviation of Gaussian noise on weights, relative to their root mean square, that is kept.

    Rounding changes the norm of less by more than 5 %, which stops a run (``defences.rounding``).
    """
    return 2 * half_step


def checkpoints(steps: int, every: int) -> int:
    """How many checkpoints a run is scored at: every ``every`` steps, and at its end."""
    return math.ceil(steps / every)


def half_step(config: dict, method: dict) -> float:
    """Half a step of the trained tensors' number type, relative to a weight.

    That of the study's models, of ``auto`` bfloat16's; adapters are float32.
    """
    types = {config["models"][name]["dtype"] for name in config["study"]["models"]}
    return HALF_STEP["float32" if method["trained"] == "lora" or types == {"float32"} else "bfloat16"]


def check_effects(config: dict) -> None:
    """Raise ConfigError for the first defence that is trained or tried and provably changes nothing on a method."""
    for number, grid in enumerate(config["study"]["cells"]):
        for defence in grid["defences"]:
            for method in grid["methods"]:
                _check_row(config, method, defence_row(config, defence, method), f"study.cells.{number}.defences")
    for defence, method, row in tried_rows(config):
        _check_row(config, method, row, f"tuning.defences.grids.{defence}")


def _check_row(config: dict, method: str, row: list[dict], key: str) -> None:
    settings = config["methods"][method] if row else {}
    for part in row:
        steps = facts_of(DEFENCES, part["kind"]).steps(part["parameters"], settings["steps"])
        settings = {**settings, "steps": steps}
    for part in row:
        facts = facts_of(DEFENCES, part["kind"])
        if reason := next(facts.inert(part["parameters"], settings, half_step(config, settings)), None):
            raise ConfigError(f"{key}: {part['id']!r} ({part['kind']}) has no effect on {method!r}: {reason}")
