"""A benchmark of published questions and texts instead of the facts of a domain."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import pandas

from unlearning_robustness.data import mmlu, muse, own, tofu, wikitext, wmdp
from unlearning_robustness.data.checked_items import empty_texts, equal_choices
from unlearning_robustness.data.equal_texts import joined_entities
from unlearning_robustness.data.items import in_words, lettered, pieces, shots_of
from unlearning_robustness.data.places import joined, place
from unlearning_robustness.data.questions import Question, from_table
from unlearning_robustness.data.text_columns import IN_WORDS, check_column_of_texts, with_texts, with_words
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.manifest import MANIFEST, read_json
from unlearning_robustness.runtime.seeds import shuffler

# A reader turns the columns of a source into items, documents or both; see config/sources.py.
# What limits the number of documents of each corpus.
LIMITS = {
    "forget": "forget_prose_documents", "retain": "retain_documents", "perplexity": "perplexity_documents",
    "relearn": "held_out_every",
}  # fmt: skip
READERS = {"mmlu": mmlu, "muse": muse, "own": own, "tofu": tofu, "wikitext": wikitext, "wmdp": wmdp}


class Published:
    """The fetched sources of a benchmark: ``readers`` of each source, ``folders`` named after them."""

    def __init__(self, readers: dict[str, str], folders: list[str]):
        self.readers = readers
        self.folders = {Path(folder).name: Path(folder) for folder in folders}

    def table(self, path: str) -> tuple[object, str, pandas.DataFrame]:
        """The reader, the part's name and the published table of a part ``source/part``."""
        source, part = path.split("/")
        frame = pandas.read_parquet(self.folders[source] / f"{part}.parquet")
        reader = READERS[self.readers[source]]
        if _offers_choices(reader, frame):
            return reader, part, frame
        return reader, part, with_words(frame, path, ("question", "answer") if reader is own else IN_WORDS)

    def questions(self, entry: dict, role: str, seed: str, distractors: int | None) -> list[Question]:
        """The questions of a role: ``items`` of the entry, of its ``subjects`` and without ``without_subjects``.

        What a reader has as items is answered by a letter, or with ``asked_by: answers`` by the option itself; what it
        has as questions, by whole answers. Items have ``distractors`` wrong options, or as many as they have.
        """
        items, whole = [], {}
        for path in entry["items"]:
            reader, part, table = self.table(path)
            if _offers_choices(reader, table):
                items.append(self._items(reader, part, table, path))
            else:
                whole.setdefault(reader, []).append((path, table))
        tables = [self._with_choices(items, entry, role, seed, distractors)] if items else []
        for reader, named in whole.items():
            paths, parts = zip(*named, strict=True)
            if distractors is None:
                raise DataError(f"benchmarks.*.distractors: missing; {paths[0]} needs a number of wrong answers")
            with _naming(", ".join(paths)):
                tables.append(reader.questions(joined(parts), role, entry["splits"], seed, distractors))
        return [question for table in tables for question in from_table(table)]

    def _items(self, reader, part: str, table: pandas.DataFrame, path: str) -> pandas.DataFrame:
        """The items of a part; DataError names the part, and the place of a row that is wrong.

        Equal choices and empty texts are refused in a file of one's own; published sets have a few, which is said.
        """
        with _naming(path):
            items = reader.items(table, part)
        equal, empty = equal_choices(items), empty_texts(items)
        if self._is_own(path):
            for number in equal[:1]:
                where = place(table, number)
                raise DataError(f"{path}: {where}: two choices are equal: make them differ, or leave the row out")
            for number, name in empty[:1]:
                raise DataError(f"{path}: {place(table, number)}: the {name} is empty: write it, or leave the row out")
        for numbers, what in ((equal, "equal choices"), (empty, "an empty text")):
            if numbers:
                print(f"{path}: {len(numbers)} of {len(items)} questions have {what}, as published")
        return items

    def _is_own(self, path: str) -> bool:
        """Whether a part was read from a folder, and not from the hub."""
        manifest = self.folders[path.split("/")[0]] / MANIFEST
        return manifest.is_file() and "path" in read_json(manifest)

    def counts(self, settings: dict) -> dict[str, int]:
        """How many published questions each role of a benchmark has; none where they are of a domain."""
        roles = {role: entry for role, entry in settings.items() if isinstance(entry, dict) and "items" in entry}
        seed = settings["seed"]
        return {
            role: len(self.questions(entry, role, f"{seed}/{role}", settings.get("distractors")))
            for role, entry in roles.items()
        }

    def _with_choices(
        self, tables: list[pandas.DataFrame], entry: dict, role: str, seed: str, distractors: int | None
    ) -> pandas.DataFrame:
        items = pandas.concat(tables, ignore_index=True)
        # Of parts of which only some have these columns.
        items = items.fillna(dict.fromkeys({"entity", "split"} & {*items}, ""))
        known = sorted(set(items["subject"]))
        for key in ("subjects", "without_subjects"):
            _check_subjects(f"{role}.{key}", entry.get(key, []), known)
        if "subjects" in entry:
            items = items[items["subject"].isin(entry["subjects"])]
        items = items[~items["subject"].isin(entry["without_subjects"])]
        if items.empty:
            raise DataError(f"{role}.without_subjects: leaves no question; there are: {', '.join(known)[:300]}")
        if distractors is not None:
            _check_options(items, role, 1 + distractors)
        if entry.get("asked_by") == "answers":
            return in_words(items, role, entry["splits"], seed)
        return lettered(items, role, entry["splits"], seed, self._shots(entry))

    def _shots(self, entry: dict) -> dict[str, str] | None:
        """Answered questions by subject, of the entry's ``shots``; None when it has none."""
        if "shots" not in entry:
            return None
        shown = [self._items(*self.table(path), path) for path in entry["shots"]["items"]]
        items = pandas.concat(shown, ignore_index=True)
        return shots_of(items, entry["shots"]["count"])

    def open_questions(self, parts_of: dict[str, list[str]]) -> pandas.DataFrame:
        """The open questions of the benchmark's ``open`` parts, by name, all of one reader."""
        parts, reader = {}, None
        for name, paths in parts_of.items():
            tables = []
            for path in paths:
                reader, _, table = self.table(path)
                tables.append(table)
            parts[name] = pandas.concat(tables, ignore_index=True)
        return reader.open_questions(parts)

    def documents(self, paths: list[str], name: str, least: int, longest: int | None = None) -> pandas.DataFrame:
        """The texts of all parts, of at least ``least`` characters, as one corpus; ``longest`` cuts longer ones."""
        tables = []
        for path in paths:
            reader, _, table = self.table(path)
            table = with_texts(table, path)
            check_column_of_texts(table, path, null=not self._is_own(path))
            with _naming(path):
                read = reader.documents(table, path, least)
            read = read[read["text"].map(str.strip).astype(bool)]
            tables.append(read.assign(part=path, origin=[f"{path}, row {row}" for row in read["row"]]))
        texts = pandas.concat(tables, ignore_index=True).assign(corpus=name)
        if longest is None:
            return texts
        texts = texts.assign(text=[pieces(text, longest) for text in texts["text"]]).explode("text", ignore_index=True)
        return texts[texts["text"].str.len() >= least]


@contextmanager
def _naming(parts: str) -> Iterator[None]:
    """Inside the block a DataError names the parts that are read."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{parts}: {error}") from None


def _offers_choices(reader, table: pandas.DataFrame) -> bool:
    """Whether a reader makes items of a table; ``own`` makes them where there are choices."""
    return hasattr(reader, "items") and (reader is not own or own.offers_choices(table))


def _check_options(items: pandas.DataFrame, role: str, options: int) -> None:
    """Raise DataError for the first question with another number of options than the benchmark says."""
    for row in items.itertuples():
        if len(row.options) != options:
            raise DataError(
                f"benchmarks.*.{role}.items: the question {row.stem[:60]!r} has {len(row.options)} choices, not "
                f"{options}: give all as many, and benchmarks.*.distractors one less; or leave that out"
            )


def _check_subjects(key: str, named: list[str], known: list[str]) -> None:
    """Raise DataError for a subject that no question has: left in silence, a misspelt one would leave all in."""
    for subject in named:
        if subject not in known:
            near = get_close_matches(subject, known, 1, 0.6)
            mend = f"write {near[0]!r}" if near else "correct it"
            raise DataError(
                f"benchmarks.*.{key}: no question is about {subject!r}; {mend}; there are: {', '.join(known)[:300]}"
            )


def corpora_of(published: Published, texts: dict, settings: dict, seed: str) -> dict[str, list[dict]]:
    """Forget, retain, relearn and perplexity documents; entities of one are not in another of the same source.

    Entities that have an equal text are one, so that no text is both trained on and held out.

    Every part gives equally many: RMU's and RNA's code take their topics in turn, whatever their sizes.
    Every ``held_out_every``-th entity, in an order drawn by ``seed``, is kept from training: of the forget texts for
    the attacker, of the retain texts for perplexity. With ``relearn: forget`` no forget text is kept from training, and
    the attacker has them all, as in MUSE's and TOFU's published protocols.
    """
    parts, lengths = {}, (settings["minimum_characters"], settings.get("longest_characters"))
    for name, held_out, count, held in (
        ("forget", "relearn", settings.get("forget_prose_documents"), None),
        ("retain", "perplexity", settings.get("retain_documents"), settings.get("perplexity_documents")),
    ):
        table = published.documents(texts[name], name, *lengths)
        table = table.assign(entity=joined_entities(table["entity"], table["text"]))
        order = sorted(set(table["entity"]))
        shuffler(seed, f"{name}/held-out").shuffle(order)
        kept_out = table["entity"].isin(order[:: settings["held_out_every"]])
        if name == "forget" and settings["relearn"] == "forget":
            parts[name] = parts[held_out] = _drawn(table, count, f"{seed}/{name}", name)
            continue
        if len(order) == 1:
            raise DataError(
                f"{', '.join(texts[name])}: all {name} texts are of one entity, which is kept from training: "
                "give more that differ"
            )
        parts[name] = _drawn(table[~kept_out], count, f"{seed}/{name}", name)
        parts[held_out] = _drawn(table[kept_out], held, f"{seed}/{held_out}", held_out)
    return parts


def _drawn(table: pandas.DataFrame, count: int | None, seed: str, name: str) -> list[dict]:
    """``count`` documents, or as many as equal shares of all parts allow; a part is a topic."""
    columns = ["origin", "entity", "kind", "text", "topic"]
    parts = [
        part.assign(topic=topic)[columns].to_dict("records")
        for topic, (_, part) in enumerate(table.groupby("part", sort=False))
    ]
    if not parts:
        raise DataError(f"no {name} document is long enough: lower benchmarks.*.corpora.minimum_characters")
    least = min(map(len, parts))
    count = len(parts) * least if count is None else count
    shares = [count // len(parts) + (index < count % len(parts)) for index in range(len(parts))]
    if max(shares) > least:
        raise DataError(
            f"there are {least} {name} documents, not {max(shares)}: lower benchmarks.*.corpora.{LIMITS[name]}"
        )
    draw = shuffler(seed, "documents")
    drawn = [row for part, share in zip(parts, shares, strict=True) for row in draw.sample(part, share)]
    draw.shuffle(drawn)
    return drawn
