"""Character noise: every n-th character of the question is followed by another, replaced, or out of order.

A perturbation of the Lucki suite (arXiv 2409.18025), whose spacings are 1, 3, 5, 7, 11, 15 and whose characters are
``! _ space ) ; ? 5 ~ ^ . - Q``. There the best variant is reported on the questions that chose it; here it is chosen
on the select split.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from unlearning_robustness.attacks.base import Ask, AttackedModel, AttackInput
from unlearning_robustness.attacks.facts import VariantFacts
from unlearning_robustness.attacks.prompt_variants import best_variant, rephrased
from unlearning_robustness.config.ranges import Bound, Indices
from unlearning_robustness.models.shape import Shape
from unlearning_robustness.runtime.seeds import shuffler


def insert(text: str, every: int, character: str) -> str:
    """Inserts the character after every n-th one, but not after the last, which a choice must follow."""
    last = len(text) - 1
    return "".join(
        letter + (character if (index + 1) % every == 0 and index < last else "") for index, letter in enumerate(text)
    )


def substitute(text: str, every: int, character: str) -> str:
    """Replaces every n-th character, but not the last."""
    last = len(text) - 1
    return "".join(
        character if (index + 1) % every == 0 and index < last else letter for index, letter in enumerate(text)
    )


def shuffle(text: str, every: int, seed: int) -> str:
    """Shuffles the characters of each stretch of n, seeded by the text too; the last stays where it is."""
    draw, body = shuffler(seed, f"characters/{text}"), list(text[:-1])
    stretches = [body[start : start + every] for start in range(0, len(body), every)]
    for stretch in stretches:
        draw.shuffle(stretch)
    return "".join(letter for stretch in stretches for letter in stretch) + text[-1:]


@dataclass(frozen=True)
class Characters:
    """Each spacing of ``every`` with each of ``characters`` inserted or substituted, or with its stretches shuffled.

    A spacing of 0 is no noise. Retain accuracy may be ``utility_bound`` below that of plain asking.
    """

    every: Indices
    utility_bound: Bound
    characters: str = "!_ );?5~^.-Q"

    class Facts(VariantFacts):
        @staticmethod
        def candidates(settings: dict, shape: Shape) -> int:
            characters = settings["characters"]
            return 1 + sum(2 * len(characters) + (every > 1) for every in settings["every"] if every)

    def variants(self, seed: int) -> dict[str, Ask]:
        """All variants by name."""
        variants = {}
        for every in filter(None, self.every):
            for name, change in (("insert", insert), ("substitute", substitute)):
                for character in self.characters:
                    variants[f"{name} {character!r} every {every}"] = _variant(change, every, character)
            if every > 1:
                variants[f"shuffle every {every}"] = _variant(shuffle, every, seed)
        return variants

    def run(self, attack: AttackInput) -> Iterator[AttackedModel]:
        """Yield the plainly asked model (0 steps), then the best variant; a step is a variant tried."""
        yield from best_variant(attack, self.variants(attack.seed), self.utility_bound)


def _variant(change, every: int, *more) -> Ask:
    return rephrased(lambda prompt: change(prompt, every, *more))
