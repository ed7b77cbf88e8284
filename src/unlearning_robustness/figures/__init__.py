"""Figures: one file each; each takes a FigureContext and returns a matplotlib figure."""

from unlearning_robustness.figures import (
    accuracy,
    assumption,
    controls,
    curvature,
    differences,
    landscape_line,
    landscape_plane,
    layer_sweep,
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
    "landscape-line": landscape_line.draw,
    "landscape-plane": landscape_plane.draw,
    "layer-sweep": layer_sweep.draw,
    "noise-sweep": noise_sweep.draw,
    "objectives": objectives.draw,
    "rejection": rejection.draw,
    "relearning": relearning.draw,
    "sharpness": sharpness.draw,
    "token-count": token_count.draw,
    "tradeoff": tradeoff.draw,
    "weight-change": weight_change.draw,
}
