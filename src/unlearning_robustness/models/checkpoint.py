"""Whether a model folder's files hold what the architecture reads: names, shapes, ties and finite numbers.

Names and shapes are compared without the weights. Transformers itself loads tensors without data, of the shapes that
the files' headers give: so what it renames, splits, ties or ignores for a family is taken into account.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from unlearning_robustness.errors import ModelFileError
from unlearning_robustness.runtime.manifest import read_json

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
# Types of numbers, as safetensors writes them, that are weights as they stand.
FLOATING = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Constants that older code of a family stored, and that its class does not list.
IGNORED = re.compile(r"\.masked_bias$")
# What wrappers put before the names of what they hold, and what to save instead of the wrapper.
WRAPPERS = {
    "_orig_mod.": "a model of torch.compile; save its `_orig_mod`",
    "base_model.model.": "a model of peft; save what its `merge_and_unload()` returns",
    "module.": "a model of DataParallel; save its `module`",
    "_fsdp_wrapped_module.": "a model of FSDP; save its full state dict",
    "_checkpoint_wrapped_module.": "a model of torch's checkpoint_wrapper; save the model without it",
}


def files_of(folder: Path) -> dict[str, Path]:
    """The safetensors file of a model folder that holds each tensor, by the tensor's name.

    Reads the files that the folder's index names, or the only one: others beside them do not belong to the model.
    Raises ModelFileError for a tensor that two of them hold.
    """
    files, index = {}, folder / INDEX
    for name in sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else [WEIGHTS]:
        with safe_open(folder / name, framework="pt") as handle:
            for tensor in handle.keys():  # noqa: SIM118
                if tensor in files:
                    raise ModelFileError(
                        f"{folder / name}: {tensor} is in {files[tensor].name} as well: save the model again into an "
                        "empty folder"
                    )
                files[tensor] = folder / name
    return files


def stored_types(folder: Path) -> dict[str, str]:
    """Each tensor's type of numbers, as safetensors writes it."""
    types = {}
    for name, file in files_of(folder).items():
        with safe_open(file, framework="pt") as handle:
            types[name] = handle.get_slice(name).get_dtype()
    return types


def stored_type(folder: Path) -> torch.dtype:
    """The number type in which most of a model folder's weights are stored."""
    counts = dict.fromkeys(FLOATING, 0)
    for name, file in files_of(folder).items():
        with safe_open(file, framework="pt") as handle:
            header = handle.get_slice(name)
            if header.get_dtype() in counts:
                counts[header.get_dtype()] += math.prod(header.get_shape())
    return FLOATING[max(counts, key=counts.get)]


def check_names_and_shapes(folder: Path) -> nn.Module:
    """The folder's model without data, once every tensor of it is known to stand in the files as it is expected.

    Raises ModelFileError, one line that names the first tensor that is unknown, missing or of another shape, or that
    index and files disagree about.
    """
    files = files_of(folder)
    try:
        model, report = _load_headers(folder, _headers(files))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{folder / CONFIG} makes no model ({reason}): correct it, or fetch it anew") from error
    refuse_incomplete(model, report, folder)
    _check_index(folder, files, model)
    _check_types(model, files)
    return model


def _load_headers(folder: Path, headers: dict[str, torch.Tensor]) -> tuple[nn.Module, dict]:
    """The folder's model, loaded from tensors without data, and transformers' report of what that left over."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig
    from transformers.utils import logging

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    settings = {"config": config, "device_map": {"": "meta"}, "ignore_mismatched_sizes": True}
    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)  # what it reports is said here in one line
    try:
        kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        return kind.from_pretrained(None, state_dict=headers, output_loading_info=True, **settings)
    finally:
        logging.set_verbosity(verbosity)


def refuse_incomplete(model: nn.Module, report: dict, folder: Path) -> None:
    """Raise ModelFileError unless every tensor of ``model`` came from the folder, and every one of the folder into it.

    ``report`` is transformers' loading info. What a family's class ignores, such as old masks, is not in it.
    """
    kind, files = type(model).__name__, files_of(folder)
    for name in _in_order(name for name in report["unexpected_keys"] if not IGNORED.search(name)):
        wrapper = next((mend for prefix, mend in WRAPPERS.items() if f".{prefix}" in f".{name}"), None)
        mend = f"saved from {wrapper}" if wrapper else f"save it with {kind}.save_pretrained, or correct config.json"
        raise ModelFileError(f"{files.get(name, folder)}: {kind} has no tensor {name}: {mend}")
    for name in _in_order(report["missing_keys"]):
        mend = "save the whole model again with save_pretrained, or choose another revision"
        if re.search(r"(lm_head|embed_out)\.weight$", name):
            mend = "save the head too, or set tie_word_embeddings to true in config.json if the embeddings are the head"
        raise ModelFileError(f"{folder}: no file holds the tensor {name} of {kind}: {mend}")
    for name, stored, expected in sorted(report["mismatched_keys"]):
        refuse_other_shape(expected, stored, name, files.get(name, folder))


def refuse_other_shape(expected: Sequence[int], stored: Sequence[int], name: str, file: Path) -> None:
    """Raise ModelFileError unless a file's tensor has the shape that the model expects."""
    if list(stored) != list(expected):
        sizes = f"{list(stored)} instead of {list(expected)}"
        raise ModelFileError(f"{file}: {name} has the shape {sizes}: correct config.json, or save the model again")


def other_heads(model: nn.Module, folder: Path) -> list[str]:
    """Tensors that the config ties to another one although the files hold both, with different numbers."""
    files, own = files_of(folder), []
    for target, source in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        pair = [_stored_name(model, name, files) for name in (target, source)]
        if None not in pair and not torch.equal(*(_read(files[name], name) for name in pair)):
            own.append(target)
    return own


def refuse_other_heads(names: Iterable[str], folder: Path) -> None:
    """Raise ModelFileError for the first of the tensors that ``other_heads`` names."""
    for name in names:
        raise ModelFileError(
            f"{folder}: config.json ties {name} to the embeddings, but a file holds other numbers for it: "
            "remove the folder and run again to fetch it anew, or set tie_word_embeddings to false"
        )


def check_finite(folder: Path) -> None:
    """Raise ModelFileError for the first tensor with a number that is not finite, or not in bfloat16, in which jobs may
    compute; holds one tensor at a time.
    """
    for name, file in files_of(folder).items():
        tensor = _read(file, name)
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        limits = torch.stack((tensor if tensor.element_size() > 1 else tensor.float()).aminmax())
        if not limits.bfloat16().isfinite().all():
            fault = "a number beyond bfloat16's range" if limits.isfinite().all() else "a number that is not finite"
            raise ModelFileError(
                f"{file}: {name} holds {fault}: the model was damaged in training or saving; choose another checkpoint"
            )


def _headers(files: dict[str, Path]) -> dict[str, torch.Tensor]:
    """Tensors without data, of the shapes that the files' headers give."""
    empty = {}
    for file in sorted(set(files.values())):
        with safe_open(file, framework="pt") as handle:
            for name in handle.keys():  # noqa: SIM118
                empty[name] = torch.empty(handle.get_slice(name).get_shape(), device="meta")
    return empty


def _check_index(folder: Path, files: dict[str, Path], model: nn.Module) -> None:
    """Raise ModelFileError for the first tensor for which the index does not name the file that holds it."""
    if not (folder / INDEX).is_file():
        return
    listed = read_json(folder / INDEX)["weight_map"]
    for name in _in_order({*listed, *(files.keys() & model.state_dict().keys())}):
        here, there = files[name].name if name in files else "no file", listed.get(name, "no file")
        if here != there:
            raise ModelFileError(f"{folder / INDEX}: says {name} is in {there}, but {here} holds it: save it again")


def _check_types(model: nn.Module, files: dict[str, Path]) -> None:
    """Raise ModelFileError for the first tensor that is stored in a type that needs a scale to mean anything.

    It may be stored under another name than the model's. Buffers, such as masks, may be of any type.
    """
    ignored = [IGNORED, *map(re.compile, model._keys_to_ignore_on_load_unexpected or ())]
    buffers = {name for name, _ in model.named_buffers()}
    for name in _in_order(files.keys() - buffers):
        with safe_open(files[name], framework="pt") as handle:
            stored = handle.get_slice(name).get_dtype()
        if stored not in FLOATING and not any(pattern.search(name) for pattern in ignored):
            raise ModelFileError(
                f"{files[name]}: {name} holds {stored}, but config.json has no quantization_config: "
                "choose the unquantised model"
            )


def _in_order(names: Iterable[str]) -> list[str]:
    """Names sorted with their numbers as numbers: layer 2 before layer 10."""
    return sorted(names, key=lambda name: [part.zfill(9) if part.isdigit() else part for part in name.split(".")])


def _stored_name(model: nn.Module, name: str, files: dict[str, Path]) -> str | None:
    """The name in the files of a model's tensor; some are stored without the prefix of the base model."""
    bare = name.removeprefix(f"{model.base_model_prefix}.")
    return name if name in files else bare if bare in files else None


def _read(file: Path, name: str) -> torch.Tensor:
    with safe_open(file, framework="pt") as handle:
        return handle.get_tensor(name)
