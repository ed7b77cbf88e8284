"""How much the engine and the scorer save against the plain way, as ratios in one run.

Usage: python benchmarks/speed.py MODEL_FOLDER | --tiny

Each comparison asserts equal results: one RMU step as released (full depth, every weight's gradient, a second model)
with one of the engine's; scoring a question by one forward a choice with one packed forward; and packed forwards of
questions behind five answered ones with running these once a batch. ``--tiny`` is a random model of eight layers.
"""

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from unlearning_robustness.data import geography
from unlearning_robustness.data.questions import build_questions, to_table
from unlearning_robustness.engine.activation_cache import ActivationCache, compute_activations
from unlearning_robustness.engine.engine import Engine
from unlearning_robustness.engine.weights import TrainedWeights, down_projections
from unlearning_robustness.methods.method import build_method
from unlearning_robustness.models import shared_prefix
from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.questions import QuestionScorer

LAYERS, READ_LAYER, COEFFICIENT, RETAIN_WEIGHT, TOKENS = (5, 6, 7), 7, 390.0, 100.0, 48
TEXT = "The committee met on Tuesday to consider the report that had been laid before the house in the spring, and "
TINY = {
    "hidden_size": 32, "num_hidden_layers": 10, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 256,
}  # fmt: skip
BATCH = 48


@dataclass
class Comparison:
    """What the plain way costs as a multiple of ours, in floating-point operations and in seconds."""

    name: str
    operations: float
    seconds: float


def compare(name: str, plain: Callable, ours: Callable, tolerance: dict, repeats: int) -> Comparison:
    """Both ways measured; raises AssertionError when their results differ by more than ``tolerance``."""
    torch.testing.assert_close(plain(), ours(), **tolerance)
    costs = []
    for work in (plain, ours):
        with FlopCounterMode(display=False) as counter:
            work()
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        costs.append((counter.get_total_flops(), min(seconds)))
    (plain_operations, plain_seconds), (operations, seconds) = costs
    comparison = Comparison(name, plain_operations / operations, plain_seconds / seconds)
    print(f"{name}: {comparison.operations:.1f} times fewer operations, {comparison.seconds:.1f} times faster")
    return comparison


def released_step(model, reference, cache: ActivationCache, direction: torch.Tensor) -> torch.Tensor:
    """The loss of one RMU step the released way: full forwards, gradients wherever autograd finds a way."""
    mask = cache.mask.clone()
    mask[:, 0] = False
    weight = mask[..., None].float()

    def read(model):
        return model.model(cache.input_ids, attention_mask=cache.mask, output_hidden_states=True).hidden_states

    def mse(hidden, target):
        return ((hidden - target).pow(2) * weight).sum() / (weight.sum() * hidden.shape[-1])

    forget, retain = read(model)[READ_LAYER + 1], read(model)[READ_LAYER + 1]
    with torch.no_grad():
        target = read(reference)[READ_LAYER + 1]
    loss = mse(forget, COEFFICIENT * direction) + RETAIN_WEIGHT * mse(retain, target)
    model.zero_grad()
    loss.backward()
    return loss.detach()


def compare_steps(model, tokenizer, repeats: int) -> Comparison:
    """One RMU step: released, and by the engine from the cached prefix to the read layer."""
    input_ids, mask = encode_texts(tokenizer, [TEXT * 4] * 4, TOKENS)
    cache = compute_activations(model, input_ids, mask, min(LAYERS), READ_LAYER, likelihood=False)
    settings = {"forget_loss": "rmu", "retain_loss": "activation", "retain_weight": RETAIN_WEIGHT, "layers": LAYERS}
    settings |= {"read_layer": READ_LAYER, "implementation": "corrected", "parameters": {"coefficient": COEFFICIENT}}
    settings |= {"tokens": TOKENS, "topics": None}
    method = build_method(settings)
    random = torch.Generator().manual_seed(0)
    direction = method.forget_loss.direction(model.config.hidden_size, random)
    released, reference = copy.deepcopy(model).requires_grad_(True), copy.deepcopy(model)
    engine = Engine(model, method, TrainedWeights(model, down_projections(model, LAYERS)), direction)

    def engine_step() -> torch.Tensor:
        loss = engine.forget_loss(cache) + engine.retain_loss(cache)
        engine.weights.gradient(loss)
        return loss.detach()

    def plain_step() -> torch.Tensor:
        return released_step(released, reference, cache, direction)

    comparison = compare("RMU step", plain_step, engine_step, {"rtol": 1e-4, "atol": 0}, repeats)
    engine.weights.release()
    return comparison


@torch.no_grad()
def one_forward_a_choice(model, scorer: QuestionScorer) -> torch.Tensor:
    """Log-likelihoods (Q, C): each choice runs behind its own copy of the prompt."""
    choices = [(question.prompt, choice) for question in scorer.packed for choice in question.choices]
    scores = []
    for start in range(0, len(choices), BATCH):
        rows = choices[start : start + BATCH]
        width = max(len(prompt) + len(choice) for prompt, choice in rows)
        ids = torch.tensor([[*prompt, *choice, *[0] * (width - len(prompt) - len(choice))] for prompt, choice in rows])
        logits = model(ids).logits.log_softmax(-1)
        for row, (prompt, choice) in enumerate(rows):
            scores.append(sum(logits[row, len(prompt) + index - 1, token] for index, token in enumerate(choice)))
    return torch.stack(scores).view(len(scorer.packed), -1)


def compare_scoring(model, tokenizer, count: int, repeats: int) -> list[Comparison]:
    """Scoring ``count`` questions alone, and behind five shots."""
    splits = dict.fromkeys(geography.entities(), "test")
    questions = to_table(build_questions(geography.relations()[:1], "retain", splits, 3, "benchmark")[:count])
    alone, tolerance = QuestionScorer(tokenizer, questions, BATCH), {"rtol": 0, "atol": 1e-3}
    shots = "".join(f"{row.prompt} {row.choices[row.answer]}\n\n" for row in questions.head(5).itertuples())
    asked = questions.iloc[5:].assign(prompt=shots + questions["prompt"])
    behind_shots = QuestionScorer(tokenizer, asked, BATCH)

    def unshared() -> torch.Tensor:
        with patch.object(shared_prefix, "WORTH", float("inf")):
            return behind_shots.log_likelihoods(model)

    return [
        compare(
            "scoring",
            lambda: one_forward_a_choice(model, alone),
            lambda: alone.log_likelihoods(model),
            tolerance,
            repeats,
        ),
        compare("five shots", unshared, lambda: behind_shots.log_likelihoods(model), tolerance, repeats),
    ]


def tiny_model():
    """A frozen random model and a tokenizer of one token a byte."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model = LlamaForCausalLM(LlamaConfig(**TINY, attn_implementation="sdpa")).requires_grad_(False).eval()
    return model, PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def main(argument: str) -> list[Comparison]:
    """Print and return all comparisons."""
    torch.set_num_threads(1)
    tiny = argument == "--tiny"
    model, tokenizer = tiny_model() if tiny else (load_model(argument)[0], load_tokenizer(argument))
    repeats = 1 if tiny else 5
    return [
        compare_steps(model, tokenizer, repeats),
        *compare_scoring(model, tokenizer, 12 if tiny else 96, repeats),
    ]


if __name__ == "__main__":
    main(sys.argv[1])
