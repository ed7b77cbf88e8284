"""What an attack says of itself to checks, plans and figures; nothing here changes what an attack does."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from unlearning_robustness.models.shape import BFLOAT16, FLOAT32, Shape, Work

# As measured on the laptop study: tokens that other words add to a question, tokens of an answered question, positions
# of a question that predict tokens of its choices.
VARIANT_TOKENS, SHOT_TOKENS, PREDICTING = 8, 12, 4

# Of so many groups of heads the least important one carries the lock of a positive control.
LOCK_GROUPS = 4
# A round of screening keeps one candidate in so many, and asks so many times as many questions.
SCREENED = 4


def screening_rounds(candidates: int, first: int, questions: int) -> list[tuple[int, int]]:
    """(candidates, questions) of each round of successive halving: ``first`` questions, then more, in the end all."""
    rounds = []
    while first < questions and candidates > SCREENED:
        rounds.append((candidates, first))
        candidates, first = ceil(candidates / SCREENED), SCREENED * first
    return [*rounds, (candidates, questions)]


@dataclass(frozen=True)
class Scoring:
    """What an attacked model is asked: ``questions``, and ``select`` ones to choose on, of ``length`` tokens."""

    questions: int
    select: int
    batch_size: int
    length: int


class AttackFacts:
    """Defaults of an attack's nested class ``Facts``; ``settings`` are its resolved parameters.

    - ``only_reads``: the model answers as before, so retain questions need not be asked.
    - ``relearns``: it trains the model on documents, step by step, along its budget.
    - ``draws``: something in it is drawn by the seed, so that equal weights are attacked otherwise under another one.
    - ``undoes_change``: it takes out what unlearning changed, so that nothing is left to do on the reference.
    - ``candidate_tokens``: what a setting that it scores on select adds to a question.
    """

    only_reads = False
    relearns = False
    draws = True
    undoes_change = False
    candidate_tokens = 0

    @staticmethod
    def problems(settings: dict) -> Iterator[tuple[str, str]]:
        """(parameter, what is wrong and the mend) where parameters do not go together."""
        yield from ()

    @staticmethod
    def compares_with_reference(settings: dict) -> bool:
        """Whether it runs the model as it was before unlearning beside the unlearned one, layer by layer."""
        return False

    @staticmethod
    def chooses_on(settings: dict) -> tuple[str, ...]:
        """The roles of the select questions that it chooses its setting on."""
        return ()

    @staticmethod
    def select_questions(settings: dict) -> tuple[str, int]:
        """How many select questions it needs at least, behind the parameter that lowers this number."""
        return "", 0

    @staticmethod
    def texts(settings: dict) -> dict[str, tuple[str, int]]:
        """How many texts of a corpus it needs at least, behind the parameter that lowers this number."""
        return {}

    @staticmethod
    def answered_questions(settings: dict) -> tuple[str, int]:
        """How many questions it shows with their answers, behind the parameter that lowers this number."""
        return "", 0

    @staticmethod
    def answered_from(settings: dict) -> tuple[str, str]:
        """The role and the split of these questions."""
        return "forget", "relearn"

    @staticmethod
    def opened_by_trigger(settings: dict) -> bool:
        """Whether it searches for what to ask behind, so that it must find a planted trigger: its positive control."""
        return False

    @staticmethod
    def mend_for_mixtures(settings: dict) -> str:
        """What to give instead on a mixture of experts, where it needs each layer to have one MLP; else nothing."""
        return ""

    @staticmethod
    def runs(settings: dict) -> int:
        """How often it starts from the model as it came."""
        return 1

    @staticmethod
    def scored_points(settings: dict) -> int:
        """At how many points of its budget a run is scored."""
        return 1

    @staticmethod
    def candidates(settings: dict, shape: Shape) -> int:
        """How many settings it scores on the select questions."""
        return 0

    @staticmethod
    def candidate_questions(settings: dict, select: int) -> int:
        """How many of ``select`` questions it scores a setting on."""
        return select

    @staticmethod
    def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
        """What a run takes beside scoring; its memory, on the model's device, counts the model."""
        return Work()

    @staticmethod
    def host_bytes(settings: dict, shape: Shape) -> float:
        """Bytes that it keeps in the host's memory wherever the model is."""
        return 0.0


class VariantFacts(AttackFacts):
    """Facts of an attack by other words, which asks plainly and then in the variant that it chose."""

    candidate_tokens = VARIANT_TOKENS

    @staticmethod
    def chooses_on(settings: dict) -> tuple[str, ...]:
        return "forget", "retain"

    @staticmethod
    def scored_points(settings: dict) -> int:
        return 2


class RewritingFacts(AttackFacts):
    """Facts of an attack that rewrites every matrix, one at a time, while the host keeps the originals."""

    @staticmethod
    def mend_for_mixtures(settings: dict) -> str:
        return "leave it out"

    @staticmethod
    def work(settings: dict, shape: Shape, scoring: Scoring) -> Work:
        return Work(memory=shape.memory() + shape.projection_parameters * (BFLOAT16 + 5 * FLOAT32))

    @staticmethod
    def host_bytes(settings: dict, shape: Shape) -> float:
        return shape.num_hidden_layers * shape.layer_parameters * BFLOAT16


class InputFacts(AttackFacts):
    """Facts of an attack that trains vectors which change what the model reads."""

    @staticmethod
    def opened_by_trigger(settings: dict) -> bool:
        return settings["entity"] == "own" and max(settings["steps"]) > 0

    @staticmethod
    def chooses_on(settings: dict) -> tuple[str, ...]:
        return "forget", "retain"

    @staticmethod
    def answered_questions(settings: dict) -> tuple[str, int]:
        return "batch_size", (settings["batch_size"] if max(settings["steps"]) > 0 else 0)

    @staticmethod
    def scored_points(settings: dict) -> int:
        return len(settings["steps"])

    @staticmethod
    def candidates(settings: dict, shape: Shape) -> int:
        # The plain question, and the vectors of every number of steps.
        return 1 + sum(map(bool, settings["steps"])) if max(settings["steps"]) > 0 else 0

    @staticmethod
    def training(settings: dict, shape: Shape, length: int) -> Work:
        """The work of training on questions of ``length`` tokens: forward, and back to the embeddings."""
        steps, layers, tokens = max(settings["steps"]), shape.num_hidden_layers, settings["batch_size"] * length
        return Work(
            operations=2 * steps * tokens * shape.forward(layers),
            layer_calls=3 * steps * layers,
            memory=shape.memory(tokens, layers=layers),
        )
