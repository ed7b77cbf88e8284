"""The work of what is measured beside answers: pure functions of the model's shape and the resolved configuration.

Beside them stands the work of making a model that memorised texts, which such measures need.
"""

import math
from dataclasses import replace

from unlearning_robustness.config.cells import Cell, defence_row
from unlearning_robustness.config.effects import checkpoints
from unlearning_robustness.estimate.work import QUESTION_TOKENS, attacking, relearning, scored_in, scoring, unlearning
from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work

# Second derivatives are taken in float32, on the laptop at this multiple of bfloat16's time.
SLOWER_IN_FLOAT32 = 1.5
# Of a sentence that states a fact of a generated world.
SENTENCE_TOKENS = 6.5


def latents(shape: Shape, config: dict) -> Work:
    """Statistics of latents in float32: noisy forwards, and Hessian-vector products of some questions."""
    settings = config["latents"]
    noisy = settings["questions"] * (4 + len(settings["noise_scales"]) * settings["noise_draws"])
    hessian = settings["hessian_questions"] * settings["hessian_draws"]
    tokens = (noisy + 6 * hessian) * QUESTION_TOKENS
    operations = SLOWER_IN_FLOAT32 * tokens * shape.forward(shape.num_hidden_layers)
    memory = shape.memory(settings["questions"] * QUESTION_TOKENS, layers=shape.num_hidden_layers, dtype=FLOAT32)
    return Work(operations, (hessian * 6 + 20) * shape.num_hidden_layers, memory)


def sharpness(shape: Shape, config: dict) -> Work:
    """Sharpness in float32, in forward passes: a loss is one, a gradient three, a Hessian-vector product four."""
    settings = config["sharpness"]
    losses = 2 * settings["draws"] + 2 * settings["divergence"]["draws"]
    gradients = len(settings["radii"]) * (settings["lipschitz_draws"] + 3)
    passes = losses + 3 * gradients + 4 * (settings["trace_draws"] + settings["iterations"])
    tokens = settings["documents"] * settings["tokens"]
    operations = SLOWER_IN_FLOAT32 * passes * tokens * shape.forward(shape.num_hidden_layers)
    memory = shape.memory(tokens, layers=shape.num_hidden_layers, dtype=FLOAT32)
    return Work(operations, passes * shape.num_hidden_layers, memory)


def landscape(shape: Shape, config: dict) -> Work:
    """The attack that gives the direction, then losses along a line and on a plane, of forget and retain texts.

    All of it is float32.
    """
    settings = config["landscape"]
    losses = len(settings["line"]) + settings["plane"] ** 2
    tokens = 2 * settings["documents"] * settings["tokens"]
    operations = SLOWER_IN_FLOAT32 * losses * tokens * shape.forward(shape.num_hidden_layers)
    attack = relearning(shape, config["attacks"][settings["attack"]])
    slices = Work(operations, losses * shape.num_hidden_layers, shape.memory(tokens, dtype=FLOAT32))
    return slices + Work(SLOWER_IN_FLOAT32 * attack.operations, attack.layer_calls, 2 * attack.memory)


def memorisation(shape: Shape, config: dict) -> Work:
    """Greedy answers, token by token, and likelihoods of texts; where there is an attack, again after it."""
    settings, layers = config["memorisation"], shape.num_hidden_layers
    shown, continued, texts = (settings.get(key, 0) for key in ("prompt_tokens", "continuation_tokens", "documents"))
    shots, questions = settings.get("shots", 0) * QUESTION_TOKENS, settings["questions"]
    # (how many, tokens of the prompt, tokens of the answer): beginnings of texts, and questions of both roles.
    asked = [(texts, shown, continued), (2 * questions, QUESTION_TOKENS, settings["answer_tokens"])]
    lengths = 2 * texts * settings.get("longest_text", shown + continued)
    # Answered questions are run once a batch.
    tokens = lengths + sum(count * (prompt + answer) for count, prompt, answer in asked)
    tokens += 2 * math.ceil(questions / settings["batch_size"]) * shots
    calls = sum(math.ceil(count / settings["batch_size"]) * (1 + answer) for count, _, answer in asked)
    memory = shape.memory(settings["batch_size"] * (shots + QUESTION_TOKENS))
    one = Work(tokens * shape.forward(layers), calls * layers, memory)
    attack = settings.get("attack")
    return one.times(2) + relearning(shape, config["attacks"][attack]) if attack else one


def trajectory(shape: Shape, config: dict, cell: Cell, questions: dict[str, int], length: int) -> Work:
    """The training of a cell, and its questions at every recorded step; with an attack that on each, and its answers.

    ``questions`` are those of each role in the test split, of ``length`` tokens.
    """
    settings, method, batch_size = config["trajectory"], config["methods"][cell.method], config["scoring"]["batch_size"]
    points = checkpoints(method["steps"], settings["every"]) + 1
    asked = {role: min(count, settings["questions"]) for role, count in questions.items()}
    # Forget facts also about another entity, retain facts also behind a forget token.
    scored = 2 * asked["forget"] + 2 * asked["retain"] + asked["neighbour"]
    work = unlearning(shape, method, defence_row(config, cell.defence, cell.method), 0, batch_size, length)
    precision = config["scoring"]["precision"]
    one = scored_in(scoring(shape, scored, batch_size, min(method["layers"]), length), shape, precision)
    work = replace(work, disk=0) + one.times(points)
    if "attack" not in settings:
        return work
    entry = config["attacks"][settings["attack"]]
    return work + attacking(shape, entry, asked["forget"], batch_size, 0, length, precision).times(points)


def target_model(shape: Shape, settings: dict) -> Work:
    """Fine-tune a model on the texts that it is to unlearn: the entry models.ID.memorised."""
    tokens = settings["batch_size"] * settings["tokens"]
    projections = shape.num_hidden_layers * shape.projection_parameters
    trained = shape.parameters if settings["tensors"] == "all" else projections
    return replace(shape.fine_tuning(settings["steps"], tokens, trained), disk=shape.parameters * BFLOAT16)


def pretraining(settings: dict, world: dict) -> Work:
    """Train a small model from its first weights, on a world's documents, and ask it about all facts.

    A document's sentences have about ``SENTENCE_TOKENS`` tokens each.
    """
    shape = Shape.of(settings["shape"])
    tokens = settings["batch_size"] * world["stated"] * SENTENCE_TOKENS
    facts = sum(world["entities"].values()) * world["attributes"]
    trained = shape.fine_tuning(settings["steps"], tokens, shape.parameters)
    return replace(trained, disk=shape.parameters * FLOAT32) + scoring(shape, 2 * facts, settings["batch_size"])
