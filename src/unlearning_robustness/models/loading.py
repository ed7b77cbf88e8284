"""Load a model folder: safetensors only, no remote code, checked against its manifest."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from unlearning_robustness.errors import ConfigError, ModelFileError
from unlearning_robustness.models.attention import kernel_of
from unlearning_robustness.models.checkpoint import refuse_incomplete, refuse_other_heads
from unlearning_robustness.models.span_loading import load_span
from unlearning_robustness.runtime.manifest import MANIFEST, file_digest, read_json
from unlearning_robustness.runtime.quick_start import without_compiler


def verify(folder: str | Path) -> str:
    """Check every file against the folder's manifest and return the model's digest.

    Raises ModelFileError naming the first file that is missing, truncated or altered.
    """
    folder = Path(folder)
    mend = f"remove the folder {folder} and run again to fetch it anew"
    if not (folder / MANIFEST).is_file():
        raise ModelFileError(f"{folder / MANIFEST} is missing: {mend}")
    manifest = read_json(folder / MANIFEST)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise ModelFileError(f"{path} is missing: {mend}")
        if path.stat().st_size != expected["bytes"]:
            raise ModelFileError(f"{path} has {path.stat().st_size} bytes instead of {expected['bytes']}: {mend}")
        if file_digest(path) != expected["sha256"]:
            raise ModelFileError(f"{path} does not have the digest its manifest gives: {mend}")
    return manifest["digest"]


def load_tokenizer(folder: str | Path):
    """The folder's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


@without_compiler()
def load_model(
    folder: str | Path,
    device: str | dict[str, str] = "cpu",
    dtype: torch.dtype = torch.float32,
    layers: tuple[int, int | None] | None = None,
    loaded: Callable[[nn.Module], None] | None = None,
):
    """The folder's causal model in evaluation mode, every parameter frozen, and its digest.

    ``device`` is where all of it is loaded; "auto" lets accelerate spread its layers over all GPUs, and a device map
    says for each module where it goes.
    With ``layers`` (from, to) only these decoder layers are loaded; with (from, None) also the final norm and the
    unembedding, with (0, to) the embeddings. The rest of the model takes no memory. ``loaded`` is called with each
    layer before the next one is read, see ``span_loading``.

    Raises ModelFileError when the folder is damaged or a tensor of the model is not in it, ConfigError when the
    GPUs are too small for "auto".
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    digest = verify(folder)
    model = None if layers is None else load_span(Path(folder), device, dtype, *layers, loaded)
    if model is None:
        # With a device map accelerate reads each tensor straight onto the device, not through main memory.
        kernel = kernel_of(AutoConfig.from_pretrained(str(folder), local_files_only=True))
        settings = {"dtype": dtype, "device_map": device, "attn_implementation": kernel}
        model, report = AutoModelForCausalLM.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which the report names
            **settings,
        )
        refuse_incomplete(model, report, Path(folder))
        # Transformers leaves out of its own list what it did not tie.
        ties = model.get_expanded_tied_weights_keys(all_submodels=True)
        refuse_other_heads(ties.keys() - model.all_tied_weights_keys.keys(), Path(folder))
        if any(tensor.is_meta for tensor in model.parameters()):
            # Accelerate would bring layers in from main memory at each pass, where no delta can be written into them.
            raise ConfigError(f"models.*.placement: auto: {folder} is too large for the job's GPUs: give it more")
    model.requires_grad_(False)
    model.config.use_cache = False
    return model.eval(), digest
