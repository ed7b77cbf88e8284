"""The sharpness of the minimum that unlearning reached (asked for by StableUN's reviewers; arXiv 2509.20230, Eq. 4).

One loss for every method, so that cells can be compared: minus the NLL of forget text a token. A step that raises it
brings knowledge back. Neighbourhoods are of the trained tensors. All of it is float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas
import torch

from unlearning_robustness.config.cells import Cell
from unlearning_robustness.defences.perturbation import add_scaled, rescaled
from unlearning_robustness.engine.hessian import hessian_product, hutchinson
from unlearning_robustness.engine.weights import Tensors, TrainedWeights, change_of, norm
from unlearning_robustness.evaluation.base import Measure
from unlearning_robustness.evaluation.directions import filter_normalised, random_direction
from unlearning_robustness.evaluation.divergence import divergences, perturbation_norm
from unlearning_robustness.evaluation.texts import Texts, mean_nll, texts_of
from unlearning_robustness.models.architecture import inputs_first
from unlearning_robustness.models.delta import applied
from unlearning_robustness.runtime.seeds import generator as stream


@dataclass(frozen=True)
class ForgetLandscape:
    """Minus the mean NLL a token of texts around the model's present weights."""

    model: object
    weights: TrainedWeights
    texts: Texts

    def loss(self) -> torch.Tensor:
        """The loss at the model's current weights, a scalar."""
        return -mean_nll(self.model, self.texts)

    def here(self) -> float:
        """The loss at the present weights, a number."""
        with torch.no_grad():
            return self.loss().item()

    def at(self, added: Tensors, factor: float = 1.0) -> float:
        """The loss at the present weights plus ``factor`` times ``added``."""
        with torch.no_grad(), self.weights.at(add_scaled(self.weights.master, added, factor)):
            return self.loss().item()

    def gradient(self) -> Tensors:
        """Its gradient at the model's current weights."""
        return self.weights.gradient(self.loss())

    def gradient_norm_at(self, added: Tensors) -> float:
        """The norm of its gradient at the present weights plus ``added``."""
        with self.weights.at(add_scaled(self.weights.master, added)):
            return norm(self.gradient())

    def hessian_product(self) -> Callable[[Tensors], Tensors]:
        """Maps a direction to Hessian times direction; all directions share one graph."""
        _, gradients = self.weights.graph_gradient(self.loss)
        return hessian_product(gradients, self.weights.live)


def sam_gap(landscape: ForgetLandscape, radius: float) -> float:
    """L(theta + radius g / ||g||) - L(theta): what an attacker's first step of that length brings back."""
    return landscape.at(rescaled(landscape.gradient(), radius)) - landscape.here()


def random_curvature(landscape: ForgetLandscape, share: float, draws: int, generator: torch.Generator) -> list[float]:
    """(L(theta + rv) + L(theta - rv) - 2 L(theta)) / r^2 of filter-normalised directions v, r = ``share``."""
    centre, curvatures, transposed = landscape.here(), [], inputs_first(landscape.model)
    for _ in range(draws):
        direction = filter_normalised(landscape.weights.master, generator, transposed)
        ahead, behind = (landscape.at(direction, sign * share) for sign in (1, -1))
        curvatures.append((ahead + behind - 2 * centre) / share**2)
    return curvatures


def local_lipschitz(landscape: ForgetLandscape, radius: float, draws: int, generator: torch.Generator) -> float:
    """The largest gradient norm seen in the ball of ``radius`` around theta, a lower bound of the Lipschitz constant.

    It is taken at the centre, the ascent point theta + radius g / ||g|| and ``draws`` random points of the surface.
    """
    gradient = landscape.gradient()
    norms = [norm(gradient), landscape.gradient_norm_at(rescaled(gradient, radius))]
    for _ in range(draws):
        norms.append(landscape.gradient_norm_at(random_direction(gradient, radius, generator)))
    return max(norms)


def traces(product: Callable[[Tensors], Tensors], like: Tensors, draws: int, generator: torch.Generator) -> list[float]:
    """Hutchinson estimates of the Hessian's trace, with random signs."""
    drawn = hutchinson(product, like, draws, generator)
    return [sum(tensor.sum().item() for tensor in estimate.values()) for estimate in drawn]


def top_eigenvalues(
    product: Callable[[Tensors], Tensors], like: Tensors, count: int, iterations: int, generator: torch.Generator
) -> list[float]:
    """The ``count`` algebraically largest eigenvalues by Lanczos, re-orthogonalised, largest first."""
    names = list(like)
    sizes = [like[name].numel() for name in names]

    def flat(tensors: Tensors) -> torch.Tensor:
        return torch.cat([tensors[name].flatten() for name in names]).double().cpu()

    def shaped(vector: torch.Tensor) -> Tensors:
        parts = vector.split(sizes)
        return {name: part.view(like[name].shape).to(like[name]) for name, part in zip(names, parts, strict=True)}

    vector = torch.randn(sum(sizes), generator=generator, dtype=torch.float64)
    basis, diagonal, beside = [vector / vector.norm()], [], []
    for _ in range(min(iterations, sum(sizes))):
        image = flat(product(shaped(basis[-1])))
        diagonal.append((image @ basis[-1]).item())
        for _ in range(2):
            for known in basis:
                image -= (image @ known) * known
        size = image.norm().item()
        if size < 1e-10:
            break
        beside.append(size)
        basis.append(image / size)
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    for index, value in enumerate(beside[: len(diagonal) - 1]):
        matrix[index, index + 1] = matrix[index + 1, index] = value
    return torch.linalg.eigvalsh(matrix).flip(0)[:count].tolist()


def weight_space(landscape: ForgetLandscape, settings: dict, seed: int) -> list[dict[str, float | str]]:
    """The measures in the space of weights."""
    weights, rows, generator = landscape.weights.master, [], stream(seed, "sharpness")
    rows += [_row("gradient_norm", 0.0, [norm(landscape.gradient())])]
    rows += [_row("sam_gap", radius, [sam_gap(landscape, radius)]) for radius in settings["radii"]]
    drawn = random_curvature(landscape, settings["share"], settings["draws"], generator)
    rows.append(_row("random_curvature", settings["share"], drawn))
    product = landscape.hessian_product()
    rows.append(_row("hessian_trace", 0.0, traces(product, weights, settings["trace_draws"], generator)))
    values = top_eigenvalues(product, weights, settings["eigenvalues"], settings["iterations"], generator)
    rows += [_row("eigenvalue", rank + 1.0, [value]) for rank, value in enumerate(values)]
    steepest = 0.0
    for radius in sorted(settings["radii"]):
        # The points of a ball lie in every larger one.
        largest = local_lipschitz(landscape, radius, settings["lipschitz_draws"], stream(seed, "lipschitz"))
        steepest = max(steepest, largest)
        rows.append(_row("local_lipschitz", radius, [steepest]))
    return rows


def function_space(
    model, weights: TrainedWeights, texts: dict[str, Texts], change: float, settings: dict, seed: int
) -> list[dict[str, float | str]]:
    """The measures in the space of predictions; ``change`` is the cell's ||dW||."""
    at, length = perturbation_norm(settings, change)
    drawn = divergences(model, weights, texts, length, settings["draws"], stream(seed, "divergence"))
    return [_row(f"kl_{corpus}", at, values) for corpus, values in drawn.items()]


def measure_sharpness(
    model, tokenizer, corpora: pandas.DataFrame, names: list[str], change: float, settings: dict, seed: int
) -> list[dict[str, float | str]]:
    """Rows (statistic, at, value, error) of the model around the tensors ``names``, which moved by ``change``.

    ``error`` is a standard error over random directions.
    """
    device = next(model.parameters()).device
    texts = {corpus: texts_of(tokenizer, corpora, corpus, settings, device) for corpus in ("forget", "retain")}
    weights = TrainedWeights(model, names)
    rows = weight_space(ForgetLandscape(model, weights, texts["forget"]), settings, seed)
    rows += function_space(model, weights, texts, change, settings["divergence"], seed)
    weights.release()
    return rows


def _row(statistic: str, at: float, values: list[float]) -> dict[str, float | str]:
    drawn = torch.tensor(values, dtype=torch.float64)
    error = drawn.std().item() / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"statistic": statistic, "at": at, "value": drawn.mean().item(), "error": error}


class Sharpness(Measure):
    """The sharpness of the minimum that unlearning reached."""

    def of(self, delta: dict, cell: Cell) -> pandas.DataFrame:
        corpora, change = self.tables["corpora"], change_of(dict(self.model.named_parameters()), delta)
        moved = (sorted(delta), change)
        with applied(self.model, delta):
            rows = measure_sharpness(self.model, self.tokenizer, corpora, *moved, self.settings, cell.seed)
        return pandas.DataFrame(rows).assign(**vars(cell))
