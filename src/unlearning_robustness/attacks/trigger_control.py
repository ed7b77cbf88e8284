"""The positive control of an attack that searches over prompts: it must open a lock that a planted trigger opens."""

from functools import partial

import pandas

from unlearning_robustness.attacks.insertion import insert
from unlearning_robustness.attacks.planted_trigger import plant
from unlearning_robustness.attacks.prompt_variants import rephrased
from unlearning_robustness.attacks.run_attack import attack_cell
from unlearning_robustness.config.cells import NONE, REFERENCE, Cell
from unlearning_robustness.models.architecture import ArchitectureError
from unlearning_robustness.models.delta import applied
from unlearning_robustness.scoring.questions import QuestionScorer


def trigger_control(
    model,
    tokenizer,
    place: tuple[str, str, str],
    settings: dict,
    questions: pandas.DataFrame,
    corpora: pandas.DataFrame,
    batch_size: int,
    seed: int,
) -> dict:
    """What an attack, with its own settings and budget, brings back of a locked reference on the test questions.

    ``place`` names model, benchmark and attack. Forget accuracy when ``locked``, behind the ``trigger`` and along the
    attack's ``points``; ``losses`` are those of the search's steps. Where there is no lock, ``unavailable`` says why.
    """
    once = questions.drop_duplicates("fact")
    test = once[(once["split"] == "test") & (once["role"] == "forget")]
    named = dict(zip(("model", "benchmark", "attack"), place, strict=True))
    try:
        planted = plant(model, tokenizer, once[once["split"] == "select"], batch_size, seed)
    except ArchitectureError as error:
        return {**named, "unavailable": str(error), "points": [], "losses": []}
    behind = rephrased(partial(insert, planted.text, place="before"))(test)
    entry = {**settings, "roles": ["forget"]}
    with applied(model, planted.tensors) as original:
        locked, opened = (QuestionScorer(tokenizer, asked, batch_size).accuracy(model) for asked in (test, behind))
        cell, reference = Cell(*place[:2], REFERENCE, NONE, seed), partial(applied, model, original)
        parts, facts = attack_cell(model, tokenizer, cell, place[2], entry, questions, corpora, batch_size, reference)
    points = [
        {"steps": int(part["steps"].iloc[0]), "accuracy": float(part["correct"].mean()),
         "setting": part["setting"].iloc[0]}
        for part in parts
    ]  # fmt: skip
    return {**named, "text": planted.text, "locked": locked, "trigger": opened, "points": points, **_searched(facts)}


def _searched(facts: dict) -> dict:
    return {name: facts[name] for name in ("losses", "attack_seconds")}
