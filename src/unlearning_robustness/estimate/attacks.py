"""The work of attacking one cell: pure functions of the model's shape and the attack's settings."""

import math

from unlearning_robustness.estimate.machines import Work
from unlearning_robustness.estimate.shape import Shape
from unlearning_robustness.estimate.work import BFLOAT16, FLOAT32, INDEX, QUESTION_TOKENS, activations, memory, scoring

# Tokens of an answered question before it, and what other words add; both measured on the laptop study.
SHOT_TOKENS, WORDING_TOKENS = 12, 8
# Positions of a question that predict tokens of its choices: as measured on the laptop study.
PREDICTING = 4
# Ways to ask that an attack tries, the plain one included.
WORDINGS = {"paraphrase": 7, "prefill": 7}


def attacking(
    shape: Shape, attack: dict, questions: int, batch_size: int, select: int = 0, length: int = QUESTION_TOKENS
) -> Work:
    """Attack one cell and score it along the budget; of attacks without gradients only the scoring counts.

    What is chosen is scored on ``select`` questions in every setting first; questions have ``length`` tokens.
    """
    given, scored = attack["parameters"], scoring(shape, questions, batch_size, length=length)
    if "candidates" in given:
        tried = scoring(shape, given["held_out"], batch_size, length=length)
        looks = 1 + max(given["steps"]) if given["held_out"] else 0
        return searching(shape, given, batch_size, length) + tried.times(looks) + scored.times(len(given["steps"]))
    if "shots" in given:
        batches = math.ceil(questions / batch_size)
        # Answered questions are alike in all prompts, and run once a batch.
        shown = sum(given["shots"]) * SHOT_TOKENS * shape.forward(shape.num_hidden_layers, head=False)
        calls = batches * sum(map(bool, given["shots"])) * shape.num_hidden_layers
        return scored.times(len(given["shots"])) + Work(batches * shown, calls)
    if wordings := wordings_of(attack):
        # Asked are the plain question and the wording that was chosen.
        chosen = scoring(shape, select, batch_size, length=length + WORDING_TOKENS).times(wordings)
        return scored.times(2) + chosen
    points = points_of(given)
    held = Work(memory=memory(shape, 0) + held_by_attack(shape, attack, batch_size, length))
    chosen = scoring(shape, select, batch_size, length=length).times(candidates(shape, attack))
    one = trained_once(shape, attack) + scored.times(len(points)) + chosen + held
    one += _ranking(shape, attack) + _reading(shape, attack, select)
    return one.times(len(given.get("documents") or [0]))


def points_of(given: dict) -> list[int]:
    """Steps, bits or scales after which an attack is scored; passes over documents are counted in steps."""
    most = max(given.get("documents") or [0])
    passes = [count * most // given["batch_size"] for count in given.get("epochs") or []]
    return given.get("steps") or passes or given.get("bits") or given.get("scales") or [0]


def trained_once(shape: Shape, attack: dict) -> Work:
    """An attack's training to the end of its budget on one number of documents, unscored; nothing where none is."""
    given = attack["parameters"]
    return _relearning(shape, given, max(points_of(given))) if attack["kind"] == "relearn" else Work()


def _relearning(shape: Shape, given: dict, steps: int) -> Work:
    layers, tokens = shape.num_hidden_layers, given["batch_size"] * given["tokens"]
    trained, again = layers * attacked_parameters(shape, given), given["gradient_checkpointing"]
    return Work(
        operations=steps * tokens * ((3 if again else 2) * shape.forward(layers) + 2 * trained),
        layer_calls=steps * 3 * layers,
        # The gradients are there in the weights' own type too.
        memory=memory(shape, 0, trained) + activations(shape, tokens, layers, True, again=again) + trained * BFLOAT16,
    )


def attacked_parameters(shape: Shape, given: dict) -> int:
    """Weights that a relearning attacker trains in each layer."""
    trained = given.get("trained", "down-projections")
    if trained == "lora":
        attention, mlp = slice(0, 4), slice(4, 7)
        chosen = {"all": slice(None), "attention": attention, "mlp": mlp}[given["targets"]]
        return given["rank"] * sum(map(sum, list(shape.matrices.values())[chosen]))
    return shape.layer_parameters if trained == "full" else shape.projection_parameters


def held_by_attack(shape: Shape, attack: dict, batch_size: int, length: int = QUESTION_TOKENS) -> float:
    """Bytes on the model's device beside the model, of attacks that look at it or change it without training.

    Orthogonalising keeps one batch's activations in every layer, and for the principal component a matrix a layer with
    its eigenvectors one by one. Pruning keeps what entered every layer, and one layer's gradients and scores. What
    rewrites weights has one matrix in several versions. The rest stands in the host's memory (``kept_on_host``).
    """
    given, kind, layers, width = attack["parameters"], attack["kind"], shape.num_hidden_layers, shape.hidden_size
    if kind == "orthogonalise":
        rows = batch_size * length * width
        component = (layers + 3) * width**2 * FLOAT32 if given["direction"] == "principal" else 0
        return layers * rows * BFLOAT16 + 5 * rows * FLOAT32 + component
    if kind == "prune":
        streams = given["texts"] * given["tokens"] * (layers + 1) * width * BFLOAT16
        return streams + shape.layer_parameters * (BFLOAT16 + 2 * FLOAT32)
    if kind in ("quantise", "weight-noise"):
        return shape.projection_parameters * (BFLOAT16 + 5 * FLOAT32)
    return 0.0


def kept_on_host(shape: Shape, attack: dict) -> float:
    """Bytes that an attack keeps in the host's memory wherever the model is: the weights that it rewrites.

    Pruning keeps the places of the highest scores on both corpora, and those it zeroes with what stood there.
    """
    weights = shape.num_hidden_layers * shape.layer_parameters
    if attack["kind"] == "prune":
        return max(attack["parameters"]["fractions"]) * weights * (3 * INDEX + BFLOAT16)
    return weights * BFLOAT16 if attack["kind"] in ("quantise", "weight-noise") else 0.0


def attack_megabytes(shape: Shape, attack: dict, batch_size: int) -> int:
    """What a job should ask for: all that is held, wherever it is, and half as much again."""
    held = attacking(shape, attack, batch_size, batch_size, batch_size).memory + kept_on_host(shape, attack)
    return round(1.5 * held / 1e6)


def _ranking(shape: Shape, attack: dict) -> Work:
    """What pruning's scores cost: texts of two corpora, one at a time.

    SNIP runs every layer twice, since only one layer's gradients are held at once, and takes those of every weight.
    """
    given = attack["parameters"]
    if attack["kind"] != "prune" or not any(given["fractions"]):
        return Work()
    layers, passes = shape.num_hidden_layers, 4 if given["score"] == "snip" else 1
    read = 2 * given["texts"]
    # The unembedding is run once, forward and backward.
    head = (2 if given["score"] == "snip" else 1) * (shape.forward(0))
    return Work(
        operations=read * given["tokens"] * (passes * shape.forward(layers, head=False) + head),
        layer_calls=read * passes * layers,
        memory=memory(shape, given["tokens"], layers=1),
    )


def _reading(shape: Shape, attack: dict, select: int) -> Work:
    """What the logit lens puts through the unembedding: every stream of every layer, to choose one."""
    if attack["kind"] != "logit-lens":
        return Work()
    given = attack["parameters"]
    read = len(given["layers"] or range(shape.num_hidden_layers)) * (4 if given["streams"] == "all" else 1)
    return Work(operations=read * select * PREDICTING * shape.forward(0))


def wordings_of(attack: dict) -> int:
    """How many ways to ask an attack by other words tries on the select questions; 0 of other attacks."""
    if attack["kind"] != "characters":
        return WORDINGS.get(attack["kind"], 0)
    spacings, characters = attack["parameters"]["every"], attack["parameters"]["characters"]
    return 1 + sum(2 * len(characters) + (every > 1) for every in spacings if every)


def candidates(shape: Shape, attack: dict) -> int:
    """How many settings an attack scores on the select questions before it chooses."""
    given = attack["parameters"]
    if attack["kind"] == "orthogonalise":
        return len(given["layers"] or range(shape.num_hidden_layers)) + 2
    if attack["kind"] == "prune":
        return 1 + sum(p >= q > 0 for q in given["fractions"] for p in given["fractions"])
    return int(attack["kind"] == "logit-lens")


def searching(shape: Shape, given: dict, batch_size: int, question: int = QUESTION_TOKENS) -> Work:
    """Search tokens in prompts: in every question a gradient a step, and a forward of each candidate.

    Held are the logits of a batch of candidates, or what one question's gradient needs.
    """
    layers, length = shape.num_hidden_layers, given["inserted_tokens"] + question
    runs, tried = max(given["steps"]) * given["questions"], min(given["candidates"], batch_size)
    gradient = memory(shape, length, layers=layers) + given["inserted_tokens"] * shape.vocab_size * 3 * FLOAT32
    return Work(
        operations=runs * (given["candidates"] + 3) * length * shape.forward(layers),
        layer_calls=runs * (math.ceil(given["candidates"] / batch_size) + 3) * layers,
        memory=max(memory(shape, tried * length), gradient),
    )
