"""Adapters of peft: merged onto the model that they belong to they are an ordinary model."""

from collections.abc import Iterable
from pathlib import Path

from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import read_json

ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"


def is_adapter(names: Iterable[str]) -> bool:
    """Whether a repository or folder with these files is an adapter."""
    return ADAPTER_CONFIG in names


def adapter_files(names: Iterable[str]) -> list[str]:
    """The files that make an adapter; raises FetchError when one is missing."""
    names = set(names)
    for name in (ADAPTER_CONFIG, ADAPTER):
        if name not in names:
            raise FetchError(f"no {name} here: with `base` an adapter of peft is expected, saved by save_pretrained")
    return [ADAPTER_CONFIG, ADAPTER]


def merge(adapter: Path, base: Path, folder: Path) -> dict:
    """Write the model of the folder ``base`` with the adapter merged into it, in the number type of the base.

    ``adapter`` has nothing but the files of ``adapter_files``. Returns facts for the manifest. Raises FetchError, one
    line, where the adapter does not fit the base.
    """
    from unlearning_robustness.models.checkpoint import stored_type
    from unlearning_robustness.models.loading import load_model, load_tokenizer

    model, digest = load_model(base, "cpu", stored_type(base))
    try:
        merged = _merged(model, adapter)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise FetchError(f"the adapter does not fit {base} ({reason}): name its own model as `base`") from error
    write_folder(merged, load_tokenizer(base), folder, {})
    said = read_json(adapter / ADAPTER_CONFIG)
    kept = {name: said.get(name) for name in ("base_model_name_or_path", "peft_type", "r", "lora_alpha")}
    return {"base_digest": digest, "adapter": kept}


def _merged(model, adapter: Path):
    """The model with the adapter in its weights. Raises what peft does, ValueError for a tensor without a place."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    wrapped = PeftModel.from_pretrained(model, str(adapter))
    with safe_open(adapter / ADAPTER, framework="pt") as handle:
        stored = set(handle.keys())
    # Of what it cannot place peft says nothing.
    if other := sorted(stored ^ get_peft_model_state_dict(wrapped).keys()):
        raise ValueError(f"{other[0]} is not in both the file and the model")
    return wrapped.merge_and_unload(safe_merge=True)
