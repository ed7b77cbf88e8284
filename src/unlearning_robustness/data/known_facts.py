"""Questions about the facts that the reference knows, with options that do not give the answers away."""

from dataclasses import replace

import pandas

from unlearning_robustness.data.balanced import MOST, Balanced, given_away, places_of, too_many
from unlearning_robustness.data.priors import priors_of
from unlearning_robustness.data.questions import (
    Question,
    assign_splits,
    at_random,
    build_questions,
    domain_of,
    keep_known,
    limit,
    to_table,
)
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.scoring.questions import QuestionScorer


def stated(settings: dict) -> dict[str, str]:
    """What a benchmark says of all its questions: the score that decides them, a chat template's text around them."""
    changes = {"decided_by": settings["decided_by"]} if "decided_by" in settings else {}
    if "frame" in settings:
        changes |= dict(zip(("before", "after"), settings["frame"], strict=True))
    return changes


def decided(questions: list[Question], settings: dict) -> list[Question]:
    """The questions as the benchmark states, without a score that decides by that of their source."""
    changes = stated(settings)
    return [replace(question, **changes) for question in questions] if changes else questions


class Asking:
    """Draws questions about a role's facts and asks the reference, as a benchmark's settings say."""

    def __init__(self, model, tokenizer, settings: dict, role: str, batch_size: int):
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size
        self.settings, self.entry, self.role = settings, settings[role], role
        domain = domain_of(settings, role)
        self.relations = domain.relations()
        self.splits = assign_splits(domain.entities(), self.entry["splits"])
        # Without priors, wrong answers are drawn at random.
        self.priors = None
        if settings["options"] == "balanced":
            seed = f"{settings['seed']}/{role}"
            self.priors = priors_of(model, tokenizer, self.relations, stated(settings), batch_size, seed)

    def draw(self, seed: str, hardest: bool = False) -> list[Question]:
        """All questions, their options drawn by ``seed``; ``hardest``: wrong ones likelier than the right one."""
        wrong = at_random
        if self.priors is not None:
            places = None if hardest else places_of(self.relations, self.splits, f"{seed}/{self.role}")
            wrong = Balanced(self.priors, places)
        count = self.settings["distractors"]
        return decided(build_questions(self.relations, self.role, self.splits, count, seed, wrong), self.settings)

    def correct(self, questions: list[Question], what: str = "") -> pandas.Series:
        """Whether the reference answers each question."""
        if not questions:
            return pandas.Series(dtype=bool)
        scorer = QuestionScorer(self.tokenizer, to_table(questions), self.batch_size)
        return scorer.records(self.model, Progress(f"{self.role} questions{what}", len(questions)))["correct"]

    def not_given_away(self, known: list[Question]) -> tuple[list[Question], dict[str, int]]:
        """The known questions without those whose options give too many answers away, and how many were drawn again.

        Such a question gets options as hard as there are. If the reference does not answer it then, or its options
        still give it away, its fact is dropped.
        """
        excess = too_many(known, self.priors)
        again = [one for one in self.draw(f"{self.settings['seed']}/hardest", True) if one.question in excess]
        right = self.correct(again, ", options drawn again")
        mended = {
            one.question: one
            for one, answered in zip(again, right, strict=True)
            if answered and given_away(one, self.priors) <= MOST
        }
        dropped = {one.fact for one in again if one.question not in mended}
        kept = [mended.get(one.question, one) for one in known if one.fact not in dropped]
        return kept, {"questions_drawn_again": len(again), "facts_given_away": len(dropped)}


def known_questions(model, tokenizer, settings: dict, role: str, batch_size: int) -> tuple[list, dict]:
    """The role's questions about facts that the reference answers in every template, and a report on them.

    The report's ``redrawn_accuracy`` asks the kept facts again with other distractors: some were lucky guesses,
    and this is how far below 1 the reference's knowledge of them really is.
    """
    asking, entry, seed = Asking(model, tokenizer, settings, role, batch_size), settings[role], settings["seed"]
    asked = asking.draw(f"{seed}")
    answered = asking.correct(asked)
    known, balance = keep_known(asked, answered), {}
    if asking.priors is not None:
        known, balance = asking.not_given_away(known)
    if not known and role != "neighbour":
        raise DataError(f"the model knows no {role} fact: choose another model or domain")
    asked_of = limit(known, entry["templates_asked"], entry["max_facts"], f"{seed}/{role}")
    kept = {question.fact for question in asked_of}
    again = [question for question in asking.draw(f"{seed}/redrawn") if question.fact in kept]
    redrawn = asking.correct(again, ", redrawn") if again else pandas.Series([0.0])
    report = {
        "facts_asked": len({question.fact for question in asked}),
        "facts_known": len({question.fact for question in known}),
        "accuracy_of_all": round(float(answered.mean()), 4),
        "redrawn_accuracy": round(float(redrawn.mean()), 4),
        **balance,
    }
    return asked_of, report
