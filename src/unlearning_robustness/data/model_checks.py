"""What a fetched model folder must be before any job reads it.

Each check raises one line, or mends what has one meaning alone; it returns facts for the folder's manifest.
"""

from collections.abc import Callable
from pathlib import Path

from unlearning_robustness.data.model_folder import CONFIG, check_loadable, check_tokenizer
from unlearning_robustness.data.quantised import dequantise
from unlearning_robustness.runtime.manifest import read_json, write_json

# In bfloat16 half a billion weights: in float32 they take twice as much of the rule's memory.
WHOLE = 10**9


def structure(folder: Path) -> dict:
    """All files are there and whole, and transformers has the architecture."""
    check_loadable(folder)
    return {}


def plain(folder: Path) -> dict:
    """The weights are plain numbers; quantised ones are replaced by the numbers that they stand for."""
    return dequantise(folder)


def tensors(folder: Path) -> dict:
    """The files hold the architecture's tensors and no others, each of its shape.

    Where the files hold a head beside the embeddings with other numbers, the head is the model's, as in transformers;
    a config that ties the two is corrected, so that whatever reads the folder means the same.
    """
    from unlearning_robustness.models.checkpoint import check_names_and_shapes, other_heads

    model = check_names_and_shapes(folder)
    tied = bool(model.get_expanded_tied_weights_keys(all_submodels=True))
    if other_heads(model, folder):
        write_json(folder / CONFIG, {**read_json(folder / CONFIG), "tie_word_embeddings": False})
        return {"head": "its own; the source's config.json tied it to the embeddings"}
    return {"head": "tied to the embeddings" if tied else "its own"}


def tokenizer(folder: Path) -> dict:
    """Transformers has the tokenizer, and the model has embeddings for what it may put out."""
    check_tokenizer(folder)
    return {}


def finite(folder: Path) -> dict:
    """Every weight is a finite number."""
    from unlearning_robustness.models.checkpoint import check_finite

    check_finite(folder)
    return {}


def agreement(folder: Path) -> dict:
    """Spans, logits and packed questions give what the model's own forward pass gives.

    That is proved on a small random model of the same configuration, and where the files have at most ``WHOLE`` bytes
    on the model itself. The facts are the largest differences, in standard deviations of the logits.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    from unlearning_robustness.models.attention import kernel_of
    from unlearning_robustness.scoring.agreement import check_agreement, check_configuration

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    largest = {"small random model": max(check_configuration(config).values())}
    if sum(file.stat().st_size for file in folder.glob("*.safetensors")) <= WHOLE:
        settings = {"dtype": "float32", "attn_implementation": kernel_of(config), "use_safetensors": True}
        model = AutoModelForCausalLM.from_pretrained(str(folder), local_files_only=True, **settings)
        largest["the model itself"] = max(check_agreement(model.eval()).values())
    return {"largest_difference_from_own_forward": largest}


# In this order: each may rely on what those before it have found in order.
CHECKS: tuple[Callable[[Path], dict], ...] = (structure, plain, tensors, tokenizer, finite, agreement)


def check_model(folder: Path) -> dict:
    """Run all checks of a fetched folder; returns the facts of its manifest.

    Raises FetchError or ModelFileError, one line that names the first fault and the mend.
    """
    facts = {}
    for check in CHECKS:
        facts |= check(folder)
    return facts
