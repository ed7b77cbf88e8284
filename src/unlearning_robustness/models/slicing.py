"""Run a part of a decoder: layers ``start`` to ``stop`` of any Hugging Face causal model.

A span is a *view*: it shares every parameter with the model it was cut from and runs the model's own
forward (masks, rotary embeddings), so no architecture is implemented a second time.
"""

import copy
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import Cache


def decoder_of(model: nn.Module) -> nn.Module:
    """The stack that owns ``layers``, ``norm`` and ``embed_tokens``.

    Raises AttributeError naming the modules that the architecture lacks.
    """
    decoder = getattr(model, "model", None)
    if decoder is None or not hasattr(decoder, "layers") or not hasattr(decoder, "norm"):
        raise AttributeError(
            f"{type(model).__name__} has no `model.layers` and `model.norm`: "
            "this architecture cannot be split at a layer"
        )
    return decoder


class LayerSpan(nn.Module):
    """Layers ``start`` (included) to ``stop`` (excluded) of ``model``, without the final norm.

    Called with ``input_ids`` (B, T) when ``start`` is 0, else with ``hidden`` (B, T, d), the residual
    stream that enters layer ``start``. Returns the residual stream after layer ``stop - 1``, (B, T, d). A span from
    layer 0 also takes embeddings as ``hidden``, and any span a cache of the preceding text, which grows.
    """

    def __init__(self, model: nn.Module, start: int, stop: int):
        super().__init__()
        decoder = decoder_of(model)
        depth = len(decoder.layers)
        if not 0 <= start <= stop <= depth:
            raise ValueError(f"layers {start}..{stop} are not within the model's {depth} layers")
        self.start, self.stop = start, stop
        view = copy.copy(decoder)
        view._modules = dict(decoder._modules)
        view._modules["layers"] = decoder.layers[start:stop]
        view._modules["norm"] = nn.Identity()
        if getattr(decoder.config, "layer_types", None):
            # The forward looks a layer's kind of attention up by its index in the view.
            view.config = copy.copy(decoder.config)
            view.config.layer_types = decoder.config.layer_types[start:stop]
        self.view = view

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        hidden: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
    ) -> torch.Tensor:
        if self.start == self.stop and hidden is not None:
            return hidden
        entering = input_ids if hidden is None else hidden
        leaving = self.view(
            input_ids=input_ids,
            inputs_embeds=hidden,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=past_key_values is not None,
        ).last_hidden_state
        return leaving.to(entering.device)  # layers may lie on several devices


def logits_of(model: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    """Final norm and unembedding of a residual stream: (..., d) to float32 logits (..., V)."""
    return model.lm_head(decoder_of(model).norm(hidden)).to(hidden.device).float()


def backward_attention(device: torch.device | str) -> AbstractContextManager:
    """The attention kernel for forward passes with one gradient: on CPU the plain one, whose backward is faster."""
    return sdpa_kernel(SDPBackend.MATH) if torch.device(device).type == "cpu" else nullcontext()


def double_backward_attention() -> AbstractContextManager:
    """The attention kernel for forward passes whose gradient is differentiated again: no fused one can do that.

    It is the plain one on every device, and stays so where :func:`backward_attention` is entered inside.
    """
    return sdpa_kernel(SDPBackend.MATH)
