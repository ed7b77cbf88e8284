import copy
import zlib
from collections import Counter

import numpy
import pytest
import torch
from synthetic import study

from unlearning_robustness.data import known_facts, priors
from unlearning_robustness.data.balanced import MOST, Balanced, balanced, given_away, places_of, too_many
from unlearning_robustness.data.facts import SWAPS, Fact, relation
from unlearning_robustness.data.known_facts import Asking, known_questions
from unlearning_robustness.data.priors import Prior, priors_of
from unlearning_robustness.data.questions import DOMAINS, build_questions
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

ANSWERS = tuple("abcdefgh")
# Nobody is right of these; "a" is the least likely.
PRIOR = Prior(ANSWERS, ("x", "y"), numpy.array([range(8), range(8)], dtype=float))


def fact(answer, hard=ANSWERS):
    return Fact("e", "e", answer, tuple(one for one in hard if one != answer), ())


def test_a_prior_is_the_mean_over_entities_of_which_an_option_is_not_right():
    prior = Prior(("a", "b"), ("a", "b", "c"), numpy.array([[9.0, 1.0], [2.0, 9.0], [4.0, 3.0]]))
    assert prior.of(["b", "a"]).tolist() == [2.0, 3.0]
    # Of b and c, a wins the latter only.
    assert prior.wins(["b", "a"], "a") == 0.5
    assert prior.wins(["b", "a"], "b") == 0.0


@pytest.mark.parametrize("likelier", range(4))
def test_as_many_wrong_options_as_asked_are_likelier_than_the_right_one_and_all_are_near(likelier):
    wrong = balanced(fact("e"), 3, PRIOR, likelier, shuffler(0, "x"))
    assert len(set(wrong)) == 3 and "e" not in wrong
    assert sum(option > "e" for option in wrong) == likelier
    assert max(abs(ANSWERS.index(option) - 4) for option in wrong) <= max(2 * likelier, 2 * (3 - likelier))


def test_where_a_side_has_too_few_the_other_fills_up():
    assert set(balanced(fact("g"), 3, PRIOR, 3, shuffler(0, "x"))) & {"h"} == {"h"}
    assert all(option < "h" for option in balanced(fact("h"), 3, PRIOR, 3, shuffler(0, "x")))
    assert all(option > "a" for option in balanced(fact("a"), 3, PRIOR, 0, shuffler(0, "x")))
    with pytest.raises(DataError, match="there are 2 distractors, not 3"):
        balanced(fact("a", "abc"), 3, PRIOR, 0, shuffler(0, "x"))


def test_hard_options_come_first_and_count_towards_those_that_are_likelier():
    few = Fact("e", "e", "d", ("h",), tuple("abcefg"))
    for seed in range(10):
        wrong = balanced(few, 3, PRIOR, 1, shuffler(seed, "x"))
        assert wrong[0] == "h" and sum(option > "d" for option in wrong) == 1


def test_every_place_is_equally_frequent_in_each_relation_and_split():
    relations, splits = DOMAINS["elements"].relations(), {}
    for number, entity in enumerate(DOMAINS["elements"].entities()):
        splits[entity] = "select" if number % 3 else "test"
    places = places_of(relations, splits, "7")
    for one in relations:
        for split in ("select", "test"):
            counts = Counter(places[one.name, fact.entity] % 4 for fact in one.facts if splits[fact.entity] == split)
            assert max(counts.values()) - min(counts.values()) <= 1
    assert places == places_of(relations, splits, "7") != places_of(relations, splits, "8")


def asked_once(answer, number):
    """A question about ``number`` with the likeliest options below ``answer``."""
    rows = [(f"e{number}", f"e{number}", answer)]
    made = relation("r", ["of {subject} is"], rows + [("x", "x", other) for other in ANSWERS if other != answer])
    splits = {f"e{number}": "test", "x": "test"}
    wrong = Balanced({("r", 0): PRIOR}, dict.fromkeys([("r", f"e{number}"), ("r", "x")], 0))
    return build_questions([made], "forget", splits, 3, "0", wrong)[0]


def test_as_many_questions_as_chance_allows_may_give_their_answer_away():
    questions = [asked_once("h", number) for number in range(3)] + [asked_once("a", number) for number in range(3, 8)]
    by = {("r", 0): PRIOR}
    assert [given_away(question, by) for question in questions] == [1.0] * 3 + [0.0] * 5
    # Eight questions of four options: two may.
    assert len(too_many(questions, by)) == 1 and too_many(questions, by) < {one.question for one in questions[:3]}
    assert too_many(questions[3:], by) == set()


class Planted:
    """A model that finds an answer as likely as a hash of its text, and what is right likelier by ``BONUS``."""

    BONUS = 2.0

    def __init__(self, tokenizer, table, batch_size):
        self.table = table

    def log_likelihoods(self, model, progress=None):
        rows = self.table.itertuples()
        return torch.tensor([[self.score(row.prompt, choice) for choice in row.choices] for row in rows])

    def score(self, prompt, choice):
        frequent = 8 * (zlib.crc32(choice.encode()) % 1000) / 1000
        noise = (zlib.crc32(f"{prompt}{choice}".encode()) % 1000) / 1000
        return frequent + noise + (self.BONUS if (prompt, choice) in RIGHT else 0)

    def deciding(self, sums):
        return sums.double().numpy()

    def records(self, model, progress):
        return self.table.assign(correct=self.log_likelihoods(model).argmax(-1).numpy() == self.table["answer"])


RIGHT = {
    (text.format(subject=one.subject), one.answer)
    for name in ("elements", "geography")
    for kind in DOMAINS[name].relations()
    for one in kind.facts
    for text in kind.templates
}


@pytest.fixture
def settings(monkeypatch):
    for module in (known_facts, priors):
        monkeypatch.setattr(module, "QuestionScorer", Planted)
    return copy.deepcopy(study()["benchmarks"]["elements"])


def floor_of(questions):
    """Accuracy of the planted model's prior alone: the noise is that of another prompt."""
    planted = Planted(None, None, 0)
    right = [
        max(one.choices, key=lambda choice: planted.score("about something else", choice)) == one.choices[one.answer]
        for one in questions
    ]
    return numpy.mean(right)


def test_balanced_options_bring_what_the_prior_answers_to_chance(settings):
    floors, counts = {}, {}
    for options in ("random", "balanced"):
        kept, report = known_questions(None, None, settings | {"options": options}, "forget", 8)
        floors[options], counts[options] = floor_of(kept), len(kept)
        assert report["redrawn_accuracy"] > 0.6
    assert floors["random"] > 0.4 and floors["balanced"] < 0.3
    assert counts["balanced"] > 0.8 * counts["random"]


def test_known_questions_that_give_too_much_away_are_drawn_again_or_dropped(settings):
    asking = Asking(None, None, settings, "forget", 8)
    easiest = Balanced(asking.priors, dict.fromkeys(places_of(asking.relations, asking.splits, ""), 0))
    drawn = build_questions(asking.relations, "forget", asking.splits, 3, "0", easiest)
    known = [one for one in drawn if one.template == 0]
    excess = too_many(known, asking.priors)
    kept, report = asking.not_given_away(known)
    assert report["questions_drawn_again"] == len(excess) > 100
    assert len(kept) == len(known) - report["facts_given_away"]
    mended = [one for one in kept if one.question in excess]
    assert len(mended) + report["facts_given_away"] == len(excess)
    assert all(given_away(one, asking.priors) <= MOST for one in mended)


def test_entities_of_a_prior_have_as_different_answers_as_there_are(tiny_model, tiny_tokenizer):
    rows = [(str(number), str(number), "metal" if number < 20 else "gas") for number in range(22)]
    made = relation("series", ["{subject} is a", "{subject} counts as"], rows)
    both = priors_of(tiny_model, tiny_tokenizer, [made], {"decided_by": "sum"}, 8, "1")
    assert set(both) == {("series", 0), ("series", 1)}
    prior = both["series", 1]
    assert prior.scores.shape == (SWAPS, 2) and prior.right.count("gas") == 2
    assert numpy.isfinite(prior.scores).all() and numpy.abs(prior.scores - both["series", 0].scores).max() > 0
