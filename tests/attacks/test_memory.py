"""What an attack holds beside the model, counted in bytes of every tensor that comes to be while it runs."""

import weakref

import pytest
import torch
from planted import CORPORA, questions, reference_of, steered
from torch.utils._python_dispatch import TorchDispatchMode

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.attacks.base import AttackInput
from unlearning_robustness.models.architecture import linear_modules
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer
from unlearning_robustness.scoring.streams import stream_log_likelihoods

# Of the bytes of all linear weights of the layers: there are eight, so a layer is an eighth.
LAYERS = 8
GCG = {"inserted_tokens": 4, "questions": 2, "steps": [2], "candidates": 8, "top_k": 4, "held_out": 4}
INPUT = {"steps": [2], "learning_rate": 0.1, "batch_size": 2, "utility_bound": 1.0}
PRUNE = {"fractions": [0.01, 0.02], "texts": 3, "tokens": 12, "utility_bound": 1.0}
RELEARN = {"documents": [2], "steps": [2], "learning_rate": 1e-3, "batch_size": 2, "tokens": 8}
HELD = [
    ("characters", {"every": [3], "characters": "!", "utility_bound": 1.0}, 0.5),
    ("embedding", {**INPUT, "radius": 0.5}, 1.3),
    ("few-shot", {"shots": [2]}, 0.5),
    ("gcg", GCG, 0.6),
    ("gcg", {**GCG, "match": "representation", "layer": 2, "fluency": 0.1, "place": "after"}, 0.6),
    ("logit-lens", {"streams": "all"}, 0.5),
    # The unlearned model's activations of a batch; for the component also a matrix (d, d) a layer.
    ("orthogonalise", {"utility_bound": 1.0}, 0.5),
    ("orthogonalise", {"utility_bound": 1.0, "direction": "principal"}, 0.6),
    # Gradients and scores of a layer, and the places of the highest of all.
    ("prune", {**PRUNE, "score": "snip"}, 0.7),
    ("prune", {**PRUNE, "score": "wanda"}, 0.5),
    ("soft-prompt", {**INPUT, "vectors": 3}, 1.3),
    # The weights as they came, which stand in the host's memory, and one matrix in several versions.
    ("quantise", {"bits": [3], "group_size": 16}, 1.3),
    ("weight-noise", {"scales": [0.1]}, 1.3),
    # Of the trained tensors the original, master, gradient and two moments.
    ("relearn", RELEARN, 0.25 * 7),
    ("relearn", {**RELEARN, "trained": "full"}, 7),
    ("relearn", {**RELEARN, "trained": "lora", "rank": 1}, 0.8),
]


class Held(TorchDispatchMode):
    """Bytes of the tensors that were made while this was on: now, and at most."""

    def __init__(self):
        super().__init__()
        self.now, self.most, self.known = 0, 0, set()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        for made in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made, torch.Tensor):
                self._count(made.untyped_storage(), arguments)
        return result

    def _count(self, storage, arguments) -> None:
        given = {entry.untyped_storage().data_ptr() for entry in arguments if isinstance(entry, torch.Tensor)}
        place, size = storage.data_ptr(), storage.nbytes()
        if size and place not in self.known and place not in given:
            self.known.add(place)
            self.now += size
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, place, size)

    def _gone(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size


@pytest.fixture(scope="module")
def model(make_model):
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": LAYERS}
    return make_model(mlp_bias=True, **shape)


@pytest.fixture(scope="module")
def asked():
    return questions(forget=24, retain=6)


def most_held(model, tokenizer, asked, kind, parameters):
    """The peak, as a share of all linear weights of the layers."""
    delta = steered(model, 1, 20.0)
    select = asked[asked["split"] == "select"]
    with applied(model, delta):
        reference = reference_of(model, delta)
        given = AttackInput(model, tokenizer, CORPORA, 1, select, reference, 4, asked[asked["split"] == "test"])
        with Held() as held:
            for _ in ATTACKS[kind](**parameters).run(given):
                pass
    whole = sum(module.weight.numel() * 4 for module in linear_modules(model).values())
    return held.most / whole


@pytest.mark.parametrize(("kind", "parameters", "limit"), HELD, ids=[f"{kind}-{limit}" for kind, _, limit in HELD])
def test_an_attack_holds_no_second_model(model, tiny_tokenizer, asked, kind, parameters, limit):
    found = most_held(model, tiny_tokenizer, asked, kind, parameters)
    print(f"HELD {kind} {found:.2f} of {limit}")
    assert found <= limit


def test_the_counter_counts(model):
    with Held() as held:
        one = torch.zeros(100)
        two = one + 1
        del one
        three = two.view(10, 10)
        del two
        assert held.now == 400 and held.most == 800 and three.sum() == 100
    assert {kind for kind, *_ in HELD} >= set(ATTACKS) - {"paraphrase", "prefill"}


def test_streams_are_scored_as_they_pass(model, tiny_tokenizer, asked):
    """Reading every layer holds no more than reading one, but for the scores."""
    scorer, peaks = QuestionScorer(tiny_tokenizer, asked, 16), []
    for layers in (model.model.layers[-1:], model.model.layers):
        with Held() as held:
            stream_log_likelihoods(scorer, model, list(layers))
        peaks.append(held.most)
    stream = 16 * 14 * 64 * 4
    assert peaks[1] - peaks[0] < stream
