"""The effect of a token on a model's latents: residuals at it, after it, and where the answer is read.

RNA's Assumption 1 speaks of eps = z(question with the token) - z(question). Both sides must be of one length to be
compared token by token, so the question without a forget token has a neutral word of as many tokens instead.
"""

from dataclasses import dataclass

import numpy
import pandas
import torch

from unlearning_robustness.evaluation.assumption import (
    covariance_spectrum,
    eta,
    standard_errors,
    standard_quantiles,
    statistics,
    under_assumption,
)
from unlearning_robustness.models.architecture import layer_modules
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.slicing import LayerSpan
from unlearning_robustness.scoring.encoding import pad

POSITIONS = ("token", "after", "answer")
QUANTILES = numpy.concatenate([[0.0005, 0.001, 0.005], numpy.linspace(0.01, 0.99, 99), [0.995, 0.999, 0.9995]])


@dataclass(frozen=True)
class Aligned:
    """Two prompts of one length that differ in one word: ids, and the index of its last token."""

    first: list[int]
    second: list[int]
    token: int

    @property
    def indices(self) -> tuple[int, int, int]:
        """Indices of ``POSITIONS``."""
        return self.token, self.token + 1, len(self.first) - 1


def align(tokenizer, first: str, second: str) -> Aligned | None:
    """Both prompts as ids, or None when their lengths differ or nothing follows the word."""
    one, other = tokenizer.encode(first), tokenizer.encode(second)
    if len(one) != len(other) or one == other:
        return None
    token = max(index for index in range(len(one)) if one[index] != other[index])
    return Aligned(one, other, token) if token + 1 < len(one) else None


@torch.no_grad()
def latents(model, rows: list[list[int]], indices: list[tuple[int, ...]], batch_size: int = 16) -> torch.Tensor:
    """Residual stream after every layer at ``indices`` of each row: float32 (questions, layers, indices, d)."""
    device, states_read = next(model.parameters()).device, []
    layers, span = layer_modules(model), LayerSpan(model, 0, model.config.num_hidden_layers)
    for start in range(0, len(rows), batch_size):
        input_ids, mask = (part.to(device) for part in pad(rows[start : start + batch_size]))
        states: list[torch.Tensor] = []
        with hooked([(layer, states.append) for layer in layers]):
            span(input_ids=input_ids, attention_mask=mask)
        for row, at in enumerate(indices[start : start + batch_size]):
            states_read.append(torch.stack([state[row, list(at)] for state in states]).float().cpu())
    return torch.stack(states_read)


def residual_statistics(model, tokenizer, pairs: list[tuple[str, str]], read_layer: int) -> pandas.DataFrame:
    """Statistics of the residuals first - second: columns position, layer, statistic, at, value, error, questions.

    ``at`` is the probability of a ``quantile`` or the rank of an ``eigenvalue``. All statistics are taken at the read
    layer, with their value under the assumption (``..._expected``); other layers have ``eta`` only. ``error`` is a
    standard error over questions.
    """
    aligned = [pair for first, second in pairs if (pair := align(tokenizer, first, second))]
    indices = [pair.indices for pair in aligned]
    difference = latents(model, [pair.first for pair in aligned], indices)
    difference -= latents(model, [pair.second for pair in aligned], indices)
    rows = []
    for index, position in enumerate(POSITIONS):
        for layer in range(difference.shape[1]):
            residuals = difference[:, layer, index].double().numpy()
            if layer != read_layer:
                rows.append(_row(position, layer, "eta", eta(residuals)))
            else:
                measured, errors = statistics(residuals), standard_errors(residuals)
                rows += [_row(position, layer, name, value, error=errors[name]) for name, value in measured.items()]
                expected = under_assumption(*residuals.shape, measured["eta"])
                rows += [_row(position, layer, f"{name}_expected", value) for name, value in expected.items()]
                quantiles, spectrum = standard_quantiles(residuals, QUANTILES), covariance_spectrum(residuals)
                rows += [_row(position, layer, "quantile", *pair) for pair in zip(quantiles, QUANTILES, strict=True)]
                rows += [_row(position, layer, "eigenvalue", value, rank + 1) for rank, value in enumerate(spectrum)]
    return pandas.DataFrame(rows).assign(questions=len(aligned))


def _row(position: str, layer: int, statistic: str, value: float, at: float = 0.0, error: float = 0.0) -> dict:
    values = {"at": float(at), "value": float(value), "error": float(error)}
    return {"position": position, "layer": layer, "statistic": statistic, **values}
