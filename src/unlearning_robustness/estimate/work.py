"""The work of each rule for one cell: pure functions of the model's shape and the settings.

Operations are those of multiplications with weights: two a weight and token forward, and as many for each gradient that
is taken. Texts are short, so attention scores do not count.
"""

import math
from dataclasses import replace

from unlearning_robustness.attacks.facts import Scoring
from unlearning_robustness.config.cells import NONE
from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, FORGET_LOSSES, facts_of, reads_of
from unlearning_robustness.config.searches import trials_of, tried
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work

# Scoring in float32, on the laptop at this multiple of bfloat16's time.
SLOWER_IN_FLOAT32 = 2.0
# A question with its four choices, packed; measured on the laptop study.
QUESTION_TOKENS = 13
# What chat templates put around a question: 9 (Mistral) to 36 (Llama 3 with its date).
CHAT_TOKENS = 25
# A published question with its stem, four options and the sentence before it; a round figure, not measured.
LETTERED_TOKENS = 150
# A trained weight has its original, a gradient of each branch and their sum, and by precision a master and two moments.
ORIGINAL_BYTES = BFLOAT16
GRADIENT_BYTES = {"master": 3 * FLOAT32, "stochastic": 3 * FLOAT32, "pure": 3 * BFLOAT16}
MOVED_BYTES = {"master": 3 * FLOAT32, "stochastic": 2 * FLOAT32, "pure": 3 * BFLOAT16}


def scoring(shape: Shape, questions: int, batch_size: int, first_layer: int = 0, length: int = QUESTION_TOKENS) -> Work:
    """Score questions of ``length`` tokens, from ``first_layer`` on where what lies below is kept."""
    layers = shape.num_hidden_layers - first_layer
    return Work(
        operations=questions * length * shape.forward(layers),
        layer_calls=math.ceil(questions / batch_size) * layers,
        memory=shape.memory(min(questions, batch_size) * length) + float32_head(shape),
        disk=questions * 80,
    )


def scored_in(work: Work, shape: Shape, precision: str) -> Work:
    """Scoring as the configuration's precision has it: in float32 it takes longer and holds the weights twice."""
    if precision == "auto":
        return work
    slower = SLOWER_IN_FLOAT32 * work.operations
    return replace(work, operations=slower, memory=work.memory + shape.parameters * FLOAT32)


def float32_head(shape: Shape) -> int:
    """Bytes of the copy of the unembedding in which scores are computed."""
    return shape.head_parameters * FLOAT32


def activation_cache(shape: Shape, settings: dict, texts: dict[str, int]) -> Work:
    """Compute an activation cache: to the read layer, and to the end for the likelihood of forget and refusal texts.

    The model's device holds one batch, the host's memory the cache itself (``activation_cache_bytes``).
    """
    tokens, below = settings["tokens"], settings["read_layer"] + 1
    counted = {corpus: count * tokens for corpus, count in texts.items()}
    deep = settings["likelihood"] and settings["implementation"] != "released"
    operations = sum(
        count * shape.forward(shape.num_hidden_layers if deep and corpus != "retain" else below, deep)
        for corpus, count in counted.items()
    )
    cache_bytes = activation_cache_bytes(shape, tokens, sum(texts.values()))
    calls = sum(math.ceil(count / 16) for count in texts.values()) * (shape.num_hidden_layers if deep else below)
    # Without a likelihood only embeddings and the layers to the read layer are loaded.
    weights = shape.parameters if deep else below * shape.layer_parameters + shape.head_parameters
    return Work(operations, calls, weights * BFLOAT16 + shape.activations(16 * tokens, 0, deep), cache_bytes)


def activation_cache_bytes(shape: Shape, tokens: int, texts: int) -> int:
    """Bytes of an activation cache: per token what enters the first trained layer and what leaves the read layer."""
    return 2 * texts * tokens * shape.hidden_size * BFLOAT16


def trained_parameters(shape: Shape, method: dict) -> tuple[int, int]:
    """Weights that are trained, and weights that are kept in the end; of adapters the merged matrices are kept."""
    layers = len(method["layers"])
    if method["trained"] == "all":
        return (shape.parameters,) * 2
    if method["trained"] == "full":
        return (layers * shape.layer_parameters,) * 2
    if method["trained"] == "output-biases":
        return (layers * shape.hidden_size,) * 2
    if method["trained"] == "lora":
        sizes = [shape.matrices[target] for target in method["lora"]["targets"] if target in shape.matrices]
        adapters = method["lora"]["rank"] * sum(inputs + outputs for inputs, outputs in sizes)
        return layers * adapters, layers * sum(inputs * outputs for inputs, outputs in sizes)
    return (layers * shape.projection_parameters,) * 2


def difference(shape: Shape) -> Work:
    """Compare two checkpoints, both in memory, and keep what differs: all of it where every layer was trained."""
    return Work(memory=2 * shape.memory(), disk=shape.parameters * BFLOAT16)


def _first_run(method: dict) -> int:
    """The first layer that a step runs: what lies below the first trained one is cached, except for released code."""
    return 0 if method["implementation"] == "released" else min(method["layers"])


def unlearning_memory(shape: Shape, method: dict, to_end: bool, whole: bool) -> float:
    """Bytes of each process that trains a cell: the layers it runs (with ``whole`` all), what is trained, activations.

    Sharded layers and what is trained of them are divided, each as it is read; a ``whole`` model only afterwards.
    """
    layers = (shape.num_hidden_layers if to_end else method["read_layer"] + 1) - _first_run(method)
    processes, sharded = method["parallel"]["processes"], method["parallel"]["sharded"]
    trained, _ = trained_parameters(shape, method)
    weights = shape.parameters if whole else layers * shape.layer_parameters + to_end * shape.head_parameters
    state = trained * (GRADIENT_BYTES[method["precision"]] + ORIGINAL_BYTES + MOVED_BYTES[method["precision"]])
    tokens = math.ceil(method["batch_size"] / processes) * method["tokens"]
    computing = shape.activations(tokens, layers, to_end, checkpointing=method["gradient_checkpointing"])
    if not sharded:
        return weights * BFLOAT16 + state + computing
    loaded, divided = weights * BFLOAT16, layers * shape.layer_parameters * BFLOAT16
    running = loaded - divided + (divided + state) / processes + computing
    return max(loaded, running) if whole else running


def unlearning(
    shape: Shape, method: dict, row: list[dict], select_questions: int, batch_size: int, length: int = QUESTION_TOKENS
) -> Work:
    """Train one cell; its select questions have ``length`` tokens.

    Of several processes operations are those of all, memory is that of each.
    """
    to_end = reads_of(FORGET_LOSSES, method["forget_loss"]) == "logits"
    first = _first_run(method)
    last = shape.num_hidden_layers if to_end else method["read_layer"] + 1
    tokens = method["batch_size"] * method["tokens"]
    forward = shape.forward(last - first, to_end)
    parts = [(facts_of(DEFENCES, part["kind"]), part["parameters"]) for part in row]
    gradients = max([1, *(facts.forget_gradients(settings) for facts, settings in parts)])
    gradients += 1 + sum(facts.extra_retain_gradients for facts, _ in parts)
    reference = shape.forward(last - method["read_layer"] - 1) if to_end else 0.0
    if method["implementation"] == "released":
        reference += 2 * forward
    # Of most weights only the gradient that passes through them is taken, of the trained ones also their own.
    trained, kept = trained_parameters(shape, method)
    steps = method["steps"]
    for facts, settings in parts:
        steps = facts.steps(settings, steps)
    passes, whole = (
        3 if method["gradient_checkpointing"] else 2,
        any(facts.scores_select(settings) for facts, settings in parts),
    )
    work = Work(
        operations=steps * tokens * (gradients * (passes * forward + 2 * trained) + reference),
        layer_calls=steps * gradients * 3 * (last - first),
        memory=unlearning_memory(shape, method, to_end, whole) + whole * float32_head(shape),
        disk=kept * BFLOAT16,
    )
    for facts, settings in parts:
        if facts.scores_select(settings):
            looks = facts.select_scorings(settings, steps)
            work += scoring(shape, select_questions, batch_size, first, length).times(looks)
    return work


def attacking(
    shape: Shape,
    attack: dict,
    questions: int,
    batch_size: int,
    select: int = 0,
    length: int = QUESTION_TOKENS,
    precision: str = "auto",
) -> Work:
    """Attack one cell and score it along the budget; of attacks without gradients only the scoring counts.

    An attack that chooses its setting first scores each on ``select`` questions; questions have ``length`` tokens.
    Recorded answers are scored in ``precision``.
    """
    facts, settings = facts_of(ATTACKS, attack["kind"]), attack["parameters"]
    work = facts.work(settings, shape, Scoring(questions, select, batch_size, length))
    scored = scored_in(scoring(shape, questions, batch_size, length=length), shape, precision)
    scored = scored.times(facts.scored_points(settings))
    asked = facts.candidate_questions(settings, select)
    chosen = scoring(shape, asked, batch_size, length=length + facts.candidate_tokens)
    run = work + scored + chosen.times(facts.candidates(settings, shape))
    return run.times(facts.runs(settings))


def relearning(shape: Shape, attack: dict) -> Work:
    """One run of an attack that trains, to the end of its budget, unscored."""
    return facts_of(ATTACKS, attack["kind"]).work(attack["parameters"], shape)


def searching(shape: Shape, attack: dict, search: dict, of_reference: bool, asked: dict[str, Work]) -> Work:
    """Search an attack's settings for one kind of cell, at the longest runs that its trials may take.

    ``asked`` has the work of one scoring of the ``select`` questions, and of ``test``'s for the teaching control.
    """
    trials, work = [tried(attack, settings, search["steps"]) for settings in trials_of(search)], asked["select"]
    for steps in search["steps"]:
        dearest = sorted(trials, key=lambda entry: relearning(shape, entry).operations, reverse=True)
        runs = [relearning(shape, tried(entry, {}, [steps])) for entry in dearest]
        work = sum(runs, work + asked["select"].times(len(runs)))
        # The reference's trials all go on while they leave it enough.
        trials = dearest if of_reference else dearest[: math.ceil(search["keep"] * len(dearest))]
    if not of_reference and search["control"] != NONE:
        work += relearning(shape, trials[0]) + asked["test"].times(3)
    # Only numbers are recorded, no answers.
    return replace(work, disk=0)


def attack_megabytes(shape: Shape, attack: dict, batch_size: int, precision: str = "auto") -> int:
    """The memory that a job should request: all that it holds, on any device, and half as much again."""
    host = facts_of(ATTACKS, attack["kind"]).host_bytes(attack["parameters"], shape)
    held = attacking(shape, attack, batch_size, batch_size, batch_size, precision=precision).memory
    return round(1.5 * (held + host) / 1e6)
