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
QUESTION_TOKENS = 21
# An answered question before it, and what other words add to a question; both measured there too.
SHOT_TOKENS, WORDING_TOKENS = 12, 8
# Ways to ask that an attack tries, the plain one included.
WORDINGS = {"paraphrase": 7, "prefill": 7}
# A published question with its stem, four options and the sentence before it; a round figure, not measured.
LETTERED_TOKENS = 150
# Second derivatives are taken in float32, on the laptop at this multiple of bfloat16's time.
SLOWER_IN_FLOAT32 = 1.5
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


def bank(shape: Shape, settings: dict, texts: dict[str, int]) -> Work:
    """Fill a bank: to the read layer, and to the end for the likelihood of forget and refusal texts.

    On the model's device is one batch; the bank itself stands in the host's memory (``bank_bytes``).
    """
    tokens, below = settings["tokens"], settings["read_layer"] + 1
    counted = {corpus: count * tokens for corpus, count in texts.items()}
    deep = settings["likelihood"]
    operations = sum(
        count * shape.forward(shape.num_hidden_layers if deep and corpus != "retain" else below, deep)
        for corpus, count in counted.items()
    )
    kept = bank_bytes(shape, tokens, sum(texts.values()))
    calls = sum(math.ceil(count / 16) for count in texts.values()) * (shape.num_hidden_layers if deep else below)
    # Without a likelihood only embeddings and the layers to the read layer are loaded.
    weights = shape.parameters if deep else below * shape.layer_parameters + shape.head_parameters
    return Work(operations, calls, weights * BFLOAT16 + activations(shape, 16 * tokens, 0, deep), kept)


def bank_bytes(shape: Shape, tokens: int, texts: int) -> int:
    """Bytes of a bank: of every token what enters the first trained layer, and what leaves the read layer."""
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

    Sharded layers and what is trained of them are divided; before, each process has loaded the layers whole.
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
    return max(loaded, loaded - divided + (divided + state) / processes + computing)


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
    steps = method["steps"]
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
    documents = given.get("documents") or [0]
    passes = [count * max(documents) // given["batch_size"] for count in given.get("epochs") or []]
    points = given.get("steps") or passes or given.get("bits") or given.get("scales") or [0]
    if "shots" in given:
        lengths = [length + shots * SHOT_TOKENS for shots in given["shots"]]
        return sum((scoring(shape, questions, batch_size, length=each) for each in lengths), Work())
    if wordings := wordings_of(attack):
        # Asked are the plain question and the wording that was chosen.
        chosen = scoring(shape, select, batch_size, length=length + WORDING_TOKENS).times(wordings)
        return scored.times(2) + chosen
    steps = _relearning(shape, given, max(points)) if attack["kind"] == "relearn" else Work()
    held = Work(memory=memory(shape, 0) + held_by_attack(shape, attack, batch_size, length))
    chosen = scoring(shape, select, batch_size, length=length).times(candidates(shape, attack))
    one = steps + scored.times(len(points)) + chosen + _ranking(shape, attack) + held
    return one.times(len(documents))


def _relearning(shape: Shape, given: dict, steps: int) -> Work:
    """Train on one number of documents."""
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
    layers, length = shape.num_hidden_layers, given["tokens"] + question
    runs, tried = max(given["steps"]) * given["questions"], min(given["candidates"], batch_size)
    gradient = memory(shape, length, layers=layers) + given["tokens"] * shape.vocab_size * 3 * FLOAT32
    return Work(
        operations=runs * (given["candidates"] + 3) * length * shape.forward(layers),
        layer_calls=runs * (math.ceil(given["candidates"] / batch_size) + 3) * layers,
        memory=max(memory(shape, tried * length), gradient),
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
