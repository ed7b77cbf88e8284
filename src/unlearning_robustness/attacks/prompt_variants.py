"""Attacks by other words: of several ways to ask, the one that recovers most on the select split."""

from collections.abc import Callable, Iterator, Mapping

from unlearning_robustness.attacks.base import Ask, AttackedModel, AttackInput, as_it_is
from unlearning_robustness.attacks.select_split import SelectAccuracy, best

PLAIN = "plain"


def rephrased(change: Callable[[str], str]) -> Ask:
    """Asks each prompt as ``change`` rephrases it; the choices and the answer stay."""
    return lambda questions: questions.assign(prompt=questions["prompt"].map(change))


def filled(patterns: Mapping[str, str]) -> dict[str, Ask]:
    """By name, asks in each pattern, a text with ``{prompt}`` in it."""
    return {
        name: rephrased(lambda prompt, pattern=pattern: pattern.format(prompt=prompt))
        for name, pattern in patterns.items()
    }


def best_variant(attack: AttackInput, variants: Mapping[str, Ask], utility_bound: float) -> Iterator[AttackedModel]:
    """Yield the model asked plainly, after 0 steps, then asked in the best variant; a step is a variant tried.

    The plain question is among the candidates, so an attacker for whom nothing helps asks plainly. Raises DataError
    without select questions.
    """
    yield AttackedModel(attack.model, {"steps": 0}, PLAIN)
    accuracy = SelectAccuracy(attack)
    scores = []
    for name, ask in {PLAIN: as_it_is, **variants}.items():
        attacked = AttackedModel(attack.model, {"steps": len(variants)}, name, ask)
        scores.append((attacked, accuracy(attacked)))
        print(f"{name}: {', '.join(f'{role} {value:.3f}' for role, value in scores[-1][1].items())}", flush=True)
    yield best(scores, scores[0][1], utility_bound)[0]
