"""The loss of tokens put into prompts, and its gradient at one-hot tokens: what a search over them lowers."""

import copy
from typing import Literal

import torch
from torch.nn.functional import cross_entropy, one_hot

from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.attacks.insertion import Slot
from unlearning_robustness.errors import ConfigError, DataError
from unlearning_robustness.models.hooks import hooked
from unlearning_robustness.models.shared_prefix import keys_and_values
from unlearning_robustness.models.slicing import LayerSpan, backward_attention, logits_of
from unlearning_robustness.scoring.finite import need_finite
from unlearning_robustness.scoring.multiple_choice import collate, to_device, tree_mask
from unlearning_robustness.scoring.packing import PackedQuestion, longest_input

Match = Literal["contrast", "mislead", "answer", "representation"]
# So many rows of the embedding are held in float32 at once.
ROWS = 8192


def contrast(log_likelihoods: torch.Tensor, right: int) -> torch.Tensor:
    """Minus the log-probability (C,) of choice ``right`` among all, of their log-likelihoods (C, K).

    Choices are compared as accuracy compares them: by what decides the question.
    """
    return -log_likelihoods.log_softmax(-1)[:, right]


def mislead(log_likelihoods: torch.Tensor, right: int) -> torch.Tensor:
    """Minus the log-probability (C,) of all choices but ``right`` together, of log-likelihoods (C, K)."""
    wrong = torch.arange(log_likelihoods.shape[-1], device=log_likelihoods.device) != right
    return -log_likelihoods.log_softmax(-1)[:, wrong].logsumexp(-1)


def representation_distance(hidden: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Squared distance of hidden (B, T, d) to reference (T, d), relative to its squared norm, mean over T: (B,)."""
    hidden, reference = hidden.float(), reference.float()
    return ((hidden - reference).square().sum(-1) / reference.square().sum(-1)).mean(-1)


def tokens_nll(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood (B, T), by logits (B, T, V), of ids (B, T), or of one-hot vectors (B, T, V)."""
    targets = targets.transpose(1, 2) if targets.ndim == 3 else targets
    return cross_entropy(logits.float().transpose(1, 2), targets, reduction="none")


# Losses that compare choices; the others know the right one alone.
COMPARED = {"contrast": contrast, "mislead": mislead}


class InsertionLoss:
    """The attack's loss of inserted tokens; what stands before them is computed once for all candidates.

    ``contrast``, ``mislead``: see the functions; of all choices, packed into one row as the scorer packs them.
    ``answer``: minus the log-likelihood of the right choice alone; what helps it may help the wrong ones more.
    ``representation``: ``representation_distance`` of the residual stream after ``layer`` to that of the reference
    without the tokens, at the trailing positions that both have, the one that predicts the answer included. To
    each is added ``fluency`` times the tokens' mean NLL under the model, the first, which follows nothing, left out.
    """

    def __init__(self, attack: AttackInput, slots: list[Slot], match: Match, layer: int | None, fluency: float):
        self.model, self.slots, self.match, self.fluency = attack.model, slots, match, fluency
        self.batch_size, self.device = attack.batch_size, next(attack.model.parameters()).device
        self.layer, depth = layer if match == "representation" else None, attack.model.config.num_hidden_layers
        if self.layer is not None and self.layer >= depth:
            raise ConfigError(f"attacks.*.parameters.layer: {layer} is not within the model's {depth} layers")
        needs_logits = self.layer is None or fluency > 0
        self.span = LayerSpan(attack.model, 0, depth if needs_logits else self.layer + 1)
        self.longest = longest_input(attack.model.config)
        self.embed = attack.model.get_input_embeddings()
        self.targets = [None] * len(slots) if self.layer is None else self._reference(attack)
        heads = [torch.tensor(slot.head, dtype=torch.long, device=self.device) for slot in slots]
        self.caches = [keys_and_values(self.span, head) for head in heads]

    @torch.no_grad()
    def _reference(self, attack: AttackInput) -> list[torch.Tensor]:
        with attack.reference():
            span = LayerSpan(attack.model, 0, self.layer + 1)
            plain = [span(input_ids=torch.tensor([slot.plain], device=self.device))[0] for slot in self.slots]
        return [hidden[-_compared(slot) :] for hidden, slot in zip(plain, self.slots, strict=True)]

    def of_slot(self, embeds: torch.Tensor, inserted: torch.Tensor, number: int) -> torch.Tensor:
        """Loss (C,) of embeddings (C, n, d), of ids (C, n) or one-hot vectors (C, n, V), in one question."""
        slot, cache, (count, length) = self.slots[number], copy.deepcopy(self.caches[number]), embeds.shape[:2]
        choices = slot.choices if self.match in COMPARED else (slot.answer,)
        start = len(slot.head)
        packed = PackedQuestion((*slot.head, *[0] * length, *slot.tail), choices, slot.name)
        if self.longest is not None and packed.positions > self.longest:
            raise DataError(
                f"{slot.name}: with {length} inserted tokens it has {packed.positions}, the model {self.longest} "
                "positions: lower attacks.*.parameters.inserted_tokens"
            )
        layout = to_device(collate([packed]), self.device)
        if slot.head:
            cache.batch_repeat_interleave(count)
        behind = self.embed(layout.input_ids[:, start + length :]).expand(count, -1, -1)
        captured: list[torch.Tensor] = []
        with hooked([] if self.layer is None else [(self.span.layers[self.layer], captured.append)]):
            hidden = self.span(
                embeddings=torch.cat([embeds, behind], dim=1),
                attention_mask=tree_mask([packed])[:, :, start:].to(self.device).expand(count, -1, -1, -1),
                position_ids=layout.position_ids[:, start:],
                past_key_values=cache,
            )
        if self.match == "representation":
            loss = representation_distance(captured[0][:, -_compared(slot) :], self.targets[number])
        else:
            scores = self._log_likelihoods(hidden, layout.columns - start, layout.targets, layout.owner, len(choices))
            compared = scores / scores.new_tensor(slot.divisors) if self.match in COMPARED else scores
            loss = COMPARED[self.match](compared, slot.right) if self.match in COMPARED else -scores[:, 0]
        if self.fluency > 0 and length > 1:
            nll = tokens_nll(logits_of(self.model, hidden[:, : length - 1]), inserted[:, 1:])
            loss = loss + self.fluency * nll.mean(-1)
        need_finite(loss.detach(), [slot.name] * count, "loss")
        return loss

    def _log_likelihoods(self, hidden, columns, targets, owner: torch.Tensor, choices: int) -> torch.Tensor:
        """Summed log-probabilities (C, K) of each choice's tokens, of a residual stream (C, T, d)."""
        # The prompt's last position predicts the first token of every choice: unembed it once.
        unique, inverse = columns.unique(return_inverse=True)
        token = logits_of(self.model, hidden[:, unique]).log_softmax(-1)[:, inverse, targets]
        return token.new_zeros(len(hidden), choices).index_add(1, owner, token)

    @torch.no_grad()
    def __call__(self, candidates: torch.Tensor) -> torch.Tensor:
        """Mean loss over the questions, float32 on the CPU (C,), of candidates (C, n)."""
        total = []
        for ids in candidates.to(self.device).split(self.batch_size):
            embeds = self.embed(ids)
            total.append(sum(self.of_slot(embeds, ids, number) for number in range(len(self.slots))))
        return torch.cat(total).float().cpu() / len(self.slots)

    def gradient(self, ids: torch.Tensor) -> torch.Tensor:
        """Gradient (n, V) of the mean loss at the one-hot vectors of ids (n,), float32 on the CPU."""
        ids, vocabulary = ids.to(self.device), torch.arange(len(self.embed.weight), device=self.device)
        embeds = self.embed(ids).detach().requires_grad_()
        hot = one_hot(ids, len(vocabulary)).float().requires_grad_()
        through, direct = torch.zeros_like(embeds, dtype=torch.float32), torch.zeros_like(hot)
        for number in range(len(self.slots)):
            with backward_attention(self.device):
                loss = self.of_slot(embeds[None], hot[None], number).sum()
            # One-hot vectors act on the loss as embeddings, and on fluency also as what is to be predicted.
            at_embeds, at_hot = torch.autograd.grad(loss, [embeds, hot], allow_unused=True)
            through += at_embeds.float()
            direct += 0 if at_hot is None else at_hot
        # Asked for, not read: some embeddings are scaled.
        by_embedding = torch.cat([through @ self.embed(rows).float().T for rows in vocabulary.split(ROWS)], dim=1)
        return (by_embedding + direct).detach().cpu() / len(self.slots)


def _compared(slot: Slot) -> int:
    """How many trailing positions are compared with the reference's: at least those that predict the answer."""
    return max(slot.shared, len(slot.answer))
