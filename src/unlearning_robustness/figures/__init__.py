"""Figures: one file each; each takes a FigureContext and returns a matplotlib figure."""

from unlearning_robustness.figures import (
    accuracy,
    assumption,
    controls,
    curvature,
    differences,
    layer_sweep,
    memorisation,
    noise_sweep,
    objectives,
    rejection,
    relearning,
    sharpness,
    token_count,
    tradeoff,
    weight_change,
)

FIGURES = {
    "accuracy": accuracy.draw,
    "assumption": assumption.draw,
    "controls": controls.draw,
    "curvature": curvature.draw,
    "differences": differences.draw,
    "layer-sweep": layer_sweep.draw,
    "memorisation": memorisation.draw,
    "noise-sweep": noise_sweep.draw,
    "objectives": objectives.draw,
    "rejection": rejection.draw,
    "relearning": relearning.draw,
    "sharpness": sharpness.draw,
    "token-count": token_count.draw,
    "tradeoff": tradeoff.draw,
    "weight-change": weight_change.draw,
}
