"""What goes together: losses, defences and ways of training, attacks and the questions they need."""

from unlearning_robustness.config.cells import FLOORS, NONE, REFERENCE, defence_row, parts_of, tried_rows
from unlearning_robustness.config.checkpoints import checkpoint_methods, trained_methods
from unlearning_robustness.config.kinds import (
    ATTACKS,
    DEFENCES,
    FORGET_LOSSES,
    RETAIN_LOSSES,
    declaration,
    facts_of,
    reads_of,
    registered,
)
from unlearning_robustness.config.parameters import complete
from unlearning_robustness.config.sources import DESCRIBING
from unlearning_robustness.config.training import check_training
from unlearning_robustness.errors import ConfigError


def check_compatibility(config: dict) -> None:
    """Raise ConfigError for the first combination that is impossible or has no effect."""
    for name, method in trained_methods(config).items():
        _check_losses(f"methods.{name}", method)
        check_training(name, method, config)
    for name, method in checkpoint_methods(config).items():
        if "after" in method:
            key, after = f"methods.{name}.after.defence", method["after"]
            _check_row(config, after["defence"], key)
            _check_acts(config, after["method"], after["defence"], key)
    for name, probe in config["probes"].items():
        _check_probe(f"probes.{name}", probe)
    for number, grid in enumerate(config["study"]["cells"]):
        for defence in grid["defences"]:
            _check_defence(config, grid["methods"], defence, f"study.cells.{number}")
    if "tuning" in config:
        _check_tuning(config, config["tuning"])
    for attack in sorted({attack for grid in config["study"]["cells"] for attack in grid["attacks"]} - {NONE}):
        _check_attack(config, attack, config["attacks"][attack])


def _check_losses(key: str, method: dict) -> None:
    reads = reads_of(FORGET_LOSSES, method["forget_loss"])
    fitting = [kind for kind in registered(RETAIN_LOSSES) if reads_of(RETAIN_LOSSES, kind) == reads]
    if method["retain_loss"] not in fitting:
        raise ConfigError(f"{key}.retain_loss: {method['forget_loss']} goes with {', '.join(sorted(fitting))}")


def _check_probe(key: str, probe: dict) -> None:
    if (probe["insert"] == "none") != (probe["count"] == 0):
        raise ConfigError(f"{key}.count: {probe['count']} does not go with insert: {probe['insert']}")
    if (probe["vocabulary"] == "listed") != ("words" in probe):
        raise ConfigError(f"{key}.words: go with vocabulary: listed and only then; give both or neither")
    if probe["mode"] not in ("plain", "option", "letter", *DESCRIBING, *FLOORS) and probe["insert"] == "none":
        raise ConfigError(f"{key}.insert: mode {probe['mode']} needs forget or neutral tokens")
    if probe["mode"] in (*DESCRIBING, *FLOORS) and probe["insert"] != "none":
        raise ConfigError(f"{key}.insert: mode {probe['mode']} inserts no tokens; leave insert and count out")


def _check_defence(config: dict, methods: list[str], defence: str, key: str) -> None:
    """Check that a grid's ``defence``, parts joined by dots, is possible and has an effect on each of the methods."""
    if defence == NONE:
        return
    if REFERENCE in methods:
        raise ConfigError(f"{key}: the reference is not trained, so it has no defence {defence!r}; use none")
    _check_row(config, defence, f"{key}.defences")
    for method in methods:
        _check_acts(config, method, defence, f"{key}.defences")


def _check_row(config: dict, defence: str, key: str) -> None:
    """Parts of a defence must replace different parts of a step; one matched to a cell leaves nothing to combine."""
    replaced: dict[str, str] = {}
    for part in parts_of(defence):
        facts = facts_of(DEFENCES, config["defences"][part]["kind"])
        if facts.needs_matched_cell and part != defence:
            raise ConfigError(f"{key}: {defence!r} cannot be combined: {part!r} is matched to a cell; take it alone")
        for piece in facts.replaces:
            if other := replaced.get(piece):
                raise ConfigError(
                    f"{key}: {defence!r} cannot be combined: {other!r} and {part!r} both replace the "
                    f"{piece.replace('_', ' ')} of a step; take one of them"
                )
            replaced[piece] = part


def _check_acts(config: dict, method: str, defence: str, key: str) -> None:
    """Every part of ``defence``, and what it is matched to, must find something in ``method`` to act on."""
    row = defence_row(config, defence, method)
    settings = config["methods"][method]
    for part in row:
        steps = facts_of(DEFENCES, part["kind"]).steps(part["parameters"], settings["steps"])
        settings = settings | {"steps": steps}
    for part in row:
        _check_suits(method, settings, part["id"], part["kind"], part["parameters"], key)
        _check_acts(config, method, part["parameters"].get("match", NONE), key)


def _check_suits(method: str, settings: dict, part: str, kind: str, parameters: dict, key: str) -> None:
    """A defence must suit the way in which the method is trained, and find the retain loss that it works on."""
    facts, retain_loss = facts_of(DEFENCES, kind), settings["retain_loss"]
    nothing = f"{key}: {part!r} does nothing on {method!r}, "
    if facts.acts_on and settings["retain_weight"] == 0:
        raise ConfigError(f"{nothing}whose retain_weight is 0; leave it out there, or give a weight")
    if facts.acts_on == "reference" and not declaration(RETAIN_LOSSES, retain_loss).needs_reference:
        raise ConfigError(f"{nothing}whose retain loss {retain_loss} reads no reference; leave it out, or take kl")
    if settings["parallel"]["sharded"] and not facts.shardable:
        raise ConfigError(
            f"{key}: {part!r} ({kind}) needs whole tensors, and {method!r} is sharded; leave it out there, or give the "
            "method parallel.sharded: false"
        )
    if settings["gradient_checkpointing"] and facts.differentiates_gradients(parameters):
        raise ConfigError(
            f"{key}: {part!r} ({kind}) differentiates gradients, and {method!r} has gradient_checkpointing; leave one "
            "of them out"
        )
    if reason := next(facts.unfit(parameters, settings), None):
        raise ConfigError(f"{key}: {part!r} ({kind}) does not suit {method!r}: {reason}")


def _check_tuning(config: dict, tuning: dict) -> None:
    """Check that a search is a single process, varies existing entries, and tries no defence that has no effect."""
    methods = {"methods": tuning["methods"], "noise.methods": tuning["noise"]["methods"]}
    methods |= {"attack.methods": tuning["attack"]["methods"]}
    grids = tuning["defences"]["grids"] if "defences" in tuning else {}
    if grids:
        methods["defences.methods"] = tuning["defences"]["methods"]
    for key, names in methods.items():
        for name in names:
            if config["methods"][name]["parallel"]["sharded"]:
                raise ConfigError(
                    f"tuning.{key}: a search is a single process, and {name!r} is sharded; leave it out there"
                )
    for name in tuning["methods"]:
        if config["methods"][name]["decay"] != "none":
            raise ConfigError(
                f"tuning.methods.{name}: it is scored along its steps, and its learning rate falls towards the last "
                "one; leave it out there, or its decay"
            )
    for method in tuning["noise"]["methods"]:
        _check_acts(config, method, tuning["noise"]["defence"], "tuning.noise.methods")
    for name in grids:
        if facts_of(DEFENCES, config["defences"][name]["kind"]).needs_matched_cell:
            raise ConfigError(
                f"tuning.defences.grids: {name!r} is matched to a cell, which a search has not; leave it out"
            )
    for name, method, row in tried_rows(config):
        (part,), key = row, f"tuning.defences.grids.{name}"
        complete(DEFENCES, part["kind"], part["parameters"], key)
        _check_suits(method, config["methods"][method], name, part["kind"], part["parameters"], key)


def _check_attack(config: dict, attack: str, entry: dict) -> None:
    """An attack that chooses on select has questions there; one whose strength is chosen there shows what it costs.

    One that only reads costs nothing.
    """
    facts, parameters = facts_of(ATTACKS, entry["kind"]), entry["parameters"]
    needed = {"forget"} if facts.only_reads else {"forget", "retain"}
    if "select" in config["scoring"]["splits"] and not needed <= set(entry["roles"]):
        raise ConfigError(
            f"attacks.{attack}.roles: an attack whose strength is chosen on select (scoring.splits) must also ask "
            "retain questions; give roles: [forget, retain]"
        )
    for benchmark in config["study"]["benchmarks"]:
        for role in facts.chooses_on(parameters):
            key, chosen = f"benchmarks.{benchmark}.{role}", config["benchmarks"][benchmark][role]
            if "select" not in chosen["splits"]:
                raise ConfigError(f"{key}.splits: a share of 'select' is missing; {attack!r} chooses on it")
            (parameter, least), kept = facts.select_questions(parameters), chosen.get("max_facts", {}).get("select")
            if kept is not None and kept < least:
                asking = f"attacks.{attack}.parameters.{parameter}" if parameter else f"attacks.{attack}"
                raise ConfigError(
                    f"{asking}: {least} select questions are needed, and "
                    f"{key}.max_facts.select keeps {kept}; lower one or raise the other"
                )
