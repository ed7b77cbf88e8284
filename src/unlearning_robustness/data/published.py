"""A benchmark made of published questions and texts instead of the facts of a domain."""

from pathlib import Path

import pandas

from unlearning_robustness.data import mmlu, muse, tofu, wikitext, wmdp
from unlearning_robustness.data.items import lettered
from unlearning_robustness.data.questions import Question, from_table
from unlearning_robustness.errors import DataError
from unlearning_robustness.seeds import shuffler

# A reader turns the columns of a source into items, documents or both; see config/origins.py.
READERS = {"mmlu": mmlu, "muse": muse, "tofu": tofu, "wikitext": wikitext, "wmdp": wmdp}


class Published:
    """The fetched sources of a benchmark: ``readers`` of each source, ``folders`` named after them."""

    def __init__(self, readers: dict[str, str], folders: list[str]):
        self.readers = readers
        self.folders = {Path(folder).name: Path(folder) for folder in folders}

    def table(self, place: str) -> tuple[object, str, pandas.DataFrame]:
        """Reader, part and published table of a place ``source/part``."""
        source, part = place.split("/")
        return READERS[self.readers[source]], part, pandas.read_parquet(self.folders[source] / f"{part}.parquet")

    def questions(self, entry: dict, role: str, seed: str) -> list[Question]:
        """The questions of a role: ``items`` of the entry, of its ``subjects`` and without ``without_subjects``."""
        found = []
        for place in entry["items"]:
            reader, part, table = self.table(place)
            found.append(reader.items(table, part))
        items = pandas.concat(found, ignore_index=True)
        if "subjects" in entry:
            items = items[items["subject"].isin(entry["subjects"])]
        items = items[~items["subject"].isin(entry["without_subjects"])]
        if items.empty:
            known = ", ".join(sorted(set(pandas.concat(found)["subject"])))
            raise DataError(f"{role}: no question of these subjects; there are: {known[:300]}")
        return from_table(lettered(items, role, entry["splits"], seed))

    def documents(self, places: list[str], name: str, minimum_characters: int) -> pandas.DataFrame:
        """The texts of all places, one corpus."""
        tables = []
        for place in places:
            reader, _, table = self.table(place)
            tables.append(reader.documents(table, place, minimum_characters))
        return pandas.concat(tables, ignore_index=True).assign(corpus=name)


def corpora_of(published: Published, texts: dict, settings: dict, seed: str) -> dict[str, list[dict]]:
    """Forget, retain, relearn and perplexity documents; entities of one are not in another of the same source.

    Every ``held_out_every``-th entity, in an order drawn by ``seed``, is kept from training: of the forget texts for
    the attacker, of the retain texts for perplexity.
    """
    parts, least = {}, settings["minimum_characters"]
    for name, held_out, count, held in (
        ("forget", "relearn", settings["forget_prose_documents"], None),
        ("retain", "perplexity", settings["retain_documents"], settings["perplexity_documents"]),
    ):
        table = published.documents(texts[name], name, least)
        order = sorted(set(table["entity"]))
        shuffler(seed, f"{name}/held-out").shuffle(order)
        kept_out = table["entity"].isin(order[:: settings["held_out_every"]])
        parts[name] = _drawn(table[~kept_out], count, f"{seed}/{name}", name)
        parts[held_out] = _drawn(table[kept_out], held, f"{seed}/{held_out}", held_out)
    return parts


def _drawn(table: pandas.DataFrame, count: int | None, seed: str, name: str) -> list[dict]:
    rows = table[["entity", "kind", "text"]].to_dict("records")
    if count is None:
        return rows
    if len(rows) < count:
        raise DataError(f"{count} {name} documents wanted, {len(rows)} exist: lower corpora.*_documents")
    return shuffler(seed, "documents").sample(rows, count)
