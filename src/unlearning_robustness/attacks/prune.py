"""Set-difference pruning: zero the weights that matter most for forget texts and not for retain texts.

Wei et al. (arXiv 2402.05162) with their two scores, as Łucki et al. (2409.18025) turn it on unlearning. Weights compete
within their matrix. Differs from the released code: the fractions are chosen on the select split, not on the questions
that are reported.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from unlearning_robustness.attacks.base import AttackedModel, AttackInput
from unlearning_robustness.attacks.choice import SelectAccuracy, best
from unlearning_robustness.errors import DataError
from unlearning_robustness.fine_tuning import text_loss
from unlearning_robustness.models.bank import encode_texts
from unlearning_robustness.models.modules import linear_modules
from unlearning_robustness.seeds import generator

Tensors = dict[str, torch.Tensor]
NOTHING = "nothing pruned"


def snip_scores(model: nn.Module, texts: Sequence[torch.Tensor]) -> Tensors:
    """Mean over texts, each (1, T) ids, of |weight * d loss / d weight| of every linear module, float32.

    A weight's gradient is dropped as soon as it is counted, so only those of one text and module are held.
    """
    modules = linear_modules(model)
    scores = {name: torch.zeros_like(module.weight, dtype=torch.float32) for name, module in modules.items()}

    def count(name: str):
        def hook(weight: torch.Tensor) -> None:
            scores[name] += (weight.detach() * weight.grad).float().abs() / len(texts)
            weight.grad = None

        return hook

    handles = []
    try:
        for name, module in modules.items():
            module.weight.requires_grad_(True)
            handles.append(module.weight.register_post_accumulate_grad_hook(count(name)))
        with torch.enable_grad():
            for ids in texts:
                text_loss(model, ids, torch.ones_like(ids, dtype=torch.bool)).backward()
    finally:
        for handle in handles:
            handle.remove()
        for module in modules.values():
            module.weight.requires_grad_(False)
            module.weight.grad = None
    return scores


@torch.no_grad()
def wanda_scores(model: nn.Module, texts: Sequence[torch.Tensor]) -> Tensors:
    """|weight| times the norm of its input over all tokens of the texts, each (1, T) ids; float32."""
    modules = linear_modules(model)
    squares = {name: torch.zeros(module.in_features, device=module.weight.device) for name, module in modules.items()}

    def count(name: str):
        def hook(_, inputs: tuple[torch.Tensor, ...]) -> None:
            squares[name] += inputs[0].float().square().flatten(0, -2).sum(0)

        return hook

    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_pre_hook(count(name)))
        for ids in texts:
            model(input_ids=ids, use_cache=False, logits_to_keep=1)
    finally:
        for handle in handles:
            handle.remove()
    return {name: module.weight.float().abs() * squares[name].sqrt() for name, module in modules.items()}


SCORES = {"snip": snip_scores, "wanda": wanda_scores}


def ranked(scores: torch.Tensor, fraction: float) -> torch.Tensor:
    """Flat places of the highest ``fraction`` of scores, the highest first."""
    return scores.flatten().topk(round(fraction * scores.numel())).indices


def difference(forget: torch.Tensor, utility: torch.Tensor, q: float, p: float, count: int) -> torch.Tensor:
    """Flat places in the top q of ``forget`` and not in the top p of ``utility``, both ranked, of ``count`` weights."""
    top, useful = forget[: round(q * count)], torch.zeros(count, dtype=torch.bool, device=forget.device)
    useful[utility[: round(p * count)]] = True
    return top[~useful[top]]


@contextmanager
def zeroed(weights: Tensors, places: Tensors) -> Iterator[None]:
    """Weights with zeros at flat ``places``; they come back bit for bit."""
    before = {name: weights[name].flatten()[found] for name, found in places.items()}
    try:
        for name, found in places.items():
            weights[name].view(-1)[found] = 0
        yield
    finally:
        for name, values in before.items():
            weights[name].view(-1)[places[name]] = values


@dataclass(frozen=True)
class Prune:
    """Zero, in every linear matrix of the decoder layers, its top ``q`` for forgetting less its top ``p`` for utility.

    Tried are all pairs of ``fractions`` with p >= q, and no pruning; the best on select, with retain accuracy at most
    ``margin`` lower, is yielded. ``score`` is ``snip`` or ``wanda``, of ``texts`` texts of at most ``tokens`` tokens of
    the corpora ``forget`` and ``retain``. The default forget corpus is the attacker's, about entities that are never
    asked about.
    """

    score: Literal["snip", "wanda"]
    fractions: list[float]
    texts: int
    tokens: int
    margin: float
    forget: Literal["relearn", "forget"] = "relearn"

    @torch.no_grad()
    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the pruned model; weights come back bit for bit. Raises DataError when a corpus has too few texts."""
        forget, utility = (self._ranks(attack, corpus) for corpus in (self.forget, "retain"))
        weights = {name: module.weight.detach() for name, module in linear_modules(attack.model).items()}
        accuracy, plain = SelectAccuracy(attack), AttackedModel(attack.model, {}, NOTHING)

        def places(q: float, p: float) -> Tensors:
            return {
                name: difference(forget[name], utility[name], q, p, weight.numel()) for name, weight in weights.items()
            }

        scores = [((0.0, 0.0), accuracy(plain))]
        for q, p in [(q, p) for q in self.fractions for p in self.fractions if p >= q > 0]:
            with zeroed(weights, places(q, p)):
                scores.append(((q, p), accuracy(plain)))
        (q, p), _ = best(scores, scores[0][1], self.margin)
        with zeroed(weights, places(q, p)):
            yield AttackedModel(attack.model, {}, f"{q:g} less {p:g}" if q else NOTHING)

    def _ranks(self, attack: AttackInput, corpus: str) -> Tensors:
        """By weight its highest places, as many as the largest fraction: scores themselves are not kept."""
        texts = attack.corpora.loc[attack.corpora["corpus"] == corpus, "text"]
        if self.texts > len(texts):
            raise DataError(
                f"prune wants {self.texts} texts, the corpus {corpus} has {len(texts)}: lower attacks.*.texts"
            )
        order = torch.randperm(len(texts), generator=generator(attack.seed, f"attack-texts/{corpus}"))
        chosen, device = texts.iloc[order[: self.texts].tolist()], next(attack.model.parameters()).device
        encoded = [encode_texts(attack.tokenizer, [text], self.tokens)[0].to(device) for text in chosen]
        scores = SCORES[self.score](attack.model, encoded)
        return {name: ranked(score, max(self.fractions)) for name, score in scores.items()}
