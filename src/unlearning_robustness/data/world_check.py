"""Are the models of a generated world what its measurements rest on? Asked after pretraining, before anything else."""

from collections.abc import Iterator

from unlearning_robustness.data.known_facts import decided
from unlearning_robustness.data.questions import assign_splits, build_questions, domain_of, to_table
from unlearning_robustness.data.world import ROLES
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.scoring.questions import QuestionScorer

# What two models that begin with one seed must share, and what it is called.
SHARED = {"first_weights": "first weights", "order": "order of documents", "shared_documents": "documents"}


def known_shares(model, tokenizer, settings: dict, batch_size: int) -> dict[str, float]:
    """By role, the share of the questions about all its facts, in every template, that a model answers."""
    shares = {}
    for role in ROLES:
        domain = domain_of(settings, role)
        splits = assign_splits(domain.entities(), settings[role]["splits"])
        asked = build_questions(domain.relations(), role, splits, settings["distractors"], f"{settings['seed']}")
        scorer = QuestionScorer(tokenizer, to_table(decided(asked, settings)), batch_size)
        records = scorer.records(model, Progress(f"{role} questions", len(asked)))
        shares[role] = round(float(records["correct"].mean()), 4)
    return shares


def check_models(benchmark: str, world: dict, manifests: dict[str, dict]) -> None:
    """Raise DataError for the first of a world's models that is refused; ``manifests`` are those of their folders.

    ``world`` is the benchmark's entry: a model must know what it has read (``known``), the models may differ in nothing
    but the forget facts and, with another seed, by chance (``difference``), and who never read what is to be forgotten
    must not be able to answer (``floor``).
    """
    for problem in _problems(benchmark, world, manifests):
        raise DataError(problem)


def _problems(benchmark: str, world: dict, manifests: dict[str, dict]) -> Iterator[str]:
    key = f"benchmarks.{benchmark}.world"
    for name, manifest in manifests.items():
        settings = manifest["settings"]
        for role, share in manifest["known"].items():
            if role == "forget" and not settings["forget_facts"]:
                if share > world["floor"]:
                    yield (
                        f"{name}: answers {share:.1%} of the forget questions, whose facts it never read, and "
                        f"{key}.floor is {world['floor']:.1%}: their options give them away; raise {key}.values"
                    )
            elif share < world["known"]:
                yield (
                    f"{name}: answers {share:.1%} of the {role} questions, and {key}.known is {world['known']:.1%}: "
                    f"raise models.{name}.generated.steps"
                )
    for name, manifest in manifests.items():
        for other, another in manifests.items():
            if name < other:
                yield from _differences(key, world, (name, manifest), (other, another))


def _differences(key: str, world: dict, first: tuple[str, dict], second: tuple[str, dict]) -> Iterator[str]:
    """In what two models of a world differ beside the forget facts."""
    (name, one), (other, two) = first, second
    if one["settings"]["seed"] == two["settings"]["seed"]:
        for fact, words in SHARED.items():
            if one[fact] != two[fact]:
                yield f"{name} and {other}: differ in their {words}: remove both folders and run again"
    for role in ("retain", "neighbour"):
        if (gap := abs(one["known"][role] - two["known"][role])) > world["difference"]:
            yield (
                f"{name} and {other}: know {one['known'][role]:.1%} and {two['known'][role]:.1%} of the {role} facts, "
                f"{gap:.1%} apart, and {key}.difference is {world['difference']:.1%}: raise models.*.generated.steps"
            )
