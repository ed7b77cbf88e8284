"""Where models and data sets come from: exactly one place each, and a place on the hub is pinned to a commit."""

import re

from unlearning_robustness.errors import ConfigError

PACKAGE = ("package", "version", "file", "sha256")
PLACES = {"models": ("package", "hub", "path", "from"), "sources": ("hub", "path")}
COMMIT = re.compile(r"[0-9a-f]{40}")
# What the readers of data/published.py can make of a source.
ITEM_READERS, QUESTION_READERS, TEXT_READERS = ("mmlu", "wmdp"), ("muse", "tofu"), ("muse", "tofu", "wikitext", "wmdp")
# The parts of `open` that each of the question readers needs: data/muse.py and data/tofu.py PARTS.
OPEN_PARTS = {
    "muse": (
        "verbatim-forget",
        "knowledge-forget",
        "knowledge-retain",
        "shots-forget",
        "shots-retain",
        "membership-forget",
        "membership-holdout",
    ),
    "tofu": ("forget", "retain", "real-authors", "world-facts"),
}
ROLES = ("forget", "retain", "neighbour")


def check_sources(config: dict) -> None:
    """Raise ConfigError for the first model or source without exactly one place, or with one that is not pinned."""
    for axis, places in PLACES.items():
        for name, entry in config[axis].items():
            _check_place(f"{axis}.{name}", entry, places)


def _check_place(key: str, entry: dict, places: tuple[str, ...]) -> None:
    given = [place for place in places if place in entry]
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise ConfigError(f"{key}: comes from exactly one of {', '.join(places)}; {said} is given")
    if parts := [part for part in PACKAGE if part in entry]:
        if given != ["package"]:
            raise ConfigError(f"{key}.{parts[0]}: belongs to a package, not to {given[0]}; leave it out")
        if missing := [part for part in PACKAGE if part not in entry]:
            raise ConfigError(f"{key}: the key {missing[0]!r} is missing; a package has {', '.join(PACKAGE)}")
    if "tokenizer" in entry and given != ["hub"]:
        raise ConfigError(f"{key}.tokenizer: belongs to a model of the hub, not to {given[0]}; leave it out")
    for part in ("hub", "tokenizer"):
        if part in entry:
            _check_pinned(f"{key}.{part}", entry[part])


def _check_pinned(key: str, hub: dict) -> None:
    if not COMMIT.fullmatch(hub["revision"]):
        kind = "datasets/" if key.startswith("sources.") else ""
        page = f"https://huggingface.co/{kind}{hub['repository']}/commits/main"
        raise ConfigError(
            f"{key}.revision: {hub['revision']!r} is no commit, so it can change; take the 40 letters and digits "
            f"of one from {page}"
        )


def check_published(config: dict) -> None:
    """Raise ConfigError for a benchmark that is half of a domain and half published, or reads what is not there."""
    for name, benchmark in config["benchmarks"].items():
        published = "texts" in benchmark
        for role in ROLES:
            key = f"benchmarks.{name}.{role}"
            wanted, other = ("items", "domain") if published else ("domain", "items")
            if wanted not in benchmark[role] or other in benchmark[role]:
                made = "texts are published" if published else "there are no texts"
                raise ConfigError(f"{key}: needs {wanted} and no {other}, as {made}")
            _check_parts(config, f"{key}.items", benchmark[role].get("items", []), ITEM_READERS + QUESTION_READERS)
            if "shots" in benchmark[role]:
                _check_parts(config, f"{key}.shots.items", benchmark[role]["shots"]["items"], ITEM_READERS)
                if not _readers(config, benchmark[role].get("items", [])) & set(ITEM_READERS):
                    raise ConfigError(f"{key}.shots: only questions answered by letters take shots; leave them out")
        for corpus, places in benchmark.get("texts", {}).items():
            _check_parts(config, f"benchmarks.{name}.texts.{corpus}", places, TEXT_READERS)
        if published:
            _check_lettered(config, name, benchmark)
        if "open" in benchmark:
            _check_open(config, name, benchmark["open"])


def _check_parts(config: dict, key: str, places: list[str], readers: tuple[str, ...]) -> None:
    for place in places:
        source, part = place.split("/")
        entry = config["sources"].get(source)
        if entry is None:
            known = ", ".join(sorted(config["sources"])) or "none"
            raise ConfigError(f"{key}: {source!r} is not defined under sources; there are: {known}")
        if part not in entry["files"]:
            raise ConfigError(f"{key}: the source {source} has no {part!r}; it has {', '.join(entry['files'])}")
        if entry["reader"] not in readers:
            raise ConfigError(f"{key}: the reader {entry['reader']} gives none of these; {', '.join(readers)} do")


def _readers(config: dict, places: list[str]) -> set[str]:
    return {config["sources"][place.split("/")[0]]["reader"] for place in places}


def _check_open(config: dict, name: str, parts: dict[str, list[str]]) -> None:
    """Open questions are all of one reader, which says what parts there are."""
    key = f"benchmarks.{name}.open"
    for part, places in parts.items():
        _check_parts(config, f"{key}.{part}", places, QUESTION_READERS)
    readers = set().union(*(_readers(config, places) for places in parts.values()))
    if len(readers) != 1:
        raise ConfigError(f"{key}: parts are of one reader, not of {' and '.join(sorted(readers)) or 'none'}")
    needed = OPEN_PARTS[(reader := readers.pop())]
    if unknown := sorted(set(parts) - set(needed)):
        raise ConfigError(f"{key}: unknown part {unknown[0]!r}; {reader} has {', '.join(needed)}")
    if missing := [part for part in needed if part not in parts]:
        raise ConfigError(f"{key}.{missing[0]}: missing; {reader} asks {', '.join(needed)}")


def open_reader(config: dict, name: str) -> str | None:
    """The reader of a benchmark's open questions, or None when it has none."""
    places = [place for part in config["benchmarks"][name].get("open", {}).values() for place in part]
    return next(iter(_readers(config, places)), None)


def _check_lettered(config: dict, name: str, benchmark: dict) -> None:
    """Published questions are asked by letters, and their forget words come from the texts."""
    if benchmark["distractors"] != 3:
        raise ConfigError(f"benchmarks.{name}.distractors: published questions have four options, so it must be 3")
    if name not in config["study"]["benchmarks"]:
        return
    lettered = {role for role in ROLES if _readers(config, benchmark[role]["items"]) & set(ITEM_READERS)}
    for probe in config["study"]["probes"]:
        entry = config["probes"].get(probe, {})
        if entry.get("mode") == "letter" and lettered & set(entry["roles"]):
            raise ConfigError(f"probes.{probe}.mode: {name} is asked by letters already; leave this probe out")
        if entry.get("insert", "none") != "none" and entry["vocabulary"] == "entities":
            raise ConfigError(f"probes.{probe}.vocabulary: {name} has no entities' names; write ngrams")
    for attack in {attack for grid in config["study"]["cells"] for attack in grid["attacks"]}:
        corpus = config["attacks"].get(attack, {}).get("parameters", {}).get("corpus", "relearn")
        if corpus != "relearn":
            raise ConfigError(f"attacks.{attack}.parameters.corpus: {name} has no texts {corpus!r}; take relearn")
        if (
            config["attacks"].get(attack, {}).get("kind") == "few-shot"
            and "relearn" not in benchmark["forget"]["splits"]
        ):
            raise ConfigError(
                f"benchmarks.{name}.forget.splits: {attack} shows questions of a share 'relearn'; give one"
            )
