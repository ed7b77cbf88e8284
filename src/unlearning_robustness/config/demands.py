"""What a study needs of a benchmark: how many texts and questions, each with the key that lowers the number.

A demand is a mapping: ``key``, ``least``, and what there must be at least so many of: texts of ``corpora`` together, or
questions about facts of a ``role`` and ``split``.
"""

from collections.abc import Iterator

from unlearning_robustness.config.cells import NONE, in_order, parts_of
from unlearning_robustness.config.checkpoints import study_methods
from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, facts_of
from unlearning_robustness.config.searches import searched_kinds
from unlearning_robustness.errors import ConfigError

TRAINED_ON = ("forget", "retain")


def text_demands(config: dict, benchmark: str) -> list[dict]:
    """What batches and attacks take from the texts of a benchmark: the study's, and those of a model that learns it."""
    demands = []
    for name, model in config["models"].items():
        if (learnt := model.get("memorised", {})).get("benchmark") == benchmark:
            key = f"models.{name}.memorised.batch_size"
            demands.append({"key": key, "corpora": learnt["corpora"], "least": learnt["batch_size"]})
    if benchmark in config["study"]["benchmarks"]:
        demands += _batches(config)
        demands += _attackers(config)
    return demands


def _batches(config: dict) -> Iterator[dict]:
    for name in study_methods(config):
        for corpus in TRAINED_ON:
            size = config["methods"][name]["batch_size"]
            yield {"key": f"methods.{name}.batch_size", "corpora": [corpus], "least": size}


def _attackers(config: dict) -> Iterator[dict]:
    for name, entry, facts in _attacks(config):
        for corpus, (parameter, least) in facts.texts(entry["parameters"]).items():
            yield {"key": f"attacks.{name}.parameters.{parameter}", "corpora": [corpus], "least": least}
    for _, search in _searches(config):
        if search["control"] != NONE:
            key, attack = f"attacks.{search['attack']}.parameters.documents", config["attacks"][search["attack"]]
            yield {"key": key, "corpora": [search["control"]], "least": max(attack["parameters"]["documents"])}


def _searches(config: dict) -> Iterator[tuple[str, dict]]:
    for name in dict.fromkeys(name for *_, name in searched_kinds(config)):
        yield name, config["searches"][name]


def _attacks(config: dict) -> Iterator[tuple[str, dict, type]]:
    for name in in_order(config["study"], "attacks"):
        if name != NONE:
            entry = config["attacks"][name]
            yield name, entry, facts_of(ATTACKS, entry["kind"])


def question_demands(config: dict) -> list[dict]:
    """What attacks, controls and measures of the study take from the facts that are asked about."""
    demands = []
    for name, entry, facts in _attacks(config):
        key, parameters = f"attacks.{name}", entry["parameters"]
        parameter, least = facts.select_questions(parameters)
        asked = f"{key}.parameters.{parameter}" if parameter else key
        for role in facts.chooses_on(parameters):
            demands.append({"key": asked, "role": role, "split": "select", "least": max(1, least)})
        parameter, least = facts.answered_questions(parameters)
        if parameter:
            role, split = facts.answered_from(parameters)
            demands.append({"key": f"{key}.parameters.{parameter}", "role": role, "split": split, "least": least})
    for name, _ in _searches(config):
        # One fact is asked about another one's entity, and each is a half.
        for role, least in (("forget", 2), ("retain", 1)):
            demands.append({"key": f"searches.{name}", "role": role, "split": "select", "least": least})
    for part in dict.fromkeys(part for row in in_order(config["study"], "defences") for part in parts_of(row)):
        entry = config["defences"][part]
        if facts_of(DEFENCES, entry["kind"]).scores_select(entry["parameters"]):
            # One fact is asked about another one's entity.
            demands.append({"key": f"defences.{part}", "role": "forget", "split": "select", "least": 2})
    if config["study"]["memorisation"] and config["memorisation"]["protocol"] == "facts":
        shots = {"key": "memorisation.shots", "split": "select", "least": config["memorisation"]["shots"]}
        demands += [shots | {"role": role} for role in TRAINED_ON]
    return demands


def check_demands(config: dict) -> None:
    """Raise ConfigError for the first demand that the configuration itself shows to be too large."""
    for name in config["study"]["benchmarks"]:
        stated = stated_texts(config["benchmarks"][name])
        for demand in text_demands(config, name):
            (corpus, *others) = demand["corpora"]
            if others or corpus not in stated:
                continue
            key, count = stated[corpus]
            if demand["least"] > count:
                raise ConfigError(
                    f"{demand['key']}: {demand['least']} texts of {corpus} are needed, and "
                    f"benchmarks.{name}.corpora.{key} says {count}; lower one or raise the other"
                )


def stated_texts(benchmark: dict) -> dict[str, tuple[str, int]]:
    """By corpus, how many texts the configuration says that a benchmark has, behind the key that says it."""
    corpora = benchmark["corpora"]
    keys = {"retain": "retain_documents"}
    if "texts" not in benchmark:
        keys["benign"] = "benign_documents"
    else:
        keys["forget"] = "forget_prose_documents"
        if corpora["relearn"] == "forget":
            keys["relearn"] = "forget_prose_documents"
    return {corpus: (key, corpora[key]) for corpus, key in keys.items() if corpora.get(key)}
