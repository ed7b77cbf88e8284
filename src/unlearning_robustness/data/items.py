"""Turn published question sets and texts into lettered multiple-choice questions and corpora.

Items are a frame with columns subject, stem, options (a list of texts) and answer (an index). Pure functions of frames.
"""

import hashlib
from collections.abc import Callable, Sequence

import pandas

from unlearning_robustness.data.checked_items import LETTERS
from unlearning_robustness.data.equal_texts import joined_entities
from unlearning_robustness.data.questions import assign_splits
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler
from unlearning_robustness.scoring.decision import SUM, TOKEN_MEAN

INTRO = "The following are multiple choice questions (with answers) about"


def pieces(text: str, longest: int) -> list[str]:
    """The text in pieces of at most ``longest`` characters, cut after a line, else after a word, if there is one."""
    cuts = []
    while len(text) > longest:
        cut = max(text.rfind("\n", longest // 2, longest), 0) or max(text.rfind(" ", 1, longest), 0) or longest
        cuts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*cuts, text] if text else cuts


def prompt_of(subject: str, stem: str, options: Sequence[str], shots: str = "") -> str:
    """The prompt of lm-eval's mmlu and wmdp tasks; the answer is a letter behind one space.

    ``shots`` are answered questions of the subject, see shots_of.
    """
    return f"{INTRO} {subject}.\n\n{shots}{_asked(stem, options)}"


def _asked(stem: str, options: Sequence[str]) -> str:
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{stem.strip()}\n{lines}\nAnswer:"


def shots_of(items: pandas.DataFrame, count: int) -> dict[str, str]:
    """By subject, its first ``count`` items with their answers, as lm-eval shows them; DataError when it has fewer."""
    shots = {}
    for subject, part in items.groupby("subject"):
        if len(part) < count:
            raise DataError(
                f"there are {len(part)} questions about {subject} to show, not {count}: "
                "lower benchmarks.*.*.shots.count"
            )
        rows = part.head(count).itertuples()
        shots[subject] = "".join(f"{_asked(row.stem, row.options)} {LETTERS[int(row.answer)]}\n\n" for row in rows)
    return shots


def lettered(
    items: pandas.DataFrame, role: str, splits: dict[str, int], seed: str, shots: dict[str, str] | None = None
) -> pandas.DataFrame:
    """The questions table of items, each answered by a letter, behind the ``shots`` of its subject; see asked_items.

    Raises DataError for an item of whose subject there are no shots.
    """
    return asked_items(items, role, splits, seed, lambda row: _by_letter(row, _shown(shots, row.subject)))


def in_words(items: pandas.DataFrame, role: str, splits: dict[str, int], seed: str) -> pandas.DataFrame:
    """The questions table of items whose choices are the options themselves, which the prompt does not list.

    They are decided by the mean a token, as whole answers are; see asked_items.
    """

    def asked(row) -> dict:
        prompt = f"Question: {row.stem.strip()}\nAnswer:"
        return {"prompt": prompt, "choices": list(row.options), "decided_by": TOKEN_MEAN}

    return asked_items(items, role, splits, seed, asked)


def asked_items(
    items: pandas.DataFrame, role: str, splits: dict[str, int], seed: str, asked: Callable[[object], dict]
) -> pandas.DataFrame:
    """The questions table of items, one fact each; ``asked`` says of an item its prompt, choices and what decides.

    ``splits`` are shares, unless the items have a split each. The same stem asked twice is one entity, also in two
    subjects, so that both fall into one split. A fact is named by its item's id where every item has one of its own,
    else by its row.
    """
    items = items.reset_index(drop=True)
    names = _names(items)
    own = items["entity"] if "entity" in items else [""] * len(items)
    entities = [name or _entity(row.subject, row.stem) for row, name in zip(items.itertuples(), own, strict=True)]
    entities = joined_entities(entities, items["stem"])
    split = dealt(entities, items.get("split", ()), splits, seed, role)
    rows = []
    for row, entity in zip(items.itertuples(), entities, strict=True):
        fact = f"{role}/{row.subject.replace(' ', '-')}/{names[row.Index]}"
        rows.append(
            {
                "question": f"{fact}/0",
                "fact": fact,
                "entity": entity,
                "relation": row.subject,
                "role": role,
                "split": split[entity],
                "template": 0,
                "answer": int(row.answer),
                **asked(row),
            }
        )
    return pandas.DataFrame(rows)


def dealt(
    entities: Sequence[str], given: Sequence[str], shares: dict[str, int], seed: str, role: str
) -> dict[str, str]:
    """The split of each entity: the one ``given`` for its questions, else one dealt by ``shares`` in a drawn order.

    Raises DataError for an entity that is given two.
    """
    own: dict[str, str] = {}
    for entity, split in zip(entities, given, strict=False):
        if split and own.setdefault(entity, split) != split:
            raise DataError(
                f"{role}: {entity} is given the splits {own[entity]} and {split}: questions of one entity, and equal "
                "ones, must be in one split"
            )
    order = sorted({*entities} - {*own})
    shuffler(seed, f"{role}/splits").shuffle(order)
    return own | (assign_splits(order, shares) if order else {})


def _by_letter(row, shots: str) -> dict:
    prompt = prompt_of(row.subject, row.stem, row.options, shots)
    return {"prompt": prompt, "choices": list(LETTERS[: len(row.options)]), "decided_by": SUM}


def _names(items: pandas.DataFrame) -> list:
    ids = list(items["id"]) if "id" in items else []
    return ids if ids and all(ids) and len(set(ids)) == len(ids) else list(items.index)


def _shown(shots: dict[str, str] | None, subject: str) -> str:
    if shots is None:
        return ""
    if subject not in shots:
        raise DataError(f"no questions about {subject} to show: correct benchmarks.*.*.shots.items")
    return shots[subject]


def _entity(subject: str, stem: str) -> str:
    text = f"{subject}\n{' '.join(stem.split()).lower()}"
    return f"{subject}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def answered(
    rows: Sequence[dict], role: str, relation: str, splits: dict[str, int], seed: str, given: Sequence[str] = ()
) -> pandas.DataFrame:
    """The questions table of rows (entity, prompt, right, wrong) whose choices are whole answers, in a drawn order.

    ``splits`` are shares of entities, so that all questions of one fall into one split, unless the rows are ``given``
    one each; entities that are asked the same are one. Answers differ in length, and under the sum the shortest one
    wins: the mean a token decides, as in TOFU's probability of an answer.
    """
    entities = joined_entities((row["entity"] for row in rows), (row["prompt"] for row in rows))
    split, questions = dealt(entities, given, splits, seed, role), []
    for index, (row, entity) in enumerate(zip(rows, entities, strict=True)):
        choices = [row["right"], *row["wrong"]]
        shuffler(seed, f"{role}/{index}").shuffle(choices)
        fact = f"{role}/{relation}/{index}"
        questions.append(
            {
                "question": f"{fact}/0",
                "fact": fact,
                "entity": entity,
                "relation": relation,
                "role": role,
                "split": split[entity],
                "template": 0,
                "prompt": row["prompt"],
                "choices": choices,
                "answer": choices.index(row["right"]),
                "decided_by": TOKEN_MEAN,
            }
        )
    return pandas.DataFrame(questions)


def open_rows(part: str, role: str, frame: pandas.DataFrame, **columns: str) -> pandas.DataFrame:
    """Rows of the table of open questions: part, role, item, and of each of ``columns`` the frame's column named.

    A column that a part does not have is empty text, or no wrong answers.
    """
    named = {name: frame[column].tolist() for name, column in columns.items()}
    blank = {"prompt": "", "truth": "", "paraphrase": ""}
    rows = pandas.DataFrame({"part": part, "role": role, "item": [f"{role}/{index}" for index in range(len(frame))]})
    wrong = named.pop("wrong", [()] * len(frame))
    return rows.assign(**(blank | named), wrong=[list(texts) for texts in wrong])


def corpus(
    name: str, texts: Sequence[str], entities: Sequence[str], kind: str, rows: Sequence[int] | None = None
) -> pandas.DataFrame:
    """Rows of the corpora table: columns corpus, document, entity, kind, text, and the published ``row``, from 1.

    ``rows`` are the indices of the texts in the published table, where not all of them are taken.
    """
    documents = [f"{name}/{index}" for index in range(len(texts))]
    numbers = [index + 1 for index in (range(len(texts)) if rows is None else rows)]
    columns = {"document": documents, "entity": list(entities), "kind": kind, "text": list(texts), "row": numbers}
    return pandas.DataFrame({"corpus": name, **columns})


def need_columns(frame: pandas.DataFrame, columns: Sequence[str], what: str) -> None:
    """Raise DataError when a published table lacks a column that its reader needs."""
    missing = [column for column in columns if column not in frame]
    if missing:
        raise DataError(f"{what} has no column {missing[0]!r} but {', '.join(map(str, frame))}: pin another revision")
