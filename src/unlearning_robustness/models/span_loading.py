"""Load a span of a model: a method that reads layer 7 and trains layers 5 to 7 needs three layers of thirty-two.

Accelerate makes the empty model and fills it; own code picks the tensors, as its loaders read a whole checkpoint.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from unlearning_robustness.models.architecture import stack_of
from unlearning_robustness.models.attention import kernel_of
from unlearning_robustness.models.checkpoint import files_of, other_heads, refuse_other_heads, refuse_other_shape


def load_span(
    folder: Path,
    device: str,
    dtype: torch.dtype,
    first: int,
    stop: int | None,
    loaded: Callable[[nn.Module], None] | None = None,
) -> nn.Module | None:
    """A folder's model of which only decoder layers ``first`` to ``stop`` (excluded) are read and take memory.

    With ``first`` 0 the embeddings are read too, with ``stop`` None all layers above, the final norm and the
    unembedding. ``loaded`` is called with each layer before the next one is read, so that a layer can be divided while
    it is the only whole one.

    Returns None when the files lack a needed tensor under the model's own name, or a module needs a buffer that no
    file holds (some architectures are stored in another form): such a model must be loaded whole.
    Raises ModelFileError when a tensor has another shape than the model's, or a tied head other numbers.
    """
    from accelerate import init_empty_weights
    from accelerate.utils import set_module_tensor_to_device
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=kernel_of(config))
    model.tie_weights()  # which init_empty_weights undoes
    stack = stack_of(model)
    layers = list(stack.layers[first:stop])
    others = [stack.decoder.get_submodule(name) for name in stack.before]
    if first > 0:
        # Embeddings of positions are small, and the model's own forward adds them before any span.
        others = [part for part in others if part is not model.get_input_embeddings()]
    if stop is None:
        others += [*map(stack.decoder.get_submodule, stack.after), stack.unembedding]
    files, needed = files_of(folder), _parameters_of(model, [*layers, *others])
    if not needed <= files.keys() or any(True for part in [*layers, *others] for _ in part.buffers()):
        return None
    if others:
        refuse_other_heads(other_heads(model, folder), folder)
    for parts in [*([layer] for layer in layers), others]:
        for name, tensor in read_tensors(files, _parameters_of(model, parts), device, dtype):
            refuse_other_shape(model.get_parameter(name).shape, tensor.shape, name, files[name])
            set_module_tensor_to_device(model, name, device, value=tensor, dtype=dtype, clear_cache=False)
        if loaded and parts is not others:
            loaded(parts[0])
    if hasattr(stack.decoder, "rotary_emb"):
        stack.decoder.rotary_emb.to(device)
    model.tie_weights()
    return model


def _parameters_of(model: nn.Module, parts: list[nn.Module]) -> set[str]:
    """Names, in the model, of the parts' parameters."""
    ids = {id(tensor) for part in parts for tensor in part.parameters()}
    return {name for name, tensor in model.named_parameters() if id(tensor) in ids}


def read_tensors(
    files: dict[str, Path], names: set[str], device: str, dtype: torch.dtype
) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors ``names``, and no others, each with its name, from the files that hold them.

    They are copied while the file is open: a handle returns views of it, and training writes these tensors over.
    """
    for file in sorted({files[name] for name in names}):
        with safe_open(file, framework="pt") as handle:
            for name in sorted(names):
                if files[name] == file:
                    yield name, handle.get_tensor(name).to(device, dtype, copy=True)
