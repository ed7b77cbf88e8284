"""The n-grams that distinguish forget from retain text: forget tokens that no list of names contains."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from unlearning_robustness.errors import DataError

LONGEST = 2


def ngrams(text: str, longest: int = LONGEST) -> list[str]:
    """All runs of 1 to ``longest`` words of a text, lower-case, not across punctuation."""
    grams = []
    for phrase in re.split(r"[^A-Za-z' ]+", text.lower()):
        words = phrase.split()
        grams += [
            " ".join(words[start : start + size])
            for size in range(1, longest + 1)
            for start in range(len(words) - size + 1)
        ]
    return grams


def characteristic(forget: Iterable[str], retain: Iterable[str], count: int, least_documents: int = 3) -> list[str]:
    """The ``count`` n-grams of the forget texts with the largest p log(p / p_retain), most characteristic first.

    That is pointwise mutual information with the corpus, weighted by frequency as TF-IDF weights it; frequencies are
    shares of documents, with half a document added on the retain side. Raises DataError when there are too few.
    """
    forget, retain = [set(ngrams(text)) for text in forget], [set(ngrams(text)) for text in retain]
    inside, outside = (Counter(gram for document in texts for gram in document) for texts in (forget, retain))
    scores = {}
    for gram, number in inside.items():
        if number >= least_documents:
            share, other = number / len(forget), (outside[gram] + 0.5) / (len(retain) + 0.5)
            scores[gram] = share * math.log(share / other)
    chosen = sorted((gram for gram in scores if scores[gram] > 0), key=lambda gram: (-scores[gram], gram))[:count]
    if len(chosen) < count:
        raise DataError(
            f"the forget texts have {len(chosen)} characteristic n-grams, not {count}: "
            "lower benchmarks.*.corpora.characteristic_ngrams"
        )
    return chosen


def common(texts: Sequence[str], least_documents: int = 2, longest: int = LONGEST) -> list[str]:
    """The n-grams of at least ``least_documents`` texts, in alphabetical order: where neutral controls come from."""
    counts = Counter(gram for text in texts for gram in set(ngrams(text, longest)))
    return sorted(gram for gram, number in counts.items() if number >= least_documents)
