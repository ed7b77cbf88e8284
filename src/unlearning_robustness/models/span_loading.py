"""Load a span of a model: a method that reads layer 7 and trains layers 5 to 7 needs three layers of thirty-two."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from unlearning_robustness.manifest import read_json
from unlearning_robustness.models.slicing import decoder_of

WEIGHTS = "model.safetensors"


def load_span(folder: Path, device: str, dtype: torch.dtype, first: int, stop: int | None) -> nn.Module | None:
    """The model of a folder with memory for decoder layers ``first`` to ``stop`` (excluded) alone; no other is read.

    With ``first`` 0 also for the embeddings; with ``stop`` None for all above, the final norm and the unembedding. None
    when the files do not hold a needed tensor under the model's own name, or a part computes with something that is in
    no file (some architectures are stored in another form): load such a model whole.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    decoder = decoder_of(model)
    parts = [*decoder.layers[first:stop], *([decoder.norm, model.lm_head] if stop is None else [])]
    parts += [decoder.embed_tokens] if first == 0 else []
    found = read_tensors(folder, _parameters_of(model, parts), device, dtype)
    if found is None or any(True for part in parts for _ in part.buffers()):
        return None
    for name, tensor in found.items():
        parent, child = name.rsplit(".", 1)
        setattr(model.get_submodule(parent), child, nn.Parameter(tensor, requires_grad=False))
    if hasattr(decoder, "rotary_emb"):
        # Its frequencies follow from the configuration and stand in no file.
        decoder.rotary_emb = type(decoder.rotary_emb)(config=config).to(device)
    model.tie_weights()
    return model


def _parameters_of(model: nn.Module, parts: list[nn.Module]) -> set[str]:
    """Names, in the model, of the parts' parameters."""
    wanted = {id(tensor) for part in parts for tensor in part.parameters()}
    return {name for name, tensor in model.named_parameters() if id(tensor) in wanted}


def read_tensors(folder: Path, names: set[str], device: str, dtype: torch.dtype) -> dict[str, torch.Tensor] | None:
    """These tensors of a model folder's safetensors files, and no others; None when one of them is in no file.

    The files are those that the folder's index names, or the only one: others beside them are none of the model's.

    They are copied while the file is open: what it gives is a view of it, and these are written over in training.
    """
    found = {}
    index = folder / f"{WEIGHTS}.index.json"
    for file in sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [WEIGHTS]:
        with safe_open(folder / file, framework="pt") as handle:
            present = names & set(handle.keys())
            found |= {name: handle.get_tensor(name).to(device, dtype, copy=True) for name in present}
    return found if found.keys() == names else None
