"""The loss around unlearned models: slices of every cell, over its seeds."""

import pandas

from unlearning_robustness.analysis.inputs import Inputs
from unlearning_robustness.config.cells import KIND

READS = ("landscape",)
SETTINGS = ()
POINT = [*KIND, "slice", "corpus", "a", "b"]


def landscape(inputs: Inputs) -> pandas.DataFrame:
    """NLL a token at every point: mean, least and most over seeds, and the mean ||d1||, the unit of a and b.

    Each seed has directions of its own: its own relearned model and its own random orthogonal direction.
    """
    over = inputs.recorded["landscape"].groupby(POINT, sort=True)
    table = over["nll"].agg(mean="mean", least="min", most="max", seeds="size")
    return table.assign(length=over["length"].mean()).reset_index()
