"""A quantised model becomes one of plain numbers when it is fetched: methods write into them, and spans read them."""

from importlib.util import find_spec
from pathlib import Path

from unlearning_robustness.data.model_folder import CONFIG, weight_files
from unlearning_robustness.errors import FetchError
from unlearning_robustness.runtime.manifest import read_json

# What transformers turns into plain numbers, while it loads them or afterwards, and the package that it needs for it.
WHILE_LOADING, AFTERWARDS = ("fp8", "mxfp8", "mxfp4", "compressed-tensors"), ("bitsandbytes",)
PACKAGES = {"bitsandbytes": "bitsandbytes", "compressed-tensors": "compressed_tensors"}


def plain_copy(dequantised):
    """A model with the weights of one that transformers dequantised, which stays marked and refuses to be saved."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = dequantised.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "transformers_version"):
        settings.pop(key, None)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings))
    model.load_state_dict(dequantised.state_dict())
    return model


def dequantise(folder: Path) -> dict:
    """Replace a folder's quantised weights by the numbers that they stand for; returns the method, to record.

    The numbers are of the type that the config names, bfloat16 where it names none. Other folders stay as they are.
    Raises FetchError when transformers cannot do it, or not on this machine, ModelFileError for a missing tensor.
    """
    settings = read_json(folder / CONFIG).get("quantization_config")
    if settings is None:
        return {}
    method = settings.get("quant_method", "an unnamed method")
    start, mend = f"{folder / CONFIG}: the model is quantised by {method}", "choose the unquantised model"
    if method not in (*WHILE_LOADING, *AFTERWARDS):
        raise FetchError(f"{start}, which transformers cannot turn into plain weights: {mend}")
    package = PACKAGES.get(method)
    if package is not None and find_spec(package) is None:
        raise FetchError(f"{start}, which needs a package: pip install {package.replace('_', '-')}, or {mend}")
    try:
        model = _dequantised(folder, method)
    except (ImportError, RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FetchError(f"{start} and cannot be made plain on this machine ({reason}): {mend}") from error
    for name in weight_files(path.name for path in folder.iterdir()):
        (folder / name).unlink()
    model.save_pretrained(folder)
    return {"dequantised": method}


def _dequantised(folder: Path, method: str):
    """The model of a quantised folder, of plain numbers."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from unlearning_robustness.models.checkpoint import refuse_incomplete

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    dtype = config.dtype or torch.bfloat16
    if method in WHILE_LOADING:
        config.quantization_config["dequantize"] = True
    model, report = AutoModelForCausalLM.from_pretrained(
        str(folder), config=config, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    refuse_incomplete(model, report, folder)
    if method in AFTERWARDS:
        model = model.dequantize(dtype=dtype)
    return plain_copy(model).to(dtype)
