"""Equal texts are one entity: what stands in one part of a benchmark must not stand in another as well."""

from collections.abc import Iterable, Sequence

# Runs of words by which texts are compared, and the share of them in other texts that makes a text nearly equal.
RUN, NEAR = 8, 0.5


def normal_form(text: str) -> str:
    """What two texts share that differ in case and spaces alone."""
    return " ".join(text.split()).lower()


def repeated(texts: Sequence[str]) -> int:
    """How many texts repeat one before them."""
    return len(texts) - len({normal_form(text) for text in texts})


def repetition_line(corpus: str, counts: dict[str, int]) -> str:
    """What is said of a corpus some of whose texts repeat another."""
    verb = "repeats" if counts["repeated"] == 1 else "repeat"
    return f"{corpus}: {counts['repeated']} of {counts['texts']} texts {verb} another"


def joined_entities(entities: Iterable[str], texts: Iterable[str]) -> list[str]:
    """The entities (one a text), those that have an equal text joined under the first of their names in order."""
    pairs = [(entity, normal_form(text)) for entity, text in zip(entities, texts, strict=True)]
    parent: dict[str, str] = {}

    def root(entity: str) -> str:
        while parent.get(entity, entity) != entity:
            entity = parent[entity]
        return entity

    first: dict[str, str] = {}
    for entity, text in pairs:
        one, other = sorted((root(entity), root(first.setdefault(text, entity))))
        parent[other] = one
    return [root(entity) for entity, _ in pairs]
