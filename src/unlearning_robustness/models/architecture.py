"""The parts of a causal model by the role they play, whatever the family calls them.

Transformers says which module is the decoder and which one unembeds. Everything else follows from structure: the layers
are the decoder's list of modules; a layer's attention is the child whose class says so, its MLP the other child with
matrices; and the linear module of either that comes last and puts out the model's width writes to the residual stream.
Roles are called by Llama's names (``q_proj``, ``down_proj``), as the field calls them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from unlearning_robustness.errors import StudyError

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


class ArchitectureError(StudyError, AttributeError):
    """A model lacks the module that an attack or a method needs."""


class Part(NamedTuple):
    """A module with its full name in the model, such as ``transformer.h.3.mlp.c_proj``."""

    name: str
    module: nn.Module


@dataclass(frozen=True)
class Layer:
    """Decoder layer ``name`` of a model whose residual stream has ``width`` units."""

    name: str
    module: nn.Module
    width: int

    @cached_property
    def attention(self) -> Part:
        """The attention. Raises ArchitectureError for a layer that has none, or several."""
        return self._only([child for child in self._children() if _is_attention(child.module)], "attention")

    @cached_property
    def mlp(self) -> Part:
        """What puts out the MLP's share of the residual stream: the MLP, or the last matrix of one that has no module
        of its own (OPT).

        Raises ArchitectureError for a layer that has none, or several.
        """
        beside = [child for child in self._children() if not _is_attention(child.module) and _has_matrix(child.module)]
        if beside and all(is_linear(child.module) for child in beside):
            return self._output(beside, "MLP")
        return self._only(beside, "MLP")

    @property
    def is_mixture(self) -> bool:
        """Whether the MLP is a mixture of experts: a tensor that holds several matrices, or a list of modules."""
        stacked = any(tensor.ndim > 2 for tensor in self.mlp.module.parameters())
        return stacked or any(isinstance(module, nn.ModuleList) for module in self.mlp.module.modules())

    @cached_property
    def o_proj(self) -> Part:
        """The attention's output projection. Raises ArchitectureError when there is none."""
        return self._output(self._attention_linear(), "attention")

    @cached_property
    def down_proj(self) -> Part:
        """The MLP's down-projection. Raises ArchitectureError when there is none, or one for each expert."""
        if self.is_mixture:
            raise ArchitectureError(
                f"{self.mlp.name} is a mixture of experts, which have no one down-projection: train every tensor "
                "(trained: full), or adapters of the attention"
            )
        return self._output(self._mlp_linear(), "MLP")

    @cached_property
    def projections(self) -> dict[str, Part]:
        """The linear modules by role, of ``ATTENTION`` and ``MLP``; a fused one stands under each role it plays.

        An MLP without a gate has no ``gate_proj``. Raises ArchitectureError as ``down_proj`` and ``o_proj`` do, or when
        the attention has no queries, keys and values by these names.
        """
        entering = [part for part in self._attention_linear() if part.module is not self.o_proj.module]
        roles = {role: self._query_key_value(entering, role) for role in ATTENTION[:3]} | {"o_proj": self.o_proj}
        rising = [part for part in self._mlp_linear() if part.module is not self.down_proj.module]
        inner = sizes_of(self.down_proj.module)[0]
        gates = [part for part in rising if "gate" in part.name or sizes_of(part.module)[1] == 2 * inner]
        if gates:
            roles["gate_proj"] = gates[0]
        # A matrix twice as high holds the gate and what it gates.
        roles["up_proj"] = next((part for part in rising if part not in gates), rising[0])
        return roles | {"down_proj": self.down_proj}

    @property
    def linear(self) -> dict[str, nn.Module]:
        """Every linear module of the layer by its full name, in the order of definition."""
        return {part.name: part.module for part in self._linear(Part(self.name, self.module))}

    def _children(self) -> list[Part]:
        return [Part(f"{self.name}.{name}", child) for name, child in self.module.named_children()]

    def _attention_linear(self) -> list[Part]:
        return list(self._linear(self.attention))

    def _mlp_linear(self) -> list[Part]:
        inside = {id(part.module) for part in self._attention_linear()}
        return [Part(name, module) for name, module in self.linear.items() if id(module) not in inside]

    @staticmethod
    def _linear(part: Part) -> Iterator[Part]:
        for name, module in part.module.named_modules():
            if is_linear(module):
                yield Part(f"{part.name}.{name}" if name else part.name, module)

    def _output(self, linear: list[Part], kind: str) -> Part:
        writing = [part for part in linear if sizes_of(part.module)[1] == self.width]
        if not writing:
            raise ArchitectureError(f"the {kind} of {self.name} has no linear module of {self.width} outputs")
        return writing[-1]

    def _only(self, children: list[Part], kind: str) -> Part:
        if len(children) != 1:
            every = ", ".join(part.name for part in children) or "none"
            raise ArchitectureError(f"{self.name} must have one {kind} to be read or trained there; it has {every}")
        return children[0]

    def _query_key_value(self, entering: list[Part], role: str) -> Part:
        if len(entering) == 1:
            return entering[0]
        matching = [part for part in entering if part.name.rpartition(".")[2].startswith(role[0])]
        if len(matching) != 1:
            raise ArchitectureError(f"{self.attention.name} has no one projection that plays the role of {role}")
        return matching[0]


@dataclass(frozen=True)
class Stack:
    """The decoder of a causal model: ``name`` is its full name, ``list_name`` what it calls its list of layers."""

    model: nn.Module
    name: str
    decoder: nn.Module
    list_name: str

    @property
    def layers(self) -> nn.ModuleList:
        """The modules of the decoder layers."""
        return self.decoder.get_submodule(self.list_name)

    @property
    def width(self) -> int:
        """Units of the residual stream."""
        return self.decoder.config.hidden_size

    @cached_property
    def after(self) -> list[str]:
        """The decoder's children that follow the layers: the final norm, and a projection to the embeddings' width
        where that differs (OPT-350M).

        Raises ArchitectureError when there is neither.
        """
        children = list(self.decoder.named_children())
        norms = [name for name, child in children if "norm" in type(child).__name__.lower()]
        projections = [name for name, child in children if is_linear(child) and sizes_of(child)[0] == self.width]
        if not norms and not projections:
            raise ArchitectureError(f"{type(self.model).__name__} has no final norm: nothing follows its layers")
        return [*norms[-1:], *projections]

    @property
    def before(self) -> list[str]:
        """The other children of the decoder that have parameters: embeddings, of positions too."""
        beside = {self.list_name, *self.after}
        return [
            name
            for name, child in self.decoder.named_children()
            if name not in beside and any(True for _ in child.parameters())
        ]

    @property
    def unembedding(self) -> nn.Module:
        """What maps the final hidden state to logits. Raises ArchitectureError when the model has none."""
        unembedding = self.model.get_output_embeddings()
        if unembedding is None:
            raise ArchitectureError(f"{type(self.model).__name__} has no unembedding: it gives no logits")
        return unembedding

    def layer(self, index: int) -> Layer:
        """Layer ``index``. Raises ArchitectureError when the model has no such layer."""
        if not 0 <= index < len(self.layers):
            raise ArchitectureError(f"the model has {len(self.layers)} layers, no layer {index}")
        return Layer(f"{self.name}.{self.list_name}.{index}", self.layers[index], self.width)


def stack_of(model: nn.Module) -> Stack:
    """The decoder of a causal model. Raises ArchitectureError when it has no one list of layers."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    lists = [name for name, child in decoder.named_children() if isinstance(child, nn.ModuleList)]
    if len(lists) != 1:
        raise ArchitectureError(
            f"{type(model).__name__} has no one list of decoder layers: it cannot be split at a layer"
        )
    name = next(name for name, module in model.named_modules() if module is decoder)
    return Stack(model, name, decoder, lists[0])


def layers_of(model: nn.Module) -> list[Layer]:
    """Every decoder layer, the first first. Raises ArchitectureError as ``stack_of`` does."""
    stack = stack_of(model)
    return [stack.layer(index) for index in range(len(stack.layers))]


def layer_modules(model: nn.Module) -> list[nn.Module]:
    """The module of every decoder layer. Raises ArchitectureError as ``stack_of`` does."""
    return list(stack_of(model).layers)


def linear_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Every linear module of the decoder layers by the name of its weight.

    Raises ArchitectureError when the model has no layers, when none of them has a linear module, and for a mixture of
    experts, most of whose weights are in none.
    """
    layers = layers_of(model)
    linear = {f"{name}.weight": module for layer in layers for name, module in layer.linear.items()}
    if not linear:
        raise ArchitectureError(f"the layers of {type(model).__name__} have no linear module: nothing to attack")
    if mixture := next((layer for layer in layers if layer.is_mixture), None):
        raise ArchitectureError(
            f"{mixture.mlp.name} is a mixture of experts, which an attack on linear modules misses: leave it out"
        )
    return linear


def layer_of(tensor: str) -> int | None:
    """The index of the decoder layer that holds a tensor, from the tensor's name; None outside the layers."""
    index = re.search(r"\.(\d+)\.", tensor)
    return None if index is None else int(index[1])


def is_linear(module: nn.Module) -> bool:
    """Whether a module is one matrix, also as GPT-2 stores it, (inputs, outputs)."""
    return isinstance(module, (nn.Linear, Conv1D))


def inputs_first(model: nn.Module) -> set[str]:
    """Names of the matrices that are stored as (inputs, outputs), as GPT-2 does; others are (outputs, inputs)."""
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv1D)}


def outputs_first(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """A linear module's weight as (outputs, inputs) where it is stored so or as GPT-2 does; and the way back."""
    return weight.T if isinstance(module, Conv1D) else weight


def sizes_of(module: nn.Module) -> tuple[int, int]:
    """(inputs, outputs) of a linear module."""
    if isinstance(module, Conv1D):
        return module.nx, module.nf
    return module.in_features, module.out_features


def _is_attention(module: nn.Module) -> bool:
    return "attention" in type(module).__name__.lower()


def _has_matrix(module: nn.Module) -> bool:
    return any(tensor.ndim > 1 for tensor in module.parameters())
