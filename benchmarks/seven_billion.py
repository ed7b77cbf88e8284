"""One RMU cell on a model of Mistral-7B's shape: seconds, operations a second, memory. Weights and texts are random.

Usage: python benchmarks/seven_billion.py [--output FILE] [--steps N] [--precision master|stochastic|pure] [--tiny]

It does what the jobs cache_activations and unlearn do: the layers up to the read layer are loaded from safetensors
files to compute the activation cache (3.7 GB), then the three that are trained to unlearn. No other layer is ever
loaded. ``--tiny`` is a model of 0.3 million weights, to try the script without a GPU.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from unlearning_robustness.engine.activation_cache import compute_activations
from unlearning_robustness.estimate.work import unlearning_memory
from unlearning_robustness.models.architecture import stack_of
from unlearning_robustness.models.shape import Shape
from unlearning_robustness.models.span_loading import load_span
from unlearning_robustness.runtime.device import choose_dtype
from unlearning_robustness.runtime.manifest import write_json
from unlearning_robustness.training.unlearning import make_trainer

SHAPE = {
    "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
TINY = SHAPE | {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
TINY |= {"num_hidden_layers": 8, "vocab_size": 256}
METHOD = {
    "forget_loss": "rmu", "retain_loss": "activation", "retain_weight": 1200.0, "layers": [5, 6, 7], "read_layer": 7,
    "learning_rate": 5e-5, "batch_size": 4, "tokens": 512, "topics": None, "weight_decay": 0.0,
    "implementation": "corrected", "trained": "down-projections", "gradient_checkpointing": False,
    "parallel": {"processes": 1, "sharded": False}, "parameters": {"coefficient": 6.5, "steering": "uniform"},
}  # fmt: skip
STACK = METHOD["read_layer"] + 1


def write_model(folder: Path, shape: dict, dtype: torch.dtype) -> None:
    """A model folder with random tensors of what lies up to the read layer, a file a layer; no others."""
    from transformers import AutoModelForCausalLM, MistralConfig

    config = MistralConfig(**shape, sliding_window=None)
    config.save_pretrained(folder)
    with torch.device("meta"):
        decoder = stack_of(AutoModelForCausalLM.from_config(config)).decoder
    parts = {f"layers.{index}": decoder.layers[index] for index in range(STACK)} | {
        "embed_tokens": decoder.embed_tokens
    }
    random, files = torch.Generator().manual_seed(0), {}
    for prefix, part in parts.items():
        tensors = {}
        for name, tensor in part.named_parameters():
            drawn = torch.ones(tensor.shape) if "norm" in name else torch.randn(tensor.shape, generator=random) * 0.02
            tensors[f"model.{prefix}.{name}"] = drawn.to(dtype)
        save_file(tensors, folder / f"{prefix}.safetensors")
        files |= dict.fromkeys(tensors, f"{prefix}.safetensors")
    write_json(folder / "model.safetensors.index.json", {"weight_map": files})


def caches_of(model, tokens: int, texts: int) -> dict:
    """Activation caches of random texts of full length."""
    random = torch.Generator().manual_seed(1)
    ids = [torch.randint(model.config.vocab_size, (texts, tokens), generator=random) for _ in range(2)]
    first, read = min(METHOD["layers"]), METHOD["read_layer"]
    mask = torch.ones(texts, tokens, dtype=torch.bool)
    return {
        name: compute_activations(model, each, mask, first, read, False, 4)
        for name, each in zip(("forget", "retain"), ids, strict=True)
    }


def peak(device: str) -> float:
    """Gigabytes: of the GPU since the last reset, or of this process since its start."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def state_of(trainer) -> float:
    """Gigabytes that training keeps from step to step: originals, masters and moments of the trained tensors."""
    weights = trainer.engine.weights
    own = {tensor.data_ptr() for tensor in weights.live.values()}
    kept = [*weights.original.values(), *weights.master.values()]
    kept += [value for state in trainer.optimiser.state.values() for value in state.values() if value.ndim]
    return sum(tensor.numel() * tensor.element_size() for tensor in kept if tensor.data_ptr() not in own) / 1e9


def run(folder: Path, shape: dict, method: dict, device: str, dtype: torch.dtype) -> dict:
    """Compute the activation caches, load what is trained, train; returns what each took."""
    start = time.perf_counter()
    caches = caches_of(load_span(folder, device, dtype, 0, STACK), method["tokens"], 4 * method["batch_size"])
    cached, stamps = time.perf_counter(), []
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    model = load_span(folder, device, dtype, min(method["layers"]), STACK)
    trainer = make_trainer(model, method, [], caches, 0)
    loaded = time.perf_counter()
    # The first step counts its operations, which takes time.
    history = trainer.run(lambda done: stamps.append(time.perf_counter()))
    seconds = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters() if not tensor.is_meta) / 1e9
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "dtype": str(dtype).removeprefix("torch."),
        "precision": method["precision"],
        "seconds_cache": cached - start,
        "seconds_load": loaded - cached,
        "seconds_step": seconds,
        "operations_step": history[0]["operations"],
        "operations_second": history[0]["operations"] / seconds,
        "gigabytes_weights": weights,
        "gigabytes_state": state_of(trainer),
        "gigabytes_peak": peak(device),
        "gigabytes_estimate": unlearning_memory(Shape(**shape), method, False, False) / 1e9,
        "losses": [[row["forget_loss"], row["retain_loss"]] for row in history],
    }


def main(arguments: list[str]) -> dict:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("results/seven_billion.json"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", choices=("master", "stochastic", "pure"), default="master")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = choose_dtype(device)
    shape, tokens = (TINY, 32) if options.tiny else (SHAPE, METHOD["tokens"])
    method = METHOD | {"precision": options.precision, "steps": max(2, options.steps), "tokens": tokens}
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), shape, dtype)
        measured = run(Path(folder), shape, method, device, dtype)
    write_json(options.output, measured)
    print(f"{measured['device']} in {measured['dtype']}, precision {measured['precision']}")
    print(
        f"cache {measured['seconds_cache']:.1f} s, load {measured['seconds_load']:.1f} s, "
        f"step {measured['seconds_step']:.3f} s"
    )
    print(f"{measured['operations_step'] / 1e12:.3g} TFLOP a step, {measured['operations_second'] / 1e12:.3g} TFLOP/s")
    print(
        f"weights {measured['gigabytes_weights']:.3g} GB, state {measured['gigabytes_state']:.3g} GB, "
        f"peak {measured['gigabytes_peak']:.3g} GB (estimated {measured['gigabytes_estimate']:.3g} GB)"
    )
    return measured


if __name__ == "__main__":
    main(sys.argv[1:])
