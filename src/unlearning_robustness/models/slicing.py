"""Run a part of a decoder: layers ``start`` to ``stop`` of any Hugging Face causal model, or what follows them.

A span is a *view*: it shares every parameter with the model it was cut from and runs the model's own forward, so no
architecture is implemented a second time. What a model does before its first layer (positions, multipliers) and after
its last one (scales, soft caps) is its own code, too: a span puts the residual stream where a layer takes it, and
``logits_of`` runs the whole model without layers, with the stream where the final norm takes it.
"""

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Cache

from unlearning_robustness.models.architecture import stack_of
from unlearning_robustness.models.attention import masks_by_kind
from unlearning_robustness.models.hooks import entered_by


class LayerSpan(nn.Module):
    """Layers ``start`` (included) to ``stop`` (excluded) of ``model``, without the final norm.

    Called with ``input_ids`` (B, T) or their ``embeddings`` (B, T, e) when ``start`` is 0, or with ``hidden``
    (B, T, d), the residual stream that enters layer ``start``. Returns the residual stream after layer ``stop - 1``,
    (B, T, d). A span also takes a cache of the preceding text, which grows. ``attention_mask`` is True where attention
    is allowed: of tokens that are no padding (B, T), or of pairs of positions (B, 1, T, H + T), where H positions are
    cached; then ``position_ids`` are needed, and windows that slide are cut out of it.
    """

    def __init__(self, model: nn.Module, start: int, stop: int):
        super().__init__()
        stack = stack_of(model)
        depth = len(stack.layers)
        if not 0 <= start <= stop <= depth:
            raise ValueError(f"layers {start}..{stop} are not within the model's {depth} layers")
        self.start, self.stop, self.layers = start, stop, list(stack.layers[start:stop])
        view = graft(stack.decoder, stack.list_name, stack.layers[start:stop])
        for name in stack.after:
            view = graft(view, name, nn.Identity())
        if getattr(view.config, "layer_types", None):
            # The forward looks a layer's kind of attention up by its index in the view.
            view.config = copy.copy(view.config)
            view.config.layer_types = view.config.layer_types[start:stop]
        self.view = view

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        hidden: torch.Tensor | None = None,
        embeddings: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
    ) -> torch.Tensor:
        if hidden is not None and not self.layers:
            return hidden
        if hidden is not None:
            embeddings = _no_embeddings(self.view, hidden)
        entering = input_ids if embeddings is None else embeddings
        if attention_mask is not None and attention_mask.ndim == 4:
            attention_mask = masks_by_kind(self.view, attention_mask, position_ids)
        with nullcontext() if hidden is None else entered_by(self.layers[0], hidden):
            leaving = self.view(
                input_ids=input_ids,
                inputs_embeds=embeddings,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=past_key_values is not None,
            ).last_hidden_state
        return leaving.to(entering.device)  # layers may lie on several devices


def logits_of(model: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """Final norm and unembedding of a residual stream, as the model scales and caps them: (..., d) to float32 (..., V).

    Every position is a text of its own, so that no mask is made between them.
    """
    stack, stream = stack_of(model), hidden.reshape(-1, 1, hidden.shape[-1])
    head = graft(model, f"{stack.name}.{stack.list_name}", nn.ModuleList())
    with entered_by(stack.decoder.get_submodule(stack.after[0]), stream):
        logits = head(inputs_embeds=_no_embeddings(stack.decoder, stream), use_cache=False).logits
    return logits.view(*hidden.shape[:-1], -1).to(hidden.device).float()


def graft(root: nn.Module, name: str, module: nn.Module) -> nn.Module:
    """A view of ``root`` in which ``module`` stands at ``name``; it shares everything else with the root."""
    view = copy.copy(root)
    # Accelerate binds a forward to the module that it was put on.
    view.__dict__.pop("forward", None)
    first, _, rest = name.partition(".")
    view._modules = {**root._modules, first: graft(root._modules[first], rest, module) if rest else module}
    return view


def _no_embeddings(decoder: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """Zeros (B, T, e) that take no memory, for a decoder whose layers are given the stream that enters them."""
    return hidden.new_zeros(()).expand(*hidden.shape[:2], decoder.get_input_embeddings().embedding_dim)


def backward_attention(device: torch.device | str) -> AbstractContextManager:
    """The attention kernel for forward passes with one gradient: on CPU the plain one, whose backward is faster."""
    return sdpa_kernel(SDPBackend.MATH) if torch.device(device).type == "cpu" else nullcontext()


def double_backward_attention() -> AbstractContextManager:
    """The attention kernel for forward passes whose gradient is differentiated again: no fused one can do that.

    It is the plain one on every device, and stays so where :func:`backward_attention` is entered inside.
    """
    return sdpa_kernel(SDPBackend.MATH)
