"""Attacks that choose, or whose strength is chosen, on the select split: what they need there."""

from unlearning_robustness.config.cells import NONE
from unlearning_robustness.config.parameters import declared
from unlearning_robustness.errors import ConfigError


def check_choosing(config: dict) -> None:
    """Raise ConfigError for an attack in use that chooses on questions which a benchmark in use does not have.

    Also for one whose strength the matrix chooses (``scoring.splits``) and that does not show what it costs; one that
    ``only_reads`` costs nothing.
    """
    used = {attack for grid in config["study"]["cells"] for attack in grid["attacks"]} - {NONE}
    for attack in sorted(used):
        entry = config["attacks"][attack]
        needed = {"forget"} if declared("attacks.ATTACKS", entry["kind"], "only_reads", False) else {"forget", "retain"}
        if "select" in config["scoring"]["splits"] and not needed <= set(entry["roles"]):
            raise ConfigError(
                f"attacks.{attack}.roles: an attack whose strength is chosen on select (scoring.splits) must also ask "
                "retain questions; give roles: [forget, retain]"
            )
        for name in config["study"]["benchmarks"]:
            for role in _chooses_on(entry):
                _check_role(config["benchmarks"][name][role], f"benchmarks.{name}.{role}", attack, entry)


def _chooses_on(entry: dict) -> tuple[str, ...]:
    """The roles of the select questions that an attack needs."""
    given = entry["parameters"]
    return (given["role"],) if "role" in given else declared("attacks.ATTACKS", entry["kind"], "chooses_on", ())


def _check_role(role: dict, key: str, attack: str, entry: dict) -> None:
    if "select" not in role["splits"]:
        raise ConfigError(f"{key}.splits: a share of 'select' is missing; {attack!r} chooses on it")
    given, most = entry["parameters"], role.get("max_facts", {}).get("select")
    wanted = given.get("questions", 0) + given.get("held_out", 0)
    if most is not None and most < wanted and max(given.get("steps", [0])) > 0:
        raise ConfigError(
            f"attacks.{attack}.parameters.held_out: {wanted} select questions with those searched on, and "
            f"{key}.max_facts.select keeps {most}; lower one or raise the other"
        )
