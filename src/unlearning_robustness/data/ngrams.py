"""The n-grams that distinguish forget from retain text: forget tokens that no list of names contains."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from unlearning_robustness.errors import DataError

LONGEST = 2
# Letters of scripts that are written without spaces, each of which counts as a word: Thai and Lao, Tibetan, Burmese,
# Khmer, kana, Chinese characters.
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(f"[{UNSPACED}]|[^{UNSPACED}]+")
UNSPACED_WORD = re.compile(f"[{UNSPACED}]")
END = "\n"


class Letters(dict):
    """A table for str.translate: letters with their marks, apostrophes and spaces stay, all else ends a phrase."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = letter if letter in "' " or unicodedata.category(letter)[0] in "LM" else END
        return self[code]


LETTERS = Letters()


def phrases(text: str) -> list[list[str]]:
    """The words of a text in any script, lower-case, phrase by phrase: punctuation and digits end a phrase."""
    cut = unicodedata.normalize("NFC", text).lower().translate(LETTERS)
    return [_split(phrase) for phrase in cut.split(END)]


def _split(phrase: str) -> list[str]:
    """Words between spaces; of scripts without spaces each letter, with the marks that follow it."""
    found: list[str] = []
    for word in phrase.split():
        # Most words are; taking them apart would take most of the time.
        if word.isascii():
            found.append(word)
            continue
        for part in WORD.findall(word):
            marks = unicodedata.category(part[0])[0] == "M"
            if marks and found and UNSPACED_WORD.match(found[-1]):
                found[-1] += part
            else:
                found.append(part)
    return found


def words(text: str) -> list[str]:
    """All words of a text in any script, lower-case."""
    return [word for phrase in phrases(text) for word in phrase]


def ngrams(text: str, longest: int = LONGEST) -> list[str]:
    """All runs of 1 to ``longest`` words of a text, lower-case, not across punctuation."""
    return [
        _written(found[start : start + size])
        for found in phrases(text)
        for size in range(1, longest + 1)
        for start in range(len(found) - size + 1)
    ]


def _written(found: Sequence[str]) -> str:
    """Words as their script writes them, one after another."""
    text = " ".join(found)
    if text.isascii():
        return text
    text = found[0]
    for before, word in pairwise(found):
        unspaced = UNSPACED_WORD.match(before) and UNSPACED_WORD.match(word)
        text += word if unspaced else f" {word}"
    return text


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
