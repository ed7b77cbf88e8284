"""Where models, data sets and benchmarks come from: one origin each, pinned where it is the hub's.

A benchmark is of a domain that comes with the project, or published; what it reads must be there.
"""

import re

from unlearning_robustness.config.cells import ANOTHER_ENTITY, NONE, in_order
from unlearning_robustness.config.kinds import ATTACKS, facts_of
from unlearning_robustness.errors import ConfigError

PACKAGE = ("package", "version", "file", "sha256")
ORIGINS = {"models": ("package", "hub", "path", "from", "generated"), "sources": ("hub", "path")}
ROLES = ("forget", "retain", "neighbour")
# Modes of probes that describe an entity, which only domains that come with the project know how to do.
DESCRIBING = ("alias", "multi-hop")
COMMIT = re.compile(r"[0-9a-f]{40}")
# What the readers of data/source_tables.py can make of a source.
ITEM_READERS, QUESTION_READERS = ("mmlu", "own", "wmdp"), ("muse", "own", "tofu")
TEXT_READERS = ("muse", "own", "tofu", "wikitext", "wmdp")
# How many texts a domain's benchmark has; of published texts all are taken where these are not given.
COUNTS = ("forget_prose_documents", "retain_documents", "perplexity_documents")
# The parts of `open` that readers of published protocols need: data/muse.py and data/tofu.py PARTS.
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


def roles_of(benchmark: dict) -> list[str]:
    """The roles that a benchmark has; only the neighbour may be left out."""
    return [role for role in ROLES if role in benchmark]


def check_sources(config: dict) -> None:
    """Raise ConfigError for the first model, source or benchmark without exactly one origin, or with a missing part."""
    for axis, origins in ORIGINS.items():
        for name, entry in config[axis].items():
            _check_origin(f"{axis}.{name}", entry, origins)
    for name, benchmark in config["benchmarks"].items():
        _check_benchmark(config, name, benchmark)
    for name in config["study"]["benchmarks"]:
        _check_asked(config, name, config["benchmarks"][name])


def _check_origin(key: str, entry: dict, origins: tuple[str, ...]) -> None:
    named = [origin for origin in origins if origin in entry]
    if len(named) != 1:
        raise ConfigError(
            f"{key}: comes from exactly one of {', '.join(origins)}; {' and '.join(named) or 'none'} is given"
        )
    if parts := [part for part in PACKAGE if part in entry]:
        if named != ["package"]:
            raise ConfigError(f"{key}.{parts[0]}: belongs to a package, not to {named[0]}; leave it out")
        if missing := [part for part in PACKAGE if part not in entry]:
            raise ConfigError(f"{key}: the key {missing[0]!r} is missing; a package has {', '.join(PACKAGE)}")
    if "tokenizer" in entry and named != ["hub"]:
        raise ConfigError(f"{key}.tokenizer: belongs to a model of the hub, not to {named[0]}; leave it out")
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


def _check_benchmark(config: dict, name: str, benchmark: dict) -> None:
    """Check that all roles of a benchmark are of a domain, or all are published, and that their parts exist."""
    published = "texts" in benchmark
    if missing := [key for key in COUNTS if not published and key not in benchmark["corpora"]]:
        raise ConfigError(f"benchmarks.{name}.corpora.{missing[0]}: missing; only of published texts are all taken")
    if not published and "distractors" not in benchmark:
        raise ConfigError(f"benchmarks.{name}.distractors: missing; only published questions have choices of their own")
    for role in roles_of(benchmark):
        key = f"benchmarks.{name}.{role}"
        needed, other = ("items", "domain") if published else ("domain", "items")
        if needed not in benchmark[role] or other in benchmark[role]:
            reason = "texts are published" if published else "there are no texts"
            raise ConfigError(f"{key}: needs {needed} and no {other}, as {reason}")
        _check_parts(config, f"{key}.items", benchmark[role].get("items", []), ITEM_READERS + QUESTION_READERS)
        if "shots" in benchmark[role]:
            _check_parts(config, f"{key}.shots.items", benchmark[role]["shots"]["items"], ITEM_READERS)
            if not _readers(config, benchmark[role].get("items", [])) & set(ITEM_READERS):
                raise ConfigError(f"{key}.shots: only questions answered by letters take shots; leave them out")
            if benchmark[role]["asked_by"] == "answers":
                raise ConfigError(f"{key}.shots: asked_by: answers shows none; leave one of them out")
    if published and benchmark["options"] == "balanced":
        raise ConfigError(f"benchmarks.{name}.options: published questions have options of their own; leave it out")
    for corpus, parts in benchmark.get("texts", {}).items():
        _check_parts(config, f"benchmarks.{name}.texts.{corpus}", parts, TEXT_READERS)
    _check_apart(f"benchmarks.{name}", benchmark)
    if "open" in benchmark:
        _check_open(config, name, benchmark["open"])


def _check_apart(key: str, benchmark: dict) -> None:
    """What is to be forgotten must not be retained as well; parts may be shared where subjects tell them apart."""
    forget = benchmark["forget"]
    for role in roles_of(benchmark)[1:]:
        # Every role of a generated world has entities of its own.
        if "world" not in benchmark and "domain" in forget and benchmark[role]["domain"] == forget["domain"]:
            raise ConfigError(f"{key}.{role}.domain: {forget['domain']!r} is what is forgotten; name another")
        chosen = any(entry.get("subjects") or entry["without_subjects"] for entry in (forget, benchmark[role]))
        both = [part for part in benchmark[role].get("items", []) if part in forget.get("items", [])]
        if both and not chosen:
            raise ConfigError(f"{key}.{role}.items: {both[0]!r} is forgotten; leave it out, or choose other subjects")
    texts = benchmark.get("texts", {"forget": [], "retain": []})
    if both := [part for part in texts["retain"] if part in texts["forget"]]:
        raise ConfigError(f"{key}.texts.retain: {both[0]!r} is forgotten; name other texts")


def _check_parts(config: dict, key: str, parts: list[str], readers: tuple[str, ...]) -> None:
    """Check ``parts``, each written source/part."""
    for source, part in (part.split("/") for part in parts):
        entry = config["sources"].get(source)
        if entry is None:
            known = ", ".join(sorted(config["sources"])) or "none"
            raise ConfigError(f"{key}: {source!r} is not defined under sources; there are: {known}")
        if part not in entry["files"]:
            raise ConfigError(f"{key}: the source {source} has no {part!r}; it has {', '.join(entry['files'])}")
        if entry["reader"] not in readers:
            raise ConfigError(f"{key}: the reader {entry['reader']} gives none of these; {', '.join(readers)} do")


def with_vocabularies(config: dict) -> dict:
    """The configuration before defaults are filled in, with n-grams as forget tokens where there are no names.

    That is where all benchmarks of the study are of published texts, for probes that say nothing themselves.
    """
    benchmarks = [config["benchmarks"].get(name, {}) for name in config["study"]["benchmarks"]]
    if not all("texts" in benchmark for benchmark in benchmarks):
        return config
    probes = {
        name: {"vocabulary": "ngrams", **probe} if probe.get("insert", "none") != "none" else probe
        for name, probe in config["probes"].items()
    }
    return {**config, "probes": probes}


def _readers(config: dict, parts: list[str]) -> set[str]:
    return {config["sources"][part.split("/")[0]]["reader"] for part in parts}


def _check_open(config: dict, name: str, parts: dict[str, list[str]]) -> None:
    """Check that open questions have one reader, and exactly the parts that it needs."""
    key = f"benchmarks.{name}.open"
    for part, origins in parts.items():
        _check_parts(config, f"{key}.{part}", origins, tuple(OPEN_PARTS))
    readers = set().union(*(_readers(config, origins) for origins in parts.values()))
    if len(readers) != 1:
        raise ConfigError(f"{key}: parts are of one reader, not of {' and '.join(sorted(readers)) or 'none'}")
    needed = OPEN_PARTS[(reader := readers.pop())]
    if unknown := sorted(set(parts) - set(needed)):
        raise ConfigError(f"{key}: unknown part {unknown[0]!r}; {reader} has {', '.join(needed)}")
    if missing := [part for part in needed if part not in parts]:
        raise ConfigError(f"{key}.{missing[0]}: missing; {reader} asks {', '.join(needed)}")


def open_reader(config: dict, name: str) -> str | None:
    """The reader of a benchmark's open questions, or None when it has none."""
    parts = [part for parts in config["benchmarks"][name].get("open", {}).values() for part in parts]
    return next(iter(_readers(config, parts)), None)


def _check_asked(config: dict, name: str, benchmark: dict) -> None:
    """The study's probes and attacks must find what they ask and train on in a benchmark of the study."""
    if "chat" in benchmark and config["study"]["memorisation"] and config["memorisation"]["protocol"] != "tofu":
        protocol = config["memorisation"]["protocol"]
        raise ConfigError(f"benchmarks.{name}.chat: memorisation.protocol {protocol} asks in plain text; leave it out")
    if "texts" not in benchmark:
        if "relearn" not in benchmark["forget"]["splits"]:
            raise ConfigError(
                f"benchmarks.{name}.forget.splits: a share of 'relearn' is missing; attackers train on it"
            )
        return
    by_letters = [role for role in roles_of(benchmark) if benchmark[role]["asked_by"] == "letters"]
    lettered = {role for role in by_letters if _readers(config, benchmark[role]["items"]) & set(ITEM_READERS)}
    for probe in config["study"]["probes"]:
        entry = config["probes"][probe]
        if entry["mode"] == "letter" and lettered & set(entry["roles"]):
            raise ConfigError(f"probes.{probe}.mode: {name} is asked by letters already; leave this probe out")
        if entry["mode"] in DESCRIBING:
            raise ConfigError(f"probes.{probe}.mode: {name} has no descriptions of entities; leave this probe out")
        if entry["mode"] == ANOTHER_ENTITY:
            raise ConfigError(f"probes.{probe}.mode: {name} has no relations of entities to swap; take no-question")
        if entry["insert"] != "none" and entry["vocabulary"] == "entities":
            raise ConfigError(f"probes.{probe}.vocabulary: {name} has no entities' names; write ngrams")
    for attack in in_order(config["study"], "attacks"):
        if attack != NONE:
            _check_attacked(name, benchmark, attack, config["attacks"][attack])


def _check_attacked(name: str, benchmark: dict, attack: str, entry: dict) -> None:
    corpus = entry["parameters"].get("corpus", "relearn")
    if corpus != "relearn":
        raise ConfigError(f"attacks.{attack}.parameters.corpus: {name} has no texts {corpus!r}; take relearn")
    facts, parameters = facts_of(ATTACKS, entry["kind"]), entry["parameters"]
    role, split = facts.answered_from(parameters)
    if facts.answered_questions(parameters)[1] and split not in benchmark[role]["splits"]:
        raise ConfigError(f"benchmarks.{name}.{role}.splits: {attack} shows questions of a share {split!r}; give one")
