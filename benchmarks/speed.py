"""How much the engine and the scorer save against the plain way, as ratios in one run.

Usage: python benchmarks/speed.py MODEL_FOLDER

Compared are, with equal results (asserted): one RMU step as released (full depth, every weight's gradient, a second
model) with one of the engine's, in counted floating-point operations and in seconds; scoring a question by one forward
a choice with scoring it by one packed forward; and packed forwards of questions behind five answered ones with running
those once a batch.
"""

import copy
import sys
import time
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
from unlearning_robustness.models.loading import load_model, load_tokenizer
from unlearning_robustness.scoring import multiple_choice
from unlearning_robustness.scoring.encoding import encode_texts
from unlearning_robustness.scoring.questions import QuestionScorer

LAYERS, READ_LAYER, COEFFICIENT, RETAIN_WEIGHT, TOKENS, REPEATS = (5, 6, 7), 7, 390.0, 100.0, 48, 5
TEXT = "The committee met on Tuesday to consider the report that had been laid before the house in the spring, and "


def measure(work) -> tuple[float, float]:
    """Floating-point operations of one call, and the least seconds of several."""
    with FlopCounterMode(display=False) as counter:
        work()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return counter.get_total_flops(), min(seconds)


def released_step(model, reference, cache: ActivationCache, direction: torch.Tensor):
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
    return loss


def engine_step(engine: Engine, cache: ActivationCache) -> torch.Tensor:
    """The same loss by the engine, from the cached prefix to the read layer."""
    loss = engine.forget_loss(cache) + engine.retain_loss(cache)
    engine.weights.gradient(loss)
    return loss


def main(folder: str) -> None:
    """Print both comparisons."""
    torch.set_num_threads(1)
    model, _ = load_model(folder)
    tokenizer = load_tokenizer(folder)
    input_ids, mask = encode_texts(tokenizer, [TEXT * 4] * 4, TOKENS)
    cache = compute_activations(model, input_ids, mask, min(LAYERS), READ_LAYER, likelihood=False)
    settings = {"forget_loss": "rmu", "retain_loss": "activation", "retain_weight": RETAIN_WEIGHT, "layers": LAYERS}
    settings |= {"read_layer": READ_LAYER, "implementation": "corrected", "parameters": {"coefficient": COEFFICIENT}}
    method = build_method(settings)
    random = torch.Generator().manual_seed(0)
    direction = method.forget_loss.direction(model.config.hidden_size, random, cache.reference_hidden)

    released = copy.deepcopy(model).requires_grad_(True)
    engine = Engine(model, method, TrainedWeights(model, down_projections(model, LAYERS)), direction)
    first, second = released_step(released, copy.deepcopy(model), cache, direction), engine_step(engine, cache)
    assert torch.isclose(first, second, rtol=1e-4), (first, second)
    reference = copy.deepcopy(model).requires_grad_(False)
    plain = measure(lambda: released_step(released, reference, cache, direction))
    fast = measure(lambda: engine_step(engine, cache))
    print(f"RMU step: {plain[0] / fast[0]:.1f} times fewer operations, {plain[1] / fast[1]:.1f} times faster")

    splits = dict.fromkeys(geography.entities(), "test")
    questions = build_questions(geography.relations()[:1], "retain", splits, 3, "benchmark")[:96]
    scorer = QuestionScorer(tokenizer, to_table(questions), batch_size=48)

    @torch.no_grad()
    def one_by_one() -> torch.Tensor:
        rows = [(q.prompt + choice) for q in scorer.packed for choice in q.choices]
        scores = []
        for start in range(0, len(rows), 48):
            part = rows[start : start + 48]
            width = max(map(len, part))
            ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in part])
            logits = model(ids).logits.log_softmax(-1)
            lengths = [len(choice) for q in scorer.packed for choice in q.choices][start : start + 48]
            for row, (tokens, length) in enumerate(zip(part, lengths, strict=True)):
                places = range(len(tokens) - length, len(tokens))
                scores.append(sum(logits[row, place - 1, tokens[place]] for place in places))
        return torch.stack(scores).view(len(scorer.packed), -1)

    assert torch.allclose(one_by_one(), scorer.log_likelihoods(model), atol=1e-3)
    plain, fast = measure(one_by_one), measure(lambda: scorer.log_likelihoods(model))
    print(f"scoring: {plain[0] / fast[0]:.1f} times fewer operations, {plain[1] / fast[1]:.1f} times faster")

    table = scorer.table
    shots = "".join(f"{row.prompt} {row.choices[row.answer]}\n\n" for row in table.head(5).itertuples())
    asked = table.iloc[5:].assign(prompt=shots + table["prompt"])
    behind = QuestionScorer(tokenizer, asked, batch_size=48)

    def unshared() -> torch.Tensor:
        with patch.object(multiple_choice, "WORTH", float("inf")):
            return behind.log_likelihoods(model)

    assert torch.allclose(unshared(), behind.log_likelihoods(model), atol=1e-3)
    plain, fast = measure(unshared), measure(lambda: behind.log_likelihoods(model))
    print(f"five shots: {plain[0] / fast[0]:.1f} times fewer operations, {plain[1] / fast[1]:.1f} times faster")


if __name__ == "__main__":
    main(sys.argv[1])
