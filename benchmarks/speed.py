"""How much the engine, the scorer and attacks save against the plain way, as ratios in one run.

Usage: python benchmarks/speed.py MODEL_FOLDER [RESULTS.md] | --tiny

Each comparison asserts equal results. With a second argument the tables are written there. ``--tiny`` is a random model
of ten layers, for tests.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from compare_attacks import compare_attacks
from compare_scoring import compare_scoring
from compare_steps import compare_steps
from comparison import Comparison, matrix_product_rate
from growth import Growth, growths

from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.runtime.quick_start import import_transformers

TINY = {
    "hidden_size": 32, "num_hidden_layers": 10, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 2048,
}  # fmt: skip
INTRODUCTION = """\
# Speed and memory, measured

`make bench` wrote this page: each row compares two ways to the same result in one run, on one thread of {machine}, in
{dtype}, with {model}. A number above 1 says how many times as much the plain way takes. Time is CPU-seconds; memory is
what tensors hold at the peak, beyond the models. `share` is ours in floating-point operations a second, relative to a
product of two square matrices in the same run, {rate:.0f} GFLOP/s. Results are equal within the tolerance that the
benchmark asserts, and predictions are the same; `difference` is what was seen: of gradients relative to their norm, of
log-likelihoods in nats.
"""
PLAIN = """\
The plain ways: steps run two whole models through all layers, with gradients of every weight, as released code does;
questions are asked by lm-eval's hf backend; the logit lens and orthogonalisation run one forward a choice; GCG runs
every candidate from its first token. Questions have the shape of MMLU's, with five answered ones before them where
the row says so; prompts have 60 to 450 tokens alone, 300 to 800 behind shots and about 3,100 behind long ones.
"""


@dataclass(frozen=True)
class Results:
    """All comparisons and growths, and the yardstick: operations a second of a matrix product."""

    comparisons: list[Comparison]
    growths: list[Growth]
    matrix_product: float


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor in words: cores, and the instructions that decide how fast matrix products are."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    cores = sum(line.startswith("processor") for line in lines)
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return f"a machine with {cores} cores, {vectors} and {'AMX' if 'amx_tile' in flags else 'no AMX'}"


def page(results: Results, model: str, dtype: torch.dtype) -> str:
    """RESULTS.md."""
    introduction = INTRODUCTION.format(
        machine=machine(), dtype=str(dtype).removeprefix("torch."), model=model, rate=results.matrix_product / 1e9
    )
    head = "| | operations | time | memory | share | difference |\n|---|---|---|---|---|---|"
    rows = [
        f"| {one.name} | {one.operations:.1f} | {one.seconds:.1f} | {one.memory:.1f} | "
        f"{one.rate / results.matrix_product:.0%} | {one.difference:.0e} |"
        for one in results.comparisons
    ]
    parts = [introduction, "\n".join([head, *rows]), "", PLAIN, _memory(results), "", _growth(results)]
    return "\n".join(parts) + "\n"


def _memory(results: Results) -> str:
    rows = [
        f"| {one.name} | {one.plain.seconds:.2f} | {one.ours.seconds:.2f} | {one.plain.bytes / 1e6:.0f} | "
        f"{one.ours.bytes / 1e6:.0f} |"
        for one in results.comparisons
    ]
    head = "| | plain, s | ours, s | plain, MB | ours, MB |\n|---|---|---|---|---|"
    return "\n".join(["## Seconds and megabytes", "", head, *rows])


def _growth(results: Results) -> str:
    rows = [
        f"| {one.name} | {one.per} | {', '.join(map(str, one.sizes))} | "
        f"{', '.join(f'{ratio:.1f}' for ratio in one.ratios)} |"
        for one in results.growths
    ]
    head = "| | with | sizes | CPU-seconds, the first size as 1 |\n|---|---|---|---|"
    return "\n".join(["## How cost grows", "", head, *rows])


def tiny_model():
    """A frozen random model and a tokenizer of one token a byte."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model = LlamaForCausalLM(LlamaConfig(**TINY, initializer_range=0.15, attn_implementation="sdpa"))
    ends = {"eos_token": alphabet[0], "pad_token": alphabet[0]}
    return model.requires_grad_(False).eval(), PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)


def main(argument: str, output: str | None = None) -> Results:
    """Measure everything; print the page, and write it to ``output``."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    import_transformers()
    tiny = argument == "--tiny"
    model, tokenizer = tiny_model() if tiny else (load_model(argument)[0], load_tokenizer(argument))
    repeats = 0 if tiny else 1
    results = Results(
        [
            *compare_steps(model, repeats),
            *compare_scoring(model, tokenizer, tiny),
            *compare_attacks(model, tokenizer, tiny, repeats),
        ],
        growths(model, tokenizer, tiny),
        matrix_product_rate(model.dtype),
    )
    written = page(results, "a tiny model" if tiny else Path(argument).name, model.dtype)
    print(written)
    if output:
        Path(output).write_text(written)
    return results


if __name__ == "__main__":
    main(*sys.argv[1:])
