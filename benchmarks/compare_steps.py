"""Steps of unlearning: full models as the released code runs them, and the engine between cached activations.

The released way holds two models, runs each through all layers, and takes gradients wherever autograd finds a way.
Texts are of unequal length. Trained tensors stand apart from the reference's, as in the middle of a run, so that every
term of the gradient counts.
"""

import copy
from collections.abc import Callable

import torch
from comparison import Comparison, compare
from torch.nn.functional import logsigmoid

from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.activation_cache import ActivationCache, compute_activations
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import TrainedWeights, down_projections
from unlearning_robustness.methods.method import build_method

LAYERS, READ_LAYER, COEFFICIENT, BETA = (5, 6, 7), 7, 390.0, 0.1
SETTINGS = {"layers": LAYERS, "read_layer": READ_LAYER, "implementation": "corrected", "topics": None}
METHODS = {
    "rmu": SETTINGS | {
        "forget_loss": "rmu", "retain_loss": "activation", "retain_weight": 100.0, "tokens": 48,
        "parameters": {"coefficient": COEFFICIENT},
    },
    "npo-kl": SETTINGS | {
        "forget_loss": "npo", "retain_loss": "kl", "retain_weight": 3.0, "tokens": 32,
        "parameters": {"beta": BETA, "normalisation": "token-mean"},
    },
}  # fmt: skip
RADIUS, INNER, ASCENT = 0.5, 0.5, 1.0
ROWS = {
    "sam": [{"kind": "sam", "parameters": {"radius": RADIUS}}],
    "stableun": [{"kind": "stableun", "parameters": {"inner_radius": INNER, "sap_radius": ASCENT}}],
}
# Of gradients, relative to their norm. The gradient of KL is a small difference of two distributions: on the packaged
# model float32 leaves 7e-4 of it to rounding, and float64 4e-8.
TOLERANCE = 2e-3
Gradient = list[torch.Tensor]
Loss = Callable[[], torch.Tensor]


def flat(gradient: Gradient) -> torch.Tensor:
    """All tensors one after another."""
    return torch.cat([tensor.flatten() for tensor in gradient])


class ReleasedLosses:
    """Losses of two whole models on two batches, read through all layers: ``forget`` and ``retain`` give scalars."""

    def __init__(self, model, reference, names: list[str], caches: tuple[ActivationCache, ActivationCache], direction):
        self.model, self.frozen = model, reference
        self.trained = [model.get_parameter(name) for name in names]
        self.forget_batch, self.retain_batch = caches
        self.direction = direction

    def gradient(self, loss: Loss) -> Gradient:
        """Of the trained tensors; every other tensor's is computed too, and not read."""
        self.model.zero_grad()
        loss().backward()
        return [tensor.grad.clone() for tensor in self.trained]

    @torch.no_grad()
    def move(self, gradient: Gradient, length: float) -> None:
        """Move the trained tensors by ``length`` along a gradient."""
        size = flat(gradient).norm()
        for tensor, slope in zip(self.trained, gradient, strict=True):
            tensor += length / size * slope


class ReleasedRMU(ReleasedLosses):
    """RMU with its activation loss, retain weight included."""

    def _hidden(self, model, batch: ActivationCache) -> torch.Tensor:
        output = model.model(batch.input_ids, attention_mask=batch.mask, output_hidden_states=True)
        return output.hidden_states[READ_LAYER + 1]

    def _distance(self, batch: ActivationCache, target: torch.Tensor) -> torch.Tensor:
        counted = batch.mask.clone()
        counted[:, 0] = False
        squares = (self._hidden(self.model, batch) - target).pow(2) * counted[..., None]
        return squares.sum() / (counted.sum() * squares.shape[-1])

    def forget(self) -> torch.Tensor:
        return self._distance(self.forget_batch, COEFFICIENT * self.direction)

    def retain(self) -> torch.Tensor:
        with torch.no_grad():
            target = self._hidden(self.frozen, self.retain_batch)
        return METHODS["rmu"]["retain_weight"] * self._distance(self.retain_batch, target)


class ReleasedNPO(ReleasedLosses):
    """NPO with its KL loss, retain weight included."""

    def _log_p(self, model, batch: ActivationCache) -> torch.Tensor:
        return model(batch.input_ids, attention_mask=batch.mask).logits.float().log_softmax(-1)

    def _nll(self, model) -> torch.Tensor:
        batch, predicted = self.forget_batch, self.forget_batch.mask[:, 1:]
        token = self._log_p(model, batch)[:, :-1].gather(-1, batch.input_ids[:, 1:, None])[..., 0]
        return -(token * predicted).sum(-1) / predicted.sum(-1)

    def forget(self) -> torch.Tensor:
        with torch.no_grad():
            reference = self._nll(self.frozen)
        return -(2 / BETA) * logsigmoid(BETA * (self._nll(self.model) - reference)).mean()

    def retain(self) -> torch.Tensor:
        with torch.no_grad():
            reference = self._log_p(self.frozen, self.retain_batch)
        divergence = (reference.exp() * (reference - self._log_p(self.model, self.retain_batch))).sum(-1)
        mask = self.retain_batch.mask
        return METHODS["npo-kl"]["retain_weight"] * (divergence * mask).sum() / mask.sum()


def plain_step(losses: ReleasedLosses) -> Gradient:
    """The gradient of both losses together."""
    return losses.gradient(lambda: losses.forget() + losses.retain())


def sam_step(losses: ReleasedLosses) -> Gradient:
    """Forget gradient at the worst point of a ball, retain gradient at the weights."""
    start = [tensor.detach().clone() for tensor in losses.trained]
    losses.move(losses.gradient(losses.forget), RADIUS)
    ascended = losses.gradient(losses.forget)
    put_back(losses, start)
    return [one + other for one, other in zip(ascended, losses.gradient(losses.retain), strict=True)]


def stableun_step(losses: ReleasedLosses) -> Gradient:
    """StableUN's inner step with SAP: feedback from its neighbourhood, and projection where gradients conflict."""
    start = [tensor.detach().clone() for tensor in losses.trained]
    at_theta = losses.gradient(losses.forget)
    losses.move(at_theta, -INNER)
    inner = [tensor.detach().clone() for tensor in losses.trained]
    losses.move(losses.gradient(losses.forget), ASCENT)
    feedback = losses.gradient(losses.forget)
    put_back(losses, inner)
    at_inner = losses.gradient(losses.retain)
    put_back(losses, start)
    forget, retain = 0.5 * flat(at_theta) + 0.5 * flat(feedback), 0.5 * flat(at_theta) + flat(at_inner)
    if (overlap := forget @ retain) < 0:
        forget = forget - overlap / (retain @ retain) * retain
    return [forget + retain]


@torch.no_grad()
def put_back(losses: ReleasedLosses, tensors: Gradient) -> None:
    """Give the trained tensors these values."""
    for tensor, value in zip(losses.trained, tensors, strict=True):
        tensor.copy_(value)


COMPARED = {
    "RMU step": ("rmu", ReleasedRMU, plain_step, []),
    "NPO+KL step": ("npo-kl", ReleasedNPO, plain_step, []),
    "SAM step of NPO+KL": ("npo-kl", ReleasedNPO, sam_step, ROWS["sam"]),
    "StableUN step of NPO+KL": ("npo-kl", ReleasedNPO, stableun_step, ROWS["stableun"]),
}


def random_texts(model, count: int, tokens: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (N, T) of random texts, the first of full length and the others of three quarters at least."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(tokens * 3 // 4, tokens + 1, (count,), generator=random)
    lengths[0] = tokens
    ids = torch.randint(1, model.config.vocab_size, (count, tokens), generator=random)
    mask = torch.arange(tokens) < lengths[:, None]
    return ids * mask, mask


def batches_of(model, settings: dict, tokens: int | None = None) -> tuple[ActivationCache, ActivationCache]:
    """A forget and a retain batch of four random texts with what the reference makes of them."""
    likelihood, first, read = settings["forget_loss"] != "rmu", min(settings["layers"]), settings["read_layer"]
    both = (random_texts(model, 4, tokens or settings["tokens"], seed) for seed in (1, 2))
    return tuple(compute_activations(model, *texts, first, read, likelihood) for texts in both)


class OurStep:
    """The gradient of a step by the engine and a row of defences, with the trained tensors apart from the reference's.

    ``apart`` is what they are moved by, relative to their own size.
    """

    def __init__(self, model, settings: dict, row: list[dict], batches, apart: float = 0.1):
        method, random = build_method(settings), torch.Generator().manual_seed(0)
        self.direction = method.forget_loss.direction(model.config.hidden_size, random)
        self.names = down_projections(model, settings["layers"])
        weights = TrainedWeights(model, self.names)
        self.engine, self.step, self.batches = Engine(model, method, weights, self.direction), build_step(row), batches
        for tensor in weights.master.values():
            tensor += apart * tensor.std() * torch.randn(tensor.shape, generator=random)
        weights.publish()

    def __call__(self) -> torch.Tensor:
        forget, retain = self.batches
        random, self.step.compares = torch.Generator().manual_seed(0), False
        gradients = [
            part(self.engine, batch, random)[1]
            for part, batch in ((self.step.forget_gradient, forget), (self.step.retain_gradient, retain))
        ]
        return flat(list(self.step.combine(*gradients).values()))


def compare_steps(model, repeats: int) -> list[Comparison]:
    """RMU, NPO+KL, SAM and StableUN."""
    comparisons = []
    for name, (method, losses_of, released_step, row) in COMPARED.items():
        settings, reference = METHODS[method], copy.deepcopy(model)
        ours = OurStep(model, settings, row, batches_of(model, settings))
        released = copy.deepcopy(model).requires_grad_(True)
        losses = losses_of(released, reference, ours.names, ours.batches, ours.direction)
        comparisons.append(
            compare(
                name,
                lambda losses=losses, step=released_step: flat(step(losses)),
                ours,
                TOLERANCE,
                repeats,
            )
        )
        ours.engine.weights.release()
    return comparisons
