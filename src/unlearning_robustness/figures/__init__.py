"""Figures: one file each; each takes a FigureContext and returns a matplotlib figure."""

from unlearning_robustness.figures import accuracy, differences, noise_sweep, relearning, tradeoff, weight_change

FIGURES = {
    "accuracy": accuracy.draw,
    "differences": differences.draw,
    "noise-sweep": noise_sweep.draw,
    "relearning": relearning.draw,
    "tradeoff": tradeoff.draw,
    "weight-change": weight_change.draw,
}
