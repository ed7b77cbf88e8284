"""Files of this machine are read before a study's first job: what is wrong in them, and how many of what there are."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from unlearning_robustness.config.demands import text_demands
from unlearning_robustness.config.sources import roles_of
from unlearning_robustness.data.corpora import build_corpora
from unlearning_robustness.data.source_tables import Published
from unlearning_robustness.data.sources import fetch
from unlearning_robustness.data.supply import check_texts

SHOWN = ("forget", "relearn", "retain", "perplexity")


def own_benchmarks(config: dict, entries: Iterable[tuple[str, dict]]) -> Iterator[str]:
    """The study's benchmarks whose sources are all folders of this machine, one of which is about to be read.

    ``entries`` are (kind, config entry) of what is fetched.
    """
    about = [entry["path"] for kind, entry in entries if kind == "dataset" and "path" in entry]
    for name in config["study"]["benchmarks"]:
        sources = [config["sources"][source] for source in sources_of(config["benchmarks"][name])]
        if sources and all("path" in entry for entry in sources) and {entry["path"] for entry in sources} & {*about}:
            yield name


def sources_of(benchmark: dict) -> list[str]:
    """The sources of a benchmark's texts and multiple-choice questions."""
    parts = [part for parts in benchmark.get("texts", {}).values() for part in parts]
    for role in roles_of(benchmark):
        shots = benchmark[role].get("shots", {"items": []})
        parts += [*benchmark[role].get("items", []), *shots["items"]]
    return sorted({part.split("/")[0] for part in parts})


def read_own_data(config: dict, entries: Iterable[tuple[str, dict]]) -> list[str]:
    """A line for each benchmark of one's own files: how many questions and texts there are of what.

    Raises FetchError or DataError, one line with file, line and mend, for what the study's jobs would refuse.
    """
    return [_sizes(config, name) for name in own_benchmarks(config, entries)]


def _sizes(config: dict, name: str) -> str:
    benchmark = config["benchmarks"][name]
    named = sources_of(benchmark)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        for source in named:
            fetch(config["sources"][source], Path(folder) / source, Path(folder) / ".scratch")
        readers = {source: config["sources"][source]["reader"] for source in named}
        published = Published(readers, [f"{folder}/{source}" for source in named])
        texts = build_corpora(benchmark, str(benchmark["seed"]), published)
        check_texts(name, texts, text_demands(config, name))
        questions = [_asked(published, benchmark, role) for role in roles_of(benchmark)]
    counts = texts["corpus"].value_counts()
    corpora = ", ".join(f"{counts.get(corpus, 0)} {corpus}" for corpus in SHOWN)
    return f"{name}: questions: {'; '.join(questions)}; texts: {corpora}"


def _asked(published: Published, benchmark: dict, role: str) -> str:
    """The questions of a role by split, no more than its ``max_facts``."""
    entry = benchmark[role]
    asked = published.questions(entry, role, f"{benchmark['seed']}/{role}", benchmark.get("distractors"))
    splits = [question.split for question in asked]
    counts = {split: min(splits.count(split), entry["max_facts"].get(split, len(splits))) for split in {*splits}}
    return f"{role} " + ", ".join(f"{counts[split]} {split}" for split in sorted(counts))
