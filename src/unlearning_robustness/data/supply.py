"""Whether a benchmark has as many texts and questions as a study asks for; demands are those of config.demands."""

from collections.abc import Iterable, Iterator

import pandas

from unlearning_robustness.errors import DataError


def check_texts(benchmark: str, corpora: pandas.DataFrame, demands: Iterable[dict]) -> None:
    """Raise DataError for the first demand of more texts than the corpora (column corpus) have."""
    counts = corpora["corpus"].value_counts()
    for demand in demands:
        there, named = sum(counts.get(name, 0) for name in demand["corpora"]), " and ".join(demand["corpora"])
        _refuse(demand, there, f"texts of {named}", f"benchmark {benchmark} has {there}")


def check_questions(benchmark: str, questions: pandas.DataFrame, demands: Iterable[dict]) -> None:
    """Raise DataError for the first demand of questions about more facts than there are of its role and split."""
    facts = questions.drop_duplicates("fact").groupby(["role", "split"]).size()
    for demand in demands:
        there = int(facts.get((demand["role"], demand["split"]), 0))
        what = f"{demand['role']} facts of the split {demand['split']}"
        _refuse(demand, there, what, f"the model has {there} of {benchmark} to be asked about")


def check_lengths(tokenizer, corpora: pandas.DataFrame) -> None:
    """Raise DataError for the first text of a single token: nothing of it is predicted, and no loss counts it."""
    for row in corpora.to_dict("records"):
        # A few letters are enough to see more than one token.
        if len(tokenizer.encode(row["text"][:200])) < 2:
            raise DataError(
                f"{row['origin'] or row['document']}: the text {row['text']!r} is a single token, so nothing of it "
                "can be learnt; leave it out, or raise benchmarks.*.corpora.minimum_characters"
            )


def _refuse(demand: dict, there: int, what: str, has: str) -> None:
    if demand["least"] > there:
        raise DataError(
            f"{demand['key']}: {demand['least']} {what} are needed, and {has}: "
            "lower this number, leave it out, or give more"
        )


def bounded(questions: pandas.DataFrame, most: dict[str, dict[str, int]]) -> Iterator[str]:
    """A sentence for each number ``most[role][split]`` of facts to be asked about that is above what there are."""
    facts = questions.drop_duplicates("fact").groupby(["role", "split"]).size()
    for role, splits in most.items():
        for split, count in splits.items():
            if (there := int(facts.get((role, split), 0))) < count:
                yield f"{role}.max_facts.{split} allows {count} facts; there are {there}"
