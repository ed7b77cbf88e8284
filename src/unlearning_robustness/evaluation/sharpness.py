"""How sharp the minimum is in which unlearning ended (asked for by StableUN's reviewers; arXiv 2509.20230, Eq. 4).

One loss for every method, so that cells can be compared: minus the NLL of forget text a token. A step that raises it
brings knowledge back. Neighbourhoods are of the trained tensors. All of it is float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas
import torch

from unlearning_robustness.defences.perturbation import along
from unlearning_robustness.models.bank import encode_texts
from unlearning_robustness.models.slicing import backward_attention
from unlearning_robustness.models.weights import Tensors, TrainedWeights, norm
from unlearning_robustness.scoring.likelihood import sequence_nll
from unlearning_robustness.seeds import shuffler


@dataclass(frozen=True)
class ForgetLandscape:
    """Minus the mean NLL a token of texts (N, T) around the model's present weights."""

    model: object
    weights: TrainedWeights
    input_ids: torch.Tensor
    mask: torch.Tensor

    def loss(self) -> torch.Tensor:
        """The loss at the weights that stand in the model, a scalar."""
        with backward_attention(self.input_ids.device):
            logits = self.model(self.input_ids, attention_mask=self.mask, use_cache=False).logits
        nll, tokens = sequence_nll(logits, self.input_ids, self.mask)
        return -nll.sum() / tokens.sum()

    def here(self) -> float:
        """The loss at the present weights, a number."""
        with torch.no_grad():
            return self.loss().item()

    def at(self, added: Tensors, factor: float = 1.0) -> float:
        """The loss at the present weights plus ``factor`` times ``added``."""
        moved = {name: tensor + factor * added[name] for name, tensor in self.weights.master.items()}
        with torch.no_grad(), self.weights.at(moved):
            return self.loss().item()

    def gradient(self) -> Tensors:
        """Its gradient."""
        return self.weights.gradient(self.loss())

    def hessian_product(self) -> Callable[[Tensors], Tensors]:
        """Direction to Hessian times direction; one graph serves all directions."""
        gradients = self.weights.graph_gradient(self.loss())
        live = list(self.weights.live.values())

        def product(direction: Tensors) -> Tensors:
            inner = torch.stack([(gradients[name] * direction[name]).sum() for name in gradients]).sum()
            found = torch.autograd.grad(inner, live, retain_graph=True)
            return dict(zip(gradients, found, strict=True))

        return product


def landscape_of(model, tokenizer, corpora: pandas.DataFrame, names: list[str], settings: dict) -> ForgetLandscape:
    """The landscape of the named tensors on ``documents`` forget texts, the same ones for every cell."""
    texts = sorted(corpora.loc[corpora["corpus"] == "forget", "text"])
    chosen = shuffler(0, "sharpness").sample(texts, min(settings["documents"], len(texts)))
    device = next(model.parameters()).device
    input_ids, mask = (part.to(device) for part in encode_texts(tokenizer, chosen, settings["tokens"]))
    return ForgetLandscape(model, TrainedWeights(model, names), input_ids, mask)


def filter_normalised(weights: Tensors, generator: torch.Generator) -> Tensors:
    """A Gaussian direction whose rows have the norms of the weights' rows (Li et al. 2018)."""
    drawn = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in weights.items()}
    return {
        name: tensor / tensor.norm(dim=1, keepdim=True) * weights[name].norm(dim=1, keepdim=True).cpu()
        for name, tensor in drawn.items()
    }


def sam_gap(landscape: ForgetLandscape, radius: float) -> float:
    """L(theta + radius g / ||g||) - L(theta): what an attacker's first step of that length brings back."""
    return landscape.at(along(landscape.gradient(), radius)) - landscape.here()


def random_curvature(landscape: ForgetLandscape, share: float, draws: int, generator: torch.Generator) -> list[float]:
    """(L(theta + rv) + L(theta - rv) - 2 L(theta)) / r^2 of filter-normalised directions v, r = ``share``."""
    centre, found = landscape.here(), []
    for _ in range(draws):
        direction = filter_normalised(landscape.weights.master, generator)
        ahead, behind = (landscape.at(direction, sign * share) for sign in (1, -1))
        found.append((ahead + behind - 2 * centre) / share**2)
    return found


def traces(product: Callable[[Tensors], Tensors], like: Tensors, draws: int, generator: torch.Generator) -> list[float]:
    """Hutchinson estimates of the Hessian's trace, with random signs."""
    found = []
    for _ in range(draws):
        signs = {name: torch.randint(0, 2, t.shape, generator=generator).to(t) * 2 - 1 for name, t in like.items()}
        image = product(signs)
        found.append(sum((signs[name] * image[name]).sum().item() for name in like))
    return found


def top_eigenvalues(
    product: Callable[[Tensors], Tensors], like: Tensors, count: int, iterations: int, generator: torch.Generator
) -> list[float]:
    """The ``count`` algebraically largest eigenvalues by Lanczos, re-orthogonalised, largest first."""
    names = list(like)
    sizes = [like[name].numel() for name in names]

    def flat(tensors: Tensors) -> torch.Tensor:
        return torch.cat([tensors[name].flatten() for name in names]).double()

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


def measure_sharpness(
    landscape: ForgetLandscape, settings: dict, generator: torch.Generator
) -> list[dict[str, float | str]]:
    """Rows (statistic, at, value, error) of one model; ``error`` is a standard error over random directions."""
    weights, rows = landscape.weights.master, []
    rows += [_row("gradient_norm", 0.0, [norm(landscape.gradient())])]
    rows += [_row("sam_gap", radius, [sam_gap(landscape, radius)]) for radius in settings["radii"]]
    drawn = random_curvature(landscape, settings["share"], settings["draws"], generator)
    rows.append(_row("random_curvature", settings["share"], drawn))
    product = landscape.hessian_product()
    rows.append(_row("hessian_trace", 0.0, traces(product, weights, settings["trace_draws"], generator)))
    values = top_eigenvalues(product, weights, settings["eigenvalues"], settings["iterations"], generator)
    rows += [_row("eigenvalue", rank + 1.0, [value]) for rank, value in enumerate(values)]
    return rows


def _row(statistic: str, at: float, values: list[float]) -> dict[str, float | str]:
    drawn = torch.tensor(values, dtype=torch.float64)
    error = drawn.std().item() / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"statistic": statistic, "at": at, "value": drawn.mean().item(), "error": error}
