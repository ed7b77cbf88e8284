"""The work of each rule for one cell: pure functions of the model's shape and the settings.

Counted are the multiplications with weights, two operations a weight and token forward and as many for each gradient
that is taken. Texts are short, so attention scores do not count.
"""

import math

from unlearning_robustness.config.parameters import reads_of
from unlearning_robustness.estimate.machines import Work
from unlearning_robustness.estimate.shape import Shape

BFLOAT16, FLOAT32 = 2, 4
# A question with its four choices, packed; measured on the laptop study.
QUESTION_TOKENS = 21
# Second derivatives are taken in float32, on the laptop at this multiple of bfloat16's time.
SLOWER_IN_FLOAT32 = 1.5
# A trained weight has a float32 master, a gradient and two moments.
TRAINED_BYTES = 4 * FLOAT32
# Logits are held in float32, as log-probabilities, and with their gradient.
LOGIT_BYTES = 4 * FLOAT32
# What a backward pass keeps of a layer: its input, the attention's and the MLP's inner activations.
KEPT_ACTIVATIONS = 16


def memory(shape: Shape, tokens: int, trained: int = 0, layers: int = 0, head: bool = True, dtype: int = BFLOAT16):
    """Bytes held: weights, what training adds, logits of ``tokens`` tokens, activations for a backward pass."""
    activations = tokens * layers * shape.hidden_size * KEPT_ACTIVATIONS * dtype
    logits = tokens * shape.vocab_size * LOGIT_BYTES if head else 0
    return shape.parameters * dtype + trained * TRAINED_BYTES + activations + logits


def scoring(shape: Shape, questions: int, batch_size: int, first_layer: int = 0) -> Work:
    """Score questions, from ``first_layer`` on where what lies below is kept."""
    layers = shape.num_hidden_layers - first_layer
    return Work(
        operations=questions * QUESTION_TOKENS * shape.forward(layers),
        layer_calls=math.ceil(questions / batch_size) * layers,
        memory=memory(shape, min(questions, batch_size) * QUESTION_TOKENS),
        disk=questions * 80,
    )


def bank(shape: Shape, settings: dict, texts: dict[str, int]) -> Work:
    """Fill a bank: to the read layer, and to the end for the likelihood of forget and refusal texts."""
    tokens, below = settings["tokens"], settings["read_layer"] + 1
    counted = {corpus: count * tokens for corpus, count in texts.items()}
    deep = settings["likelihood"]
    operations = sum(
        count * shape.forward(shape.num_hidden_layers if deep and corpus != "retain" else below, deep)
        for corpus, count in counted.items()
    )
    kept = 2 * sum(counted.values()) * shape.hidden_size * BFLOAT16
    calls = sum(math.ceil(count / 16) for count in texts.values()) * (shape.num_hidden_layers if deep else below)
    return Work(operations, calls, memory(shape, 16 * tokens, head=deep) + 3 * kept, kept)


def trained_parameters(shape: Shape, method: dict) -> tuple[int, int]:
    """Weights that are trained, and weights that are kept in the end; of adapters the merged matrices are kept."""
    layers = len(method["layers"])
    if method["trained"] == "full":
        return (layers * shape.layer_parameters,) * 2
    if method["trained"] == "lora":
        adapters = (
            len(method["lora"]["targets"]) * method["lora"]["rank"] * (shape.hidden_size + shape.intermediate_size)
        )
        return layers * adapters, layers * shape.layer_parameters
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


def unlearning(shape: Shape, method: dict, row: list[dict], select_questions: int, batch_size: int) -> Work:
    """Train one cell."""
    to_end = reads_of("methods.FORGET_LOSSES", method["forget_loss"]) == "logits"
    first = min(method["layers"])
    last = shape.num_hidden_layers if to_end else method["read_layer"] + 1
    tokens = method["batch_size"] * method["tokens"]
    forward = shape.forward(last - first, to_end)
    gradients = forget_gradients(row) + 1 + sum(part["kind"] == "gradient-noise" for part in row)
    reference = shape.forward(last - method["read_layer"] - 1) if to_end else 0.0
    # Of most weights only the gradient that passes through them is taken, of the trained ones also their own.
    trained, kept = trained_parameters(shape, method)
    steps = method["steps"]
    for part in row:
        steps = round(steps * part["parameters"]["factor"]) if part["kind"] == "more-steps" else steps
    a_step = tokens * (gradients * (2 * forward + 2 * trained) + reference)
    work = Work(
        operations=steps * a_step,
        layer_calls=steps * gradients * 3 * (last - first),
        memory=memory(shape, tokens, trained, last - first, to_end),
        disk=kept * BFLOAT16,
    )
    for part in row:
        if part["kind"] == "early-stop":
            looks = method["steps"] // part["parameters"]["every"] + 2
            work += scoring(shape, select_questions, batch_size, first).times(looks)
    return work


def attacking(shape: Shape, attack: dict, questions: int, batch_size: int, select: int = 0) -> Work:
    """Attack one cell and score it along the budget; of attacks without gradients only the scoring counts.

    What is chosen is scored on ``select`` questions in every setting first.
    """
    given = attack["parameters"]
    if "candidates" in given:
        return searching(shape, given, batch_size) + scoring(shape, questions, batch_size).times(len(given["steps"]))
    documents = given.get("documents") or [0]
    passes = [count * max(documents) // given["batch_size"] for count in given.get("epochs") or []]
    points = given.get("steps") or given.get("shots") or passes or given.get("bits") or given.get("scales") or [0]
    runs = len(documents)
    tokens = given.get("batch_size", 0) * given.get("tokens", 0)
    layers = shape.num_hidden_layers
    every = given.get("trained", "down-projections") != "down-projections"
    trained = layers * (shape.layer_parameters if every else shape.projection_parameters)
    steps = Work(
        operations=max(points) * tokens * (2 * shape.forward(layers) + 2 * trained),
        layer_calls=max(points) * 3 * layers,
        memory=memory(shape, tokens, trained, layers),
    )
    chosen = scoring(shape, select, batch_size).times(candidates(shape, attack))
    return (steps + scoring(shape, questions, batch_size).times(len(points)) + chosen + _ranking(shape, attack)).times(
        runs
    )


def _ranking(shape: Shape, attack: dict) -> Work:
    """What pruning's scores cost: texts of two corpora, one at a time, with gradients of every weight for SNIP."""
    given = attack["parameters"]
    if attack["kind"] != "prune":
        return Work()
    layers, passes = shape.num_hidden_layers, 3 if given["score"] == "snip" else 1
    read = 2 * given["texts"]
    scores = layers * shape.layer_parameters * FLOAT32
    return Work(
        operations=read * given["tokens"] * passes * shape.forward(layers),
        layer_calls=read * passes * layers,
        memory=memory(shape, given["tokens"], layers=layers) + scores,
    )


def candidates(shape: Shape, attack: dict) -> int:
    """How many settings an attack scores on the select questions before it chooses."""
    given = attack["parameters"]
    if attack["kind"] == "orthogonalise":
        return len(given["layers"] or range(shape.num_hidden_layers)) + 2
    if attack["kind"] == "prune":
        return 1 + sum(p >= q > 0 for q in given["fractions"] for p in given["fractions"])
    return int(attack["kind"] == "logit-lens")


def searching(shape: Shape, given: dict, batch_size: int) -> Work:
    """Search tokens in prompts: in every question a gradient a step, and a forward of each candidate."""
    layers, length = shape.num_hidden_layers, given["tokens"] + QUESTION_TOKENS
    runs = max(given["steps"]) * given["questions"]
    return Work(
        operations=runs * (given["candidates"] + 3) * length * shape.forward(layers),
        layer_calls=runs * (math.ceil(given["candidates"] / batch_size) + 3) * layers,
        memory=memory(shape, min(given["candidates"], batch_size) * length, layers=layers),
    )


def latents(shape: Shape, settings: dict) -> Work:
    """Statistics of latents in float32: noisy forwards, and Hessian-vector products of some questions."""
    noisy = settings["questions"] * (4 + len(settings["noise_scales"]) * settings["noise_draws"])
    hessian = settings["hessian_questions"] * settings["hessian_draws"]
    tokens = (noisy + 6 * hessian) * QUESTION_TOKENS
    operations = SLOWER_IN_FLOAT32 * tokens * shape.forward(shape.num_hidden_layers)
    held = memory(shape, settings["questions"] * QUESTION_TOKENS, layers=shape.num_hidden_layers, dtype=FLOAT32)
    return Work(operations, (hessian * 6 + 20) * shape.num_hidden_layers, held)


def sharpness(shape: Shape, settings: dict) -> Work:
    """Sharpness in float32, in forward passes: a loss is one, a gradient three, a Hessian-vector product four."""
    losses = 2 * settings["draws"] + 2 * settings["divergence"]["draws"]
    gradients = len(settings["radii"]) * (settings["lipschitz_draws"] + 3)
    passes = losses + 3 * gradients + 4 * (settings["trace_draws"] + settings["iterations"])
    tokens = settings["documents"] * settings["tokens"]
    operations = SLOWER_IN_FLOAT32 * passes * tokens * shape.forward(shape.num_hidden_layers)
    held = memory(shape, tokens, layers=shape.num_hidden_layers, dtype=FLOAT32)
    return Work(operations, passes * shape.num_hidden_layers, held)


def landscape(shape: Shape, settings: dict) -> Work:
    """Losses in float32 along a line and on a plane through the weights, of forget and retain texts."""
    losses = len(settings["line"]) + settings["plane"] ** 2
    tokens = 2 * settings["documents"] * settings["tokens"]
    operations = SLOWER_IN_FLOAT32 * losses * tokens * shape.forward(shape.num_hidden_layers)
    return Work(operations, losses * shape.num_hidden_layers, memory(shape, tokens, dtype=FLOAT32))
