"""Slices of the loss around an unlearned model (StableUN, arXiv 2509.20230, Fig. 2; asked for by its reviewers for more
methods): theta + a d1 + b d2, d1 = theta_relearned - theta, d2 random, orthogonal to d1 and as long.

a and b are in units of ||d1||: a = 0 is the unlearned model, a = 1 the relearned one. All of it is float32.
"""

from collections.abc import Callable, Iterable
from itertools import product

import pandas
import torch

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.config.cells import Cell
from unlearning_robustness.defences.perturbation import add_scaled
from unlearning_robustness.engine.weights import Tensors, TrainedWeights, norm
from unlearning_robustness.errors import TrainingError
from unlearning_robustness.evaluation.base import Measure
from unlearning_robustness.evaluation.directions import orthogonal_to
from unlearning_robustness.evaluation.texts import Texts, mean_nll, texts_of
from unlearning_robustness.models.delta import applied
from unlearning_robustness.runtime.seeds import generator

Losses = dict[str, float]
Point = tuple[float, float]


def relearning_direction(model, tokenizer, corpora: pandas.DataFrame, attack: dict, seed: int) -> Tensors:
    """theta_relearned - theta of the tensors that the attack trains, float32, at the largest point of its budget.

    Only the tensors that get gradients while it runs are copied. ``attack`` is the resolved
    entry of config; the attack leaves the model as it was. Raises TrainingError when nothing moved.
    """
    relearned, largest = {}, ()
    running = ATTACKS[attack["kind"]](**attack["parameters"])
    for attacked in running.run(AttackInput(model, tokenizer, corpora, seed)):
        budget = tuple(attacked.budget.values())
        if budget > largest:
            trained = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
            relearned = {name: tensor.detach().float().clone() for name, tensor in trained.items()}
            largest = budget
    direction = {name: tensor - model.get_parameter(name).detach().float() for name, tensor in relearned.items()}
    if not direction or norm(direction) == 0:
        raise TrainingError(
            f"an attack of kind {attack['kind']!r} moves no tensor: give landscape.attack one that takes steps"
        )
    return direction


def plane_points(count: int, extent: float) -> list[Point]:
    """``count`` x ``count`` points from -extent to extent on both axes; an odd count has (0, 0) among them."""
    ticks = [extent * (2 * index / (count - 1) - 1) for index in range(count)]
    return list(product(ticks, ticks))


def slice_of(
    losses_at: Callable[[Tensors], Losses], first: Tensors, second: Tensors, points: Iterable[Point]
) -> list[dict]:
    """Rows (a, b, corpus, nll) at the displacements a ``first`` + b ``second``."""
    rows = []
    for a, b in points:
        added = {name: a * tensor + b * second[name] for name, tensor in first.items()}
        rows += [{"a": a, "b": b, "corpus": corpus, "nll": value} for corpus, value in losses_at(added).items()]
    return rows


def losses_around(model, weights: TrainedWeights, texts: dict[str, Texts]) -> Callable[[Tensors], Losses]:
    """A function of a displacement of the tensors of ``weights``: the NLL a token (nats) of each corpus there.

    The weights come back bit for bit after every call.
    """

    def losses_at(added: Tensors) -> Losses:
        with torch.no_grad(), weights.at(add_scaled(weights.master, added)):
            return {corpus: mean_nll(model, pair).item() for corpus, pair in texts.items()}

    return losses_at


def measure_landscape(
    model, tokenizer, corpora: pandas.DataFrame, attack: dict, settings: dict, seed: int
) -> pandas.DataFrame:
    """Rows (slice, a, b, corpus, nll, length): the ``line`` b = 0 and the ``plane``; ``length`` is ||d1||.

    ``seed`` is the cell's: it decides the attack as it does where the attack is scored, and d2. The model comes back
    bit for bit.
    """
    device = next(model.parameters()).device
    texts = {corpus: texts_of(tokenizer, corpora, corpus, settings, device) for corpus in ("forget", "retain")}
    first = relearning_direction(model, tokenizer, corpora, attack, seed)
    second = orthogonal_to(first, generator(seed, "landscape"))
    weights = TrainedWeights(model, list(first))
    losses_at = losses_around(model, weights, texts)
    points = {
        "line": [(a, 0.0) for a in sorted(settings["line"])],
        "plane": plane_points(settings["plane"], settings["extent"]),
    }
    parts = [pandas.DataFrame(slice_of(losses_at, first, second, at)).assign(slice=name) for name, at in points.items()]
    weights.release()
    return pandas.concat(parts, ignore_index=True).assign(length=norm(first))


class Landscape(Measure):
    """The loss along the line to the relearned model and across it."""

    def of(self, delta: dict, cell: Cell) -> pandas.DataFrame:
        corpora, (_, attack) = self.tables["corpora"], self.attack
        with applied(self.model, delta):
            table = measure_landscape(self.model, self.tokenizer, corpora, attack, self.settings, cell.seed)
        return table.assign(**vars(cell))
