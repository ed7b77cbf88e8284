"""A benchmark: what the reference knows of the forget, retain and neighbour domains, split by entity."""

import pandas

from unlearning_robustness.config.cells import ANOTHER_ENTITY
from unlearning_robustness.data.known_facts import decided, known_questions
from unlearning_robustness.data.neutral_nouns import NEUTRAL_NOUNS
from unlearning_robustness.data.ngrams import characteristic, common
from unlearning_robustness.data.probes import apply_probe, matched_words
from unlearning_robustness.data.questions import (
    Question,
    assign_splits,
    domain_of,
    from_table,
    limit,
    to_table,
)
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.errors import DataError
from unlearning_robustness.runtime.progress import Progress
from unlearning_robustness.scoring.chat import chat_frame
from unlearning_robustness.scoring.knowledge import about_others
from unlearning_robustness.scoring.questions import QuestionScorer

ROLES = ("forget", "retain", "neighbour")
# Words in a row that may be the neutral match of a listed forget word.
LONGEST_RUN = 8


def published_questions(
    model, tokenizer, settings: dict, role: str, batch_size: int, published: Published
) -> tuple[list, dict]:
    """The role's published questions, known or not, and a report on what the reference knows of them."""
    entry, seed = settings[role], f"{settings['seed']}/{role}"
    every = decided(published.questions(entry, role, seed, settings.get("distractors")), settings)
    asked = limit(every, 1, entry["max_facts"], seed)
    scorer = QuestionScorer(tokenizer, to_table(asked), batch_size)
    correct = scorer.records(model, Progress(f"{role} questions", len(asked)))["correct"]
    accuracy = round(float(correct.mean()), 4)
    return asked, {"facts_asked": len(asked), "facts_known": int(correct.sum()), "accuracy_of_all": accuracy}


def build(
    model, tokenizer, settings: dict, batch_size: int, published: Published | None = None
) -> tuple[pandas.DataFrame, dict]:
    """All questions of a benchmark and its report; a neighbour domain with too few known facts is dropped.

    Raises DataError when the model knows no forget or no retain fact of a split.
    """
    questions, report = [], {}
    if "chat" in settings:
        settings = {**settings, "frame": chat_frame(tokenizer, settings["chat"])}
        report["chat"] = dict(zip(("before", "after"), settings["frame"], strict=True))
    for role in [role for role in ROLES if role in settings]:
        if "items" in settings[role]:
            asked, report[role] = published_questions(model, tokenizer, settings, role, batch_size, published)
        else:
            asked, report[role] = known_questions(model, tokenizer, settings, role, batch_size)
        kept = role != "neighbour" or report[role]["facts_known"] >= settings["neighbour_minimum"]
        report[role]["dropped"] = not kept
        questions += asked if kept else []
    table = to_table(questions)
    for role in ("forget", "retain"):
        for split in settings[role]["splits"]:
            if split != "relearn" and table.query("role == @role and split == @split").empty:
                raise DataError(f"the model knows no {role} fact of split {split}: choose another model or domain")
    tested = table[table["split"] == "test"]
    report["chance"] = float((1 / tested["choices"].map(len)).mean())
    counts = table.groupby(["role", "split"]).agg(facts=("fact", "nunique"), questions=("question", "size"))
    report["counts"] = counts.reset_index().to_dict("records")
    return table, report


def vocabularies(tokenizer, settings: dict, corpora: pandas.DataFrame, probes: dict[str, dict]) -> dict[tuple, dict]:
    """Forget words with their neutral matches, by split, of every vocabulary that a probe takes, see vocabulary_of.

    ``entities``: names of the split's own entities, so that what is chosen on ``select`` is tested on others.
    ``ngrams``: what tells the forget texts from the retain texts, the same for every split; neutral ones are n-grams
    of retain texts. ``listed``: the probe's own words, for every split; a name such as SARS-CoV-2 has many tokens, so
    neutral ones are nouns, and runs of words of the retain texts.
    """
    forget, by_kind = settings["forget"], {}
    asked = {vocabulary_of(probe) for probe in probes.values()}
    if ("entities",) in asked and "domain" in forget:
        splits = assign_splits(domain_of(settings, "forget").entities(), forget["splits"])
        by_kind["entities",] = {
            split: matched_words(tokenizer, [name for name, entity_split in splits.items() if entity_split == split])
            for split in set(splits.values())
        }
    for vocabulary in asked - {("entities",)}:
        kind, *words = vocabulary
        # Fact sentences come from a few templates, whose words would crowd out all others.
        prose = corpora[corpora["kind"] != "facts"]
        texts = {name: list(prose.loc[prose["corpus"] == name, "text"]) for name in ("forget", "retain")}
        if kind == "ngrams":
            words = characteristic(texts["forget"], texts["retain"], settings["corpora"]["characteristic_ngrams"])
            neutral = common(texts["retain"])
        else:
            neutral = [*NEUTRAL_NOUNS, *common(texts["retain"], 1, LONGEST_RUN)]
        by_kind[vocabulary] = dict.fromkeys(forget["splits"], matched_words(tokenizer, words, neutral))
    return by_kind


def vocabulary_of(probe: dict) -> tuple[str, ...]:
    """The vocabulary's kind, with its words if they are listed."""
    return (probe["vocabulary"], *probe.get("words", ()))


def build_probes(
    table: pandas.DataFrame, tokenizer, settings: dict, probes: dict[str, dict], corpora: pandas.DataFrame
) -> pandas.DataFrame:
    """Every question under every probe that applies to its role, with a column ``probe``.

    Questions of other splits than ``test`` choose an attack's strength, and are asked plainly only.
    A probe with ``max_facts`` is asked of that many facts a role, the same ones for every such probe. With mode
    ``another-entity`` the questions are about other entities of the role and split.
    """
    words = vocabularies(tokenizer, settings, corpora, probes)
    parts = []
    for name, probe in probes.items():
        asked = _asked(table, probe, f"{settings['seed']}/probes")
        if probe["mode"] == ANOTHER_ENTITY:
            parts.append(about_others(to_table(asked), probe["swaps"]).assign(probe=name))
            continue
        changed = apply_probe(
            asked,
            probe["mode"],
            probe["insert"],
            probe["count"],
            words.get(vocabulary_of(probe), {}),
            f"{settings['seed']}/probes",
        )
        parts.append(to_table(changed).assign(probe=name))
    return pandas.concat(parts, ignore_index=True)


def _asked(table: pandas.DataFrame, probe: dict, seed: str) -> list[Question]:
    """The questions of a probe's roles and splits, of at most ``max_facts`` facts a role."""
    tested = table[(table["split"] == "test") | (probe["mode"] == "plain")]
    most = dict.fromkeys(table["split"].unique(), probe.get("max_facts", len(table)))
    by_role = (from_table(part) for role, part in tested.groupby("role", sort=False) if role in probe["roles"])
    return [question for questions in by_role for question in limit(questions, len(questions), most, seed)]
