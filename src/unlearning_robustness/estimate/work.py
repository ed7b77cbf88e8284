"""The work of each rule for one cell: pure functions of the model's shape and the settings.

Counted are the multiplications with weights, two operations a weight and token forward and as many for each gradient
that is taken. Texts are short, so attention scores do not count.
"""

import math

from unlearning_robustness.config.parameters import reads_of
from unlearning_robustness.estimate.machines import Work
from unlearning_robustness.estimate.shape import Shape

BFLOAT16, FLOAT32, INDEX = 2, 4, 4
# A question with its four choices, packed; measured on the laptop study.
QUESTION_TOKENS = 13
# A published question with its stem, four options and the sentence before it; a round figure, not measured.
LETTERED_TOKENS = 150
# A trained weight has its original, a gradient of each branch and their sum, and by precision a master and two moments.
GRADIENT_BYTES, ORIGINAL_BYTES = 3 * FLOAT32, BFLOAT16
MOVED_BYTES = {"master": 3 * FLOAT32, "stochastic": 2 * FLOAT32, "pure": 3 * BFLOAT16}
# In fine-tuning there is one gradient.
TRAINED_BYTES = 4 * FLOAT32 + ORIGINAL_BYTES
# Logits are held in float32, as log-probabilities, and with their gradient.
LOGIT_BYTES = 4 * FLOAT32
# What a backward pass keeps of a layer: its input, the attention's and the MLP's inner activations.
KEPT_ACTIVATIONS = 16


def memory(shape: Shape, tokens: int, trained: int = 0, layers: int = 0, head: bool = True, dtype: int = BFLOAT16):
    """Bytes held: weights, what training adds, logits of ``tokens`` tokens, activations for a backward pass."""
    return shape.parameters * dtype + trained * TRAINED_BYTES + activations(shape, tokens, layers, head, dtype)


def activations(shape: Shape, tokens: int, layers: int, head: bool, dtype: int = BFLOAT16, again: bool = False) -> int:
    """Bytes of logits, and of what a backward pass needs: of layers that run ``again`` the inputs, and one's inside."""
    inside = layers + KEPT_ACTIVATIONS if again else layers * KEPT_ACTIVATIONS
    logits = tokens * shape.vocab_size * LOGIT_BYTES if head else 0
    return tokens * inside * shape.hidden_size * dtype + logits


def scoring(shape: Shape, questions: int, batch_size: int, first_layer: int = 0, length: int = QUESTION_TOKENS) -> Work:
    """Score questions of ``length`` tokens, from ``first_layer`` on where what lies below is kept."""
    layers = shape.num_hidden_layers - first_layer
    return Work(
        operations=questions * length * shape.forward(layers),
        layer_calls=math.ceil(questions / batch_size) * layers,
        memory=memory(shape, min(questions, batch_size) * length),
        disk=questions * 80,
    )


def activation_cache(shape: Shape, settings: dict, texts: dict[str, int]) -> Work:
    """Compute an activation cache: to the read layer, and to the end for the likelihood of forget and refusal texts.

    On the model's device is one batch; the cache itself stands in the host's memory (``activation_cache_bytes``).
    """
    tokens, below = settings["tokens"], settings["read_layer"] + 1
    counted = {corpus: count * tokens for corpus, count in texts.items()}
    deep = settings["likelihood"]
    operations = sum(
        count * shape.forward(shape.num_hidden_layers if deep and corpus != "retain" else below, deep)
        for corpus, count in counted.items()
    )
    kept = activation_cache_bytes(shape, tokens, sum(texts.values()))
    calls = sum(math.ceil(count / 16) for count in texts.values()) * (shape.num_hidden_layers if deep else below)
    # Without a likelihood only embeddings and the layers to the read layer are loaded.
    weights = shape.parameters if deep else below * shape.layer_parameters + shape.head_parameters
    return Work(operations, calls, weights * BFLOAT16 + activations(shape, 16 * tokens, 0, deep), kept)


def activation_cache_bytes(shape: Shape, tokens: int, texts: int) -> int:
    """Bytes of an activation cache: per token what enters the first trained layer and what leaves the read layer."""
    return 2 * texts * tokens * shape.hidden_size * BFLOAT16


def trained_parameters(shape: Shape, method: dict) -> tuple[int, int]:
    """Weights that are trained, and weights that are kept in the end; of adapters the merged matrices are kept."""
    layers = len(method["layers"])
    if method["trained"] == "full":
        return (layers * shape.layer_parameters,) * 2
    if method["trained"] == "lora":
        sizes = [shape.matrices[target] for target in method["lora"]["targets"]]
        adapters = method["lora"]["rank"] * sum(inputs + outputs for inputs, outputs in sizes)
        return layers * adapters, layers * sum(inputs * outputs for inputs, outputs in sizes)
    return (layers * shape.projection_parameters,) * 2


def forget_gradients(row: list[dict]) -> int:
    """Forget gradients a step; a Hessian-vector product counts as three."""
    for part in row:
        given = part["parameters"]
        if part["kind"] == "stableun":
            inner = bool(given["sap_radius"] or given["gap_rate"])
            around = sum(bool(given[key]) for key in ("sap_radius", "gpn_radius", "gap_rate", "hws_decay"))
            return 1 + inner + max(1, around)
        if part["kind"] == "randomised-smoothing":
            return given["draws"]
        if part["kind"] == "latent-adversarial":
            return 1 + given["steps"]
    return max([1, *({"sam": 2, "gradient-penalty": 3, "curvature": 8}.get(part["kind"], 1) for part in row)])


def unlearning_memory(shape: Shape, method: dict, to_end: bool, whole: bool) -> float:
    """Bytes of each process that trains a cell: the layers it runs (with ``whole`` all), what is trained, activations.

    Sharded layers and what is trained of them are divided, each as it is read; a ``whole`` model only afterwards.
    """
    layers = (shape.num_hidden_layers if to_end else method["read_layer"] + 1) - min(method["layers"])
    processes, sharded = method["parallel"]["processes"], method["parallel"]["sharded"]
    trained, _ = trained_parameters(shape, method)
    weights = shape.parameters if whole else layers * shape.layer_parameters + to_end * shape.head_parameters
    state = trained * (GRADIENT_BYTES + ORIGINAL_BYTES + MOVED_BYTES[method["precision"]])
    tokens = math.ceil(method["batch_size"] / processes) * method["tokens"]
    computing = activations(shape, tokens, layers, to_end, again=method["gradient_checkpointing"])
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
    to_end = reads_of("methods.FORGET_LOSSES", method["forget_loss"]) == "logits"
    first = min(method["layers"])
    last = shape.num_hidden_layers if to_end else method["read_layer"] + 1
    tokens = method["batch_size"] * method["tokens"]
    forward = shape.forward(last - first, to_end)
    gradients = forget_gradients(row) + 1 + sum(part["kind"] == "gradient-noise" for part in row)
    reference = shape.forward(last - method["read_layer"] - 1) if to_end else 0.0
    # Of most weights only the gradient that passes through them is taken, of the trained ones also their own.
    trained, kept = trained_parameters(shape, method)
    # Noise in the weights takes no step.
    steps = 0 if any(part["kind"] == "weight-noise" for part in row) else method["steps"]
    for part in row:
        steps = round(steps * part["parameters"]["factor"]) if part["kind"] == "more-steps" else steps
    passes = 3 if method["gradient_checkpointing"] else 2
    a_step = tokens * (gradients * (passes * forward + 2 * trained) + reference)
    work = Work(
        operations=steps * a_step,
        layer_calls=steps * gradients * 3 * (last - first),
        memory=unlearning_memory(shape, method, to_end, any(part["kind"] == "early-stop" for part in row)),
        disk=kept * BFLOAT16,
    )
    for part in row:
        if part["kind"] == "early-stop":
            looks = method["steps"] // part["parameters"]["every"] + 2
            work += scoring(shape, select_questions, batch_size, first, length).times(looks)
    return work
