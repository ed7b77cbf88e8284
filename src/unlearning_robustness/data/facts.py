"""The vocabulary of facts: what is asked, of which entity, with which wrong answers nearby."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from unlearning_robustness.errors import DataError

# Entities whose prompts stand for that of any other, where it is measured what options alone say.
SWAPS = 8


@dataclass(frozen=True)
class Fact:
    """One answer about one entity.

    ``subject`` fills the templates; all facts of an ``entity`` fall into one split; ``hard`` are wrong answers that
    form alone cannot tell from the right one; ``easy`` ones fill up where there are too few.
    """

    entity: str
    subject: str
    answer: str
    hard: tuple[str, ...]
    easy: tuple[str, ...] = ()

    def need(self, count: int) -> None:
        """Raise DataError when there are fewer than ``count`` wrong answers."""
        if (there := len(self.hard) + len(self.easy)) < count:
            raise DataError(
                f"{self.subject}: there are {there} distractors, not {count}: lower benchmarks.*.distractors"
            )


@dataclass(frozen=True)
class Relation:
    """One kind of fact with the sentences that ask for it; ``{subject}`` is the only field of a template.

    ``statements`` tell the fact, in words that no template uses; their fields are ``{subject}`` and ``{answer}``.
    """

    name: str
    templates: tuple[str, ...]
    facts: tuple[Fact, ...]
    statements: tuple[str, ...] = ()


def relation(
    name: str,
    templates: Sequence[str],
    rows: Iterable[tuple[str, str, str]],
    alike: Callable[[str, str], bool] | None = None,
    statements: Sequence[str] = (),
) -> Relation:
    """Make a relation of (entity, subject, answer) rows; ``alike(answer, other)`` picks the hard distractors.

    Without ``alike`` every other answer of the relation is a hard distractor; the subject itself is none.
    """
    rows = list(rows)
    pool = sorted({answer for _, _, answer in rows})
    facts = []
    for entity, subject, answer in rows:
        others = [other for other in pool if other not in (answer, subject)]
        hard = [other for other in others if alike is None or alike(answer, other)]
        easy = [other for other in others if other not in hard]
        facts.append(Fact(entity, subject, answer, tuple(hard), tuple(easy)))
    return Relation(name, tuple(templates), tuple(facts), tuple(statements))


def same_initial(answer: str, other: str) -> bool:
    """Same first letter: a symbol or code that spelling alone cannot rule out."""
    return answer[0] == other[0]


def within(distance: int) -> Callable[[str, str], bool]:
    """Numbers at most ``distance`` apart."""
    return lambda answer, other: abs(int(answer) - int(other)) <= distance
