"""Every answer to a test question, small: what was asked once, and one byte for the probability of each choice."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
import pandas
from pyarrow import parquet
from scipy.special import softmax

from unlearning_robustness.scoring.decision import SUM
from unlearning_robustness.scoring.records import BUDGET, DECIDING

RUN = (*BUDGET, "setting")
ASKED = ("role", "question", "probe", "prompt", "choices", "answer", "relation", "entity", "fact", "template")
NEEDED = ("role", "question", "probe", "prompt", "choices", "answer", "prediction", "log_likelihoods")
OPTIONAL = ("split", "decided_by", "token_means", "byte_means", "relation", "entity", "fact", "template", *RUN)
TEST = "test"


class Index:
    """What was asked, each thing once: texts, lists of choices, questions, and lists of questions.

    Everything else names them by their number. A question that an attack asks in its own words is another one with the
    same ``question``.
    """

    def __init__(self):
        self.texts, self.choices, self.sets = {}, {}, {}
        self.asked: dict[tuple, int] = {}

    def text(self, text: str) -> int:
        """The number of a text."""
        return self.texts.setdefault(str(text), len(self.texts))

    def question(self, place: str, row: tuple) -> int:
        """The number of what was asked in a row of ``ASKED``."""
        role, question, probe, prompt, choices, answer, *facts = row
        listed = tuple(map(str, choices))
        key = (place, role, question, probe, prompt, listed)
        if key not in self.asked:
            number = self.choices.setdefault(tuple(map(self.text, listed)), len(self.choices))
            words = [self.text(value) for value in (place, role, question, probe, prompt, *facts)]
            self.asked[key] = (len(self.asked), number, int(answer), *words)
        return self.asked[key][0]

    def as_json(self) -> dict:
        """The index as the page reads it; questions by columns."""
        names = ("choices", "answer", "place", "role", "question", "probe", "prompt", *ASKED[6:])
        columns = list(zip(*self.asked.values(), strict=True))[1:] or [()] * len(names)
        return {
            "texts": list(self.texts),
            "choices": [list(numbers) for numbers in self.choices],
            "sets": [list(numbers) for numbers in self.sets],
            "asked": dict(zip(names, map(list, columns), strict=True)),
        }


def packed_answers(paths: Iterable[Path]) -> tuple[dict, dict[str, bytes], list[str]]:
    """(index, bytes by cell, what could not be read) of the records of a study.

    The bytes of a cell are those of its runs, one after another: of each question in the order of the run's set the
    probability of every choice in 255ths, then of each question the prediction. The index says where a run begins.
    """
    index, cells, runs, unread = Index(), {}, {}, []
    for path in paths:
        *kind, attack = path.parts[-7:-1]
        name = "/".join(kind)
        try:
            for run, numbers, content in _runs(path, index, "/".join(kind[:2])):
                number = index.sets.setdefault(numbers, len(index.sets))
                begins = sum(map(len, cells.setdefault(name, [])))
                runs.setdefault(name, []).append([attack, *run, number, begins])
                cells[name].append(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            unread.append(f"{name}/{attack}: {' '.join(str(error).split())[:200]}")
    return index.as_json() | {"runs": runs}, {name: b"".join(parts) for name, parts in cells.items()}, unread


def _runs(path: Path, index: Index, place: str) -> Iterator[tuple[list, tuple[int, ...], bytes]]:
    """(budget and setting, numbers of the questions, bytes) of each point of one attack on one cell."""
    records = _read(path)
    for run, rows in records.groupby(list(RUN), sort=True):
        asked = rows[list(ASKED)].itertuples(index=False, name=None)
        numbers = tuple(index.question(place, row) for row in asked)
        shares = numpy.concatenate([numpy.rint(255 * share).astype("uint8") for share in _probabilities(rows)])
        predictions = rows["prediction"].to_numpy().astype("uint8")
        yield [*map(int, run[:-1]), str(run[-1])], numbers, shares.tobytes() + predictions.tobytes()


def _read(path: Path) -> pandas.DataFrame:
    """The test rows of a file of records; what an older schema lacks is empty. KeyError without what answers need."""
    there = set(parquet.read_schema(path).names)
    if lacking := [name for name in NEEDED if name not in there]:
        raise KeyError(f"an older schema without {', '.join(lacking)}")
    columns = [name for name in (*NEEDED, *OPTIONAL) if name in there]
    records = pandas.read_parquet(path, columns=columns)
    absent = {name: 0 if name in (*BUDGET, "template") else "" for name in OPTIONAL if name not in there}
    absent |= {name: value for name, value in (("split", TEST), ("decided_by", SUM)) if name in absent}
    records = records.assign(**{name: value for name, value in absent.items() if not name.endswith("_means")})
    return records[records["split"] == TEST]


def _probabilities(rows: pandas.DataFrame) -> list[numpy.ndarray]:
    """The probability of every choice among the choices: the softmax over the scores that decide."""
    shares = [None] * len(rows)
    counts = rows["choices"].map(len)
    for (rule, _), places in rows.groupby([rows["decided_by"], counts]).indices.items():
        scores = numpy.stack(rows[DECIDING[rule]].to_numpy()[places]).astype(float)
        for at, share in zip(places, softmax(scores, axis=1), strict=True):
            shares[at] = share
    return shares
