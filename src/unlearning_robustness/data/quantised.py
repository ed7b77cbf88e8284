"""A quantised model becomes one of plain numbers when it is fetched: methods write into them, and spans read them."""

from contextlib import suppress
from pathlib import Path

from unlearning_robustness.data.model_folder import CONFIG, weight_files
from unlearning_robustness.errors import FetchError, ModelFileError
from unlearning_robustness.runtime.manifest import read_json

# Kernels that multiply by exactly the stored matrix on every machine; others round activations or compile for minutes.
KERNELS = {"gptq": "gptq_torch", "awq": "torch_awq"}
# Methods whose weights may be stored as the numbers that they stand for.
FLOATING_METHODS = ("bitnet", "compressed-tensors")
# Numbers as safetensors names them that mean nothing without a scale.
EIGHT_BIT_FLOATS = ("F8_E4M3", "F8_E5M2")
# Unit vectors that go through a quantised module at a time.
ROWS = 1024


def dequantise(folder: Path) -> dict:
    """Replace a folder's quantised weights by the numbers that they stand for; returns the method, to record.

    The numbers are of the type that the config names, bfloat16 where it names none. Other folders stay as they are.
    Raises FetchError when transformers cannot load such a model on this machine, ModelFileError for a missing tensor,
    or when the weights are not quantised.
    """
    settings = read_json(folder / CONFIG).get("quantization_config")
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise FetchError(f"{folder / CONFIG}: quantization_config is no mapping: correct it, or remove it")
    method = settings.get("quant_method", "an unnamed method")
    _need_quantised(folder, method)
    try:
        model = plain_copy(_load(folder))
    except ModelFileError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FetchError(
            f"{folder / CONFIG}: the model is quantised by {method}, and transformers cannot load it here ({reason}): "
            "install what it needs, or choose the unquantised model"
        ) from error
    for name in weight_files(path.name for path in folder.iterdir()):
        (folder / name).unlink()
    model.save_pretrained(folder)
    return {"dequantised": method}


def _need_quantised(folder: Path, method: str) -> None:
    """Raise ModelFileError for weights that transformers would quantise itself, or take without their scale."""
    from unlearning_robustness.models.checkpoint import FLOATING, files_of, stored_types

    types, files = stored_types(folder), files_of(folder)
    if method not in FLOATING_METHODS and set(types.values()) <= FLOATING.keys():
        raise ModelFileError(
            f"{folder / CONFIG}: quantization_config says {method}, but the files hold plain numbers: remove it if "
            "they are the model, or choose another revision"
        )
    scaled = {name.rpartition("_scale")[0] for name in types}
    for name in sorted(name for name, stored in types.items() if stored in EIGHT_BIT_FLOATS):
        if name.removesuffix("_qdata") not in scaled:
            raise ModelFileError(
                f"{files[name]}: {name} holds {types[name]}, and no file holds its scale: save the model again, or "
                "choose the unquantised one"
            )


def plain_copy(quantised):
    """The model of plain numbers that a quantised one computes with, in the type of its config."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = quantised.config.to_dict()
    # A model that was quantised stays marked and refuses to be saved.
    for key in ("quantization_config", "_name_or_path", "transformers_version"):
        settings.pop(key, None)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings))
    model.load_state_dict(_plain_weights(quantised))
    return model.to(quantised.config.dtype)


def _load(folder: Path):
    """A quantised folder's model; transformers dequantises it, while it loads or afterwards, where it knows how."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.quantizers import AutoQuantizationConfig

    from unlearning_robustness.models.checkpoint import refuse_incomplete

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    quantization = config.quantization_config
    if hasattr(AutoQuantizationConfig.from_dict(quantization), "dequantize"):
        quantization["dequantize"] = True
    if quantization["quant_method"] in KERNELS:
        quantization["backend"] = KERNELS[quantization["quant_method"]]
    config.dtype = config.dtype or torch.bfloat16
    settings = {"config": config, "dtype": config.dtype, "local_files_only": True, "use_safetensors": True}
    model, report = AutoModelForCausalLM.from_pretrained(str(folder), output_loading_info=True, **settings)
    refuse_incomplete(model, report, folder)
    if getattr(model, "hf_quantizer", None) is not None:
        with suppress(NotImplementedError):
            model = model.dequantize(config.dtype)
    return model


def _plain_weights(model) -> dict:
    """The state of a model in which every quantised module has the matrix by which it multiplies."""
    state = dict(model.state_dict())
    for path, module in model.named_modules():
        if _is_quantised(module):
            state = {name: tensor for name, tensor in state.items() if not name.startswith(f"{path}.")}
            state[f"{path}.weight"] = _matrix(module, model.config.dtype)
            if getattr(module, "bias", None) is not None:
                state[f"{path}.bias"] = module.bias
    return state


def _is_quantised(module) -> bool:
    """Whether a linear module holds anything else than a plain matrix."""
    import torch

    weight = getattr(module, "weight", None)
    plain = type(weight) in (torch.Tensor, torch.nn.Parameter) and weight.is_floating_point()
    return hasattr(module, "in_features") and hasattr(module, "out_features") and not plain


def _matrix(module, dtype):
    """The (out, in) matrix of a linear module: what it makes of the unit vectors, without its bias."""
    import torch

    bias, module.bias = getattr(module, "bias", None), None
    try:
        with torch.no_grad():
            rows = torch.eye(module.in_features, dtype=dtype).split(ROWS)
            return torch.cat([module(row) for row in rows]).T.contiguous()
    finally:
        module.bias = bias
