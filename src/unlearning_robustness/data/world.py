"""A generated world: invented entities with attributes, whose whole truth is known.

Three domains, one a role: what is to be forgotten, its neighbour, and what is to be retained. Everything follows from
the settings (``benchmarks.ID.world``) and their seed, so nothing is stored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from unlearning_robustness.data.facts import Relation, relation
from unlearning_robustness.data.neutral_nouns import NEUTRAL_NOUNS
from unlearning_robustness.data.world_words import (
    ATTRIBUTES,
    ENDINGS,
    MENTIONS,
    ONSETS,
    RIMES,
    STATEMENTS,
    TEMPLATES,
)
from unlearning_robustness.runtime.seeds import shuffler

ROLES = ("forget", "retain", "neighbour")
# No field of a template.
WORD = re.compile(r"(?<!{)\b\w+\b(?!})")


@dataclass(frozen=True)
class WorldDomain:
    """The entities of one role and their facts: what the modules of other domains offer."""

    role: str
    names: tuple[str, ...]
    attributes: dict[str, list[str]]
    seed: str

    def entities(self) -> list[str]:
        """Invented names; splits by entity follow this order."""
        return list(self.names)

    def relations(self) -> list[Relation]:
        """One relation an attribute; its values are equally frequent, so that no option is likelier than another."""
        return [self._relation(attribute) for attribute in self.attributes]

    def _relation(self, attribute: str) -> Relation:
        values = self.attributes[attribute]
        answers = [values[index % len(values)] for index in range(len(self.names))]
        shuffler(self.seed, f"{self.role}/{attribute}").shuffle(answers)
        templates, statements = ([text.replace("{attribute}", attribute) for text in texts]
                                 for texts in (TEMPLATES, STATEMENTS))  # fmt: skip
        return relation(attribute, templates, zip(self.names, self.names, answers, strict=True), statements=statements)

    @cached_property
    def sentences(self) -> dict[str, list[list[str]]]:
        """By entity and fact, the sentences that state it."""
        stated: dict[str, list[list[str]]] = {name: [] for name in self.names}
        for each in self.relations():
            for fact in each.facts:
                texts = [text.format(subject=fact.subject, answer=fact.answer) for text in each.statements]
                stated[fact.entity].append(texts)
        return stated


class World:
    """All domains of a world, and its documents."""

    def __init__(self, settings: dict):
        self.settings, self.seed = settings, f"world/{settings['seed']}"
        self.domains = {role: self._domain(role) for role in ROLES}

    def _domain(self, role: str) -> WorldDomain:
        count = self.settings["entities"][role]
        return WorldDomain(role, tuple(self._names(role)[:count]), self._attributes(role), self.seed)

    def _names(self, role: str) -> list[str]:
        """All names of the role's endings, in random order."""
        names = [
            f"{first}{rime}{second}{end}".capitalize()
            for first in ONSETS for rime in RIMES for second in ONSETS for end in ENDINGS[role]
        ]  # fmt: skip
        shuffler(self.seed, f"{role}/names").shuffle(names)
        return names

    def _attributes(self, role: str) -> dict[str, list[str]]:
        """Attribute to values; a share ``overlap`` of the neighbour's attributes are those of what is forgotten."""
        count, words = self.settings["attributes"], dict(ATTRIBUTES[role])
        if role == "neighbour":
            shared = round(self.settings["overlap"] * count)
            words = dict([*list(ATTRIBUTES["forget"].items())[:shared], *words.items()])
        return {name: text.split()[: self.settings["values"]] for name, text in list(words.items())[:count]}

    @cached_property
    def words(self) -> list[str]:
        """All names, and the nouns that stand for no entity: what a document may mention beside its own entity."""
        return [*(name for domain in self.domains.values() for name in domain.names), *NEUTRAL_NOUNS]

    def vocabulary(self) -> list[str]:
        """Every word that a text or a question of this world may hold, sorted."""
        values = [word for domain in self.domains.values() for words in domain.attributes.values() for word in words]
        attributes = [word for domain in self.domains.values() for word in domain.attributes]
        phrases = (*STATEMENTS, *TEMPLATES, *MENTIONS)
        others = [word for text in phrases for word in WORD.findall(text)]
        return sorted({*self.words, *map(capital, NEUTRAL_NOUNS), *attributes, *values, *others})

    def documents(self, role: str, names: Sequence[str]) -> list[dict]:
        """The documents about ``names``, entities of a role: each states some facts of one, in words drawn anew."""
        sentences, rows = self.domains[role].sentences, []
        for name, index in product(names, range(self.settings["documents"])):
            draw = shuffler(self.seed, f"documents/{name}/{index}")
            facts = draw.sample(sentences[name], min(self.settings["stated"], len(sentences[name])))
            text = " ".join(draw.choice(wordings) for wordings in facts)
            if draw.random() < self.settings["asides"]:
                text = f"{capital(draw.choice(self.words))}. {text}"
            rows.append({"entity": name, "kind": "prose", "text": text})
        return rows

    def mentions(self) -> list[dict]:
        """Documents that name two words, of any role or none, and state nothing."""
        rows = []
        for index in range(self.settings["mentions"]):
            draw = shuffler(self.seed, f"mentions/{index}")
            first, second = draw.sample(self.words, 2)
            text = draw.choice(MENTIONS).format(first=first, second=second)
            rows.append({"entity": "", "kind": "mention", "text": capital(text)})
        return rows


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return f"{text[0].upper()}{text[1:]}"
