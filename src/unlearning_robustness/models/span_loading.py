"""Load a span of a model: a method that reads layer 7 and trains layers 5 to 7 needs three layers of thirty-two."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from unlearning_robustness.models.slicing import decoder_of
from unlearning_robustness.runtime.manifest import read_json

WEIGHTS = "model.safetensors"


def load_span(
    folder: Path,
    device: str,
    dtype: torch.dtype,
    first: int,
    stop: int | None,
    loaded: Callable[[nn.Module], None] | None = None,
) -> nn.Module | None:
    """The model of a folder with memory for decoder layers ``first`` to ``stop`` (excluded) alone; no other is read.

    ``loaded`` gets each of these layers before the next one is read: what divides it keeps a single one whole.

    With ``first`` 0 also for the embeddings; with ``stop`` None for all above, the final norm and the unembedding. None
    when the files do not hold a needed tensor under the model's own name, or a part computes with something that is in
    no file (some architectures are stored in another form): load such a model whole.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    decoder = decoder_of(model)
    layers = list(decoder.layers[first:stop])
    others = [*([decoder.norm, model.lm_head] if stop is None else []), *([decoder.embed_tokens] if first == 0 else [])]
    places, needed = files_of(folder), _parameters_of(model, [*layers, *others])
    if not needed <= places.keys() or any(True for part in [*layers, *others] for _ in part.buffers()):
        return None
    for parts in [*([layer] for layer in layers), others]:
        for name, tensor in read_tensors(places, _parameters_of(model, parts), device, dtype):
            parent, child = name.rsplit(".", 1)
            setattr(model.get_submodule(parent), child, nn.Parameter(tensor, requires_grad=False))
        if loaded and parts is not others:
            loaded(parts[0])
    if hasattr(decoder, "rotary_emb"):
        # Its frequencies follow from the configuration and stand in no file.
        decoder.rotary_emb = type(decoder.rotary_emb)(config=config).to(device)
    model.tie_weights()
    return model


def _parameters_of(model: nn.Module, parts: list[nn.Module]) -> set[str]:
    """Names, in the model, of the parts' parameters."""
    wanted = {id(tensor) for part in parts for tensor in part.parameters()}
    return {name for name, tensor in model.named_parameters() if id(tensor) in wanted}


def files_of(folder: Path) -> dict[str, Path]:
    """In which safetensors file of a model folder each tensor stands.

    The files are those that the folder's index names, or the only one: others beside them are none of the model's.
    """
    found, index = {}, folder / f"{WEIGHTS}.index.json"
    for name in sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [WEIGHTS]:
        with safe_open(folder / name, framework="pt") as handle:
            found |= dict.fromkeys(handle.keys(), folder / name)
    return found


def read_tensors(
    places: dict[str, Path], names: set[str], device: str, dtype: torch.dtype
) -> Iterator[tuple[str, torch.Tensor]]:
    """These tensors by name, and no others, from the files where they stand.

    They are copied while the file is open: what it gives is a view of it, and these are written over in training.
    """
    for file in sorted({places[name] for name in names}):
        with safe_open(file, framework="pt") as handle:
            for name in sorted(names):
                if places[name] == file:
                    yield name, handle.get_tensor(name).to(device, dtype, copy=True)
