"""The delta between two checkpoints: a model before unlearning, and one that was unlearned elsewhere.

It exists where both compute alike but for the numbers of their weights: the same tokenizer, the same config, tensors of
the same names and shapes.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

import torch
from torch import nn

from unlearning_robustness.errors import DeltaError
from unlearning_robustness.models.checkpoint import stored_type
from unlearning_robustness.models.delta import apply_delta, load_delta
from unlearning_robustness.models.loading import load_model, load_tokenizer, verify

# What a config says of how a model was saved, is trained or generates, and not of what its forward pass computes.
UNCOMPUTED = {
    "_name_or_path", "architectures", "attention_dropout", "bos_token_id", "dtype", "embd_pdrop", "eos_token_id",
    "hidden_dropout", "id2label", "initializer_range", "label2id", "pad_token_id", "quantization_config", "resid_pdrop",
    "torch_dtype", "transformers_version", "use_cache",
}  # fmt: skip
# Parts of a tokenizer that decide which tokens a text becomes.
TOKENISING = ("normalizer", "pre_tokenizer", "post_processor", "added_tokens")


def difference(before: Path, after: Path, treated: Path | None = None) -> tuple[dict[str, torch.Tensor], dict]:
    """The delta that makes the model of the folder ``before`` that of the folder ``after``, and facts of it.

    ``treated`` is a delta of the model ``after``, which is applied to it first. The tensors whose numbers differ, in
    the type in which ``after`` stores them. The facts are the digests of both,
    ``weight_change``, the Frobenius norm of what changed, and ``rounded_tensors``, the number of tensors that differ by
    no more than what rounding to the coarser of both types does.

    Raises DeltaError, one line that names what differs first, where the two do not compute alike but for their weights.
    """
    _check_tokenizer(before, after)
    (old, digest), (new, new_digest) = (load_model(path, "cpu", stored_type(path)) for path in (before, after))
    if other := next(_unlike(old, new), None):
        raise DeltaError(
            f"{after}: does not compute as {before} does but for its weights: {other}; "
            "with methods.*.whole: true it is loaded whole"
        )
    if treated:
        apply_delta(new, load_delta(treated, new_digest))
    tensors, change, rounded = {}, 0.0, 0
    pairs = ((name, tensor, new.get_parameter(name)) for name, tensor in old.named_parameters())
    for name, stood, stands in pairs:
        exact = torch.promote_types(stood.dtype, stands.dtype)
        if not torch.equal(stood.to(exact), stands.to(exact)):
            tensors[name] = stands
            change += (stands.double() - stood.double()).square().sum().item()
            rounded += torch.equal(*(_coarse(tensor, {stood.dtype, stands.dtype}) for tensor in (stood, stands)))
    facts = {"model_digest": digest, "checkpoint_digest": new_digest, "steps": 0, "weight_change": change**0.5}
    return tensors, facts | {"trained_tensors": sorted(tensors), "rounded_tensors": rounded}


def whole(before: Path, after: Path) -> dict:
    """Facts of a checkpoint of other shapes, to which an empty delta belongs; DeltaError for another tokenizer."""
    _check_tokenizer(before, after)
    digest = verify(after)
    return {"model_digest": digest, "checkpoint_digest": digest, "steps": 0, "trained_tensors": [], "whole": True}


def _check_tokenizer(before: Path, after: Path) -> None:
    if other := first_difference(load_tokenizer(before), load_tokenizer(after)):
        raise DeltaError(f"{after}: its tokenizer is not that of {before}: {other}; give a model with the same one")


def _coarse(tensor: torch.Tensor, dtypes: set[torch.dtype]) -> torch.Tensor:
    """A tensor rounded to each of the types in turn, so that what both types hold is left."""
    for dtype in sorted(dtypes, key=str):
        tensor = tensor.to(dtype)
    return tensor


def _unlike(old: nn.Module, new: nn.Module) -> Iterator[str]:
    """What makes two models compute differently, weights aside, in words."""
    said, says = (_computed(model.config.to_dict()) for model in (old, new))
    for key in sorted(said.keys() | says.keys()):
        if said.get(key) != says.get(key):
            yield f"config.json has {key} {says.get(key)!r} instead of {said.get(key)!r}"
    shapes, others = ({name: tuple(tensor.shape) for name, tensor in model.named_parameters()} for model in (old, new))
    for name in [*shapes, *(others.keys() - shapes.keys())]:
        if shapes.get(name) != others.get(name):
            yield f"{name} has the shape {others.get(name)} instead of {shapes.get(name)}"


def _computed(config: dict) -> dict:
    return {key: value for key, value in config.items() if key not in UNCOMPUTED}


def first_difference(old, new) -> str | None:
    """What a text may become other tokens by under the tokenizer ``new`` than under ``old``: the first one, in words;
    None where there is none.
    """
    vocabulary, others = ({index: token for token, index in each.get_vocab().items()} for each in (old, new))
    for index in sorted(vocabulary.keys() | others.keys()):
        if vocabulary.get(index) != others.get(index):
            return f"token {index} is {_token(others, index)} instead of {_token(vocabulary, index)}"
    for name in ("bos_token", "eos_token"):
        if getattr(old, name) != getattr(new, name):
            return f"{name} is {getattr(new, name)!r} instead of {getattr(old, name)!r}"
    parts, others = (_parts(each) for each in (old, new))
    for number, merges in enumerate(zip_longest(parts.pop("merges"), others.pop("merges"))):
        if merges[0] != merges[1]:
            return f"merge {number} is {merges[1]!r} instead of {merges[0]!r}"
    for name in parts:
        if parts[name] != others[name]:
            return f"its {name} is {_short(others[name])} instead of {_short(parts[name])}"
    return None


def _token(vocabulary: Mapping[int, str], index: int) -> str:
    return repr(vocabulary[index]) if index in vocabulary else "missing"


def _parts(tokenizer) -> dict:
    """What decides how a tokenizer divides a text, beside its vocabulary; of one in Python code its class."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return {"merges": [], "class": type(tokenizer).__name__}
    said = json.loads(backend.to_str())
    return {"merges": said["model"].get("merges", [])} | {name: said[name] for name in TOKENISING}


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
