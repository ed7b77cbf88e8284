"""Every id that the configuration names must be defined, and be of the sort that is asked for."""

import re
from collections.abc import Iterable

from unlearning_robustness.config import constants
from unlearning_robustness.config.cells import (
    ACCURACY,
    MEASURE,
    NONE,
    PROBABILITY,
    REFERENCE,
    RETRAINED,
    cells,
    in_order,
    parts_of,
    retrain_of,
)
from unlearning_robustness.config.kinds import ATTACKS, FIGURES, facts_of, registered
from unlearning_robustness.config.overlays import AXES
from unlearning_robustness.errors import ConfigError

# Ids with a meaning of their own, by axis.
RESERVED = (("methods", REFERENCE), ("methods", RETRAINED))
# What no entry is called: these stand for something else in paths, grids and other entries.
WORDS = re.compile(rf"{NONE}|seed\d+")


def check_references(config: dict) -> None:
    """Raise ConfigError for the first id that is taken, names nothing, or names something of another sort."""
    _check_ids(config)
    _check_definitions(config)
    _check_study(config)
    _check_analysis(config)
    if "tuning" in config:
        _check_tuning(config, config["tuning"])
    _check_measures(config)
    _check_expected(config)
    _check_claims(config)
    _check_family(config)


def expected_of(config: dict) -> dict[str, dict]:
    """The published numbers that name this study; a laptop study is compared with nothing unless an entry says so."""
    study = config["study"]["name"]
    return {name: entry for name, entry in config["expected"].items() if entry["study"] == study}


def _defined(config: dict, axis: str, name: str, key: str) -> None:
    if name not in config[axis]:
        raise ConfigError(f"{key}: {name!r} is not defined under {axis}; there are: {', '.join(sorted(config[axis]))}")


def _all_defined(config: dict, axis: str, names: Iterable[str], key: str, reserved: str = "") -> None:
    for name in names:
        if name != reserved:
            _defined(config, axis, name, key)


def _defence_defined(config: dict, defence: str, key: str) -> None:
    """Check that every part of a defence exists, and that the cell that a part is matched to is trained itself."""
    for part in parts_of(defence):
        _defined(config, "defences", part, key)
        own = config["defences"][part]["parameters"]
        match = own.get("match", NONE)
        if match == NONE:
            continue
        key_of_match = f"defences.{part}.parameters.match"
        _defined(config, "defences", match, key_of_match)
        if "match" in config["defences"][match]["parameters"]:
            raise ConfigError(f"{key_of_match}: {match!r} is itself matched; name one that is trained without another")
        if "noise_scale" in own and config["defences"][match]["parameters"].get("unit") == "norm":
            raise ConfigError(f"{key_of_match}: the noise of {match!r} is in norms, this one's is not; name another")


def _tuned_defence_defined(config: dict, defence: str, key: str) -> None:
    """Check a defence whose settings are searched for, which is a single entry: a row has no settings of its own."""
    _defined(config, "defences", defence, key)
    _defence_defined(config, defence, key)


def _takes_relearning_steps(config: dict, name: str, key: str) -> None:
    """Check that whatever reads results along relearning steps names an attack that takes some."""
    _defined(config, "attacks", name, key)
    kind = config["attacks"][name]["kind"]
    if not facts_of(ATTACKS, kind).relearns:
        raise ConfigError(f"{key}: {kind} takes no relearning steps; name an attack of kind relearn")


def _check_ids(config: dict) -> None:
    for axis, word in RESERVED:
        if word in config[axis]:
            raise ConfigError(f"{axis}.{word}: this id is taken; choose another")
    for axis in (*AXES, "searches"):
        if word := next(filter(WORDS.fullmatch, config[axis]), None):
            raise ConfigError(f"{axis}.{word}: this id stands for something else in paths and grids; choose another")
    for name in config["defences"]:
        if "." in name:
            raise ConfigError(f"defences.{name}: a dot joins defences, so an id has none; choose another")
    for name in config["methods"]:
        if "." in name:
            raise ConfigError(f"methods.{name}: an id of a method has no dot; choose another")


def _check_definitions(config: dict) -> None:
    """Check the ids by which entries name each other."""
    for axis in ("methods", "defences"):
        for name, entry in config[axis].items():
            key = f"{axis}.{name}.variant_of"
            if "variant_of" in entry:
                _defined(config, axis, entry["variant_of"], key)
            if entry.get("variant_of") == name:
                raise ConfigError(f"{key}: an entry is no variant of itself; name the one that it varies")
    for name, defence in config["defences"].items():
        _all_defined(config, "methods", defence["per_method"], f"defences.{name}.per_method")
    for name, model in config["models"].items():
        key = f"models.{name}"
        if ("from" in model) != ("memorised" in model):
            raise ConfigError(
                f"{key}.memorised: goes with from, the model that this one is made from; give both or neither"
            )
        if "base" in model:
            _defined(config, "models", model["base"], f"{key}.base")
            if "base" in config["models"][model["base"]] or not {"hub", "path"} & model.keys():
                raise ConfigError(f"{key}.base: goes with hub or path, and names a model that is no adapter itself")
        if "from" not in model:
            continue
        _defined(config, "models", model["from"], f"{key}.from")
        _defined(config, "benchmarks", model["memorised"]["benchmark"], f"{key}.memorised.benchmark")
        if "from" in config["models"][model["from"]]:
            raise ConfigError(f"{key}.from: {model['from']!r} is itself made from another model; name a fetched one")


def _check_study(config: dict) -> None:
    study = config["study"]
    for axis in ("models", "benchmarks", "probes"):
        _all_defined(config, axis, study[axis], f"study.{axis}")
    for figure in study["figures"]:
        if figure not in registered(FIGURES):
            raise ConfigError(f"study.figures: no figure {figure!r}; there are: {', '.join(registered(FIGURES))}")
    if not any(NONE in grid["attacks"] for grid in study["cells"]):
        raise ConfigError(
            f"study.cells: add attack {NONE!r} to a grid; attacked models are compared with unattacked ones"
        )
    for number, varied in enumerate(study["variation"]):
        if other := next((level["model"] for level in varied["levels"] if level["model"] not in study["models"]), None):
            raise ConfigError(f"study.variation.{number}.levels: {other!r} is not among study.models; add it there")
    for number, grid in enumerate(study["cells"]):
        key = f"study.cells.{number}"
        _all_defined(config, "methods", grid["methods"], f"{key}.methods", REFERENCE)
        _all_defined(config, "attacks", grid["attacks"], f"{key}.attacks", NONE)
        for defence in grid["defences"]:
            _defence_defined(config, defence, f"{key}.defences")


def _check_analysis(config: dict) -> None:
    analysis, study = config["analysis"], config["study"]
    _takes_relearning_steps(config, analysis["attack"], "analysis.attack")
    for defence in [defence for pair in analysis["comparisons"] for defence in pair]:
        _all_defined(config, "defences", parts_of(defence), "analysis.comparisons")
    for pair in analysis["interactions"]:
        for defence in (*pair, ".".join(pair)):
            if defence not in in_order(study, "defences"):
                raise ConfigError(
                    f"analysis.interactions: {defence!r} is in no grid of study.cells; a pair needs both and the two "
                    "joined by a dot, in that order"
                )
    _check_yardstick(config)
    _check_knowing(config)
    for part in ("baseline", "forget_token", "neutral_token"):
        key, probe = f"analysis.{part}_probe", analysis[f"{part}_probe"]
        _defined(config, "probes", probe, key)
        if probe not in study["probes"]:
            raise ConfigError(f"{key}: {probe!r} must stand in study.probes")
        if "max_facts" in config["probes"][probe]:
            raise ConfigError(f"probes.{probe}.max_facts: {key} is asked of every fact; leave it out")


def _check_yardstick(config: dict) -> None:
    """Check that models which never had the forget facts are asked as the other cells are."""
    analysis = config["analysis"]
    if analysis["never_trained"] and "yardstick" not in analysis:
        raise ConfigError("analysis.never_trained: they are compared with analysis.yardstick; name one of them there")
    named = [("yardstick", analysis["yardstick"])] if "yardstick" in analysis else []
    for name, method in [*named, *(("never_trained", method) for method in analysis["never_trained"])]:
        _defined(config, "methods", method, f"analysis.{name}")
        grids = [grid for grid in config["study"]["cells"] if method in grid["methods"]]
        if not any(NONE in grid["defences"] and NONE in grid["attacks"] for grid in grids):
            raise ConfigError(
                f"analysis.{name}: {method!r} is no cell of study.cells with defence none and attack none; add it there"
            )
    if analysis.get("yardstick") in analysis["never_trained"]:
        raise ConfigError(f"analysis.never_trained: {analysis['yardstick']!r} is the yardstick itself; leave it out")


def _check_knowing(config: dict) -> None:
    """Check that models which are known to hold the forget facts, and those that never had them, are cells."""
    analysis = config["analysis"]
    if analysis["knowing"] and not analysis["unknowing"] and "yardstick" not in analysis:
        raise ConfigError("analysis.knowing: these are told from analysis.yardstick; name it there, or give unknowing")
    trained = {(cell.method, cell.defence) for cell in cells(config["study"])}
    for key in ("knowing", "unknowing"):
        for method, defence in analysis[key]:
            if (method, defence) not in trained:
                raise ConfigError(f"analysis.{key}: {method} with {defence} is no cell of study.cells; add it there")
    if twice := next((pair for pair in analysis["unknowing"] if pair in analysis["knowing"]), None):
        raise ConfigError(f"analysis.unknowing: {' with '.join(twice)} is among those that know; leave it out of one")


def _check_tuning(config: dict, tuning: dict) -> None:
    _all_defined(config, "methods", tuning["methods"], "tuning.methods")
    _all_defined(config, "methods", tuning["noise"]["methods"], "tuning.noise.methods")
    noise = tuning["noise"]["defence"]
    _tuned_defence_defined(config, noise, "tuning.noise.defence")
    if "noise_scale" not in config["defences"][noise]["parameters"]:
        raise ConfigError(f"tuning.noise.defence: {noise!r} has no noise_scale to tune; name a defence that has one")
    _all_defined(config, "methods", tuning["attack"]["methods"], "tuning.attack.methods")
    _takes_relearning_steps(config, tuning["attack"]["attack"], "tuning.attack.attack")
    if "defences" in tuning:
        search = tuning["defences"]
        _takes_relearning_steps(config, search["attack"], "tuning.defences.attack")
        _all_defined(config, "methods", search["methods"], "tuning.defences.methods")
        for defence in search["grids"]:
            _tuned_defence_defined(config, defence, "tuning.defences.grids")


def _check_measures(config: dict) -> None:
    study = config["study"]
    for measure in ("landscape", "trajectory"):
        if "attack" in config.get(measure, {}):
            _takes_relearning_steps(config, config[measure]["attack"], f"{measure}.attack")
    for part in ("plain", "forget", "neutral", "other_neutral") if study["latents"] and "latents" in config else ():
        if (probe := config["latents"][f"{part}_probe"]) not in study["probes"]:
            raise ConfigError(f"latents.{part}_probe: {probe!r} must stand in study.probes")
    if study["memorisation"] and "memorisation" in config:
        if "attack" in config["memorisation"]:
            _takes_relearning_steps(config, config["memorisation"]["attack"], "memorisation.attack")
        for model in study["models"]:
            if "model" in (retrain := retrain_of(config, model)):
                _defined(config, "models", retrain["model"], "memorisation.retrain.model")


def _check_expected(config: dict) -> None:
    """Check that a published number of this study names defined ids and a single quantity."""
    for name, entry in expected_of(config).items():
        key, of = f"expected.{name}", entry["of"]
        _defined(config, "models", entry["model"], f"{key}.model")
        _defined(config, "benchmarks", entry["benchmark"], f"{key}.benchmark")
        _all_defined(config, "probes", [of["probe"]] if "probe" in of else [], f"{key}.of.probe")
        _all_defined(config, "methods", [entry["method"]], f"{key}.method", REFERENCE)
        _all_defined(config, "defences", parts_of(entry["defence"]), f"{key}.defence")
        if of["attack"] == NONE:
            if entry["quantity"] == "gain":
                raise ConfigError(f"{key}.of.attack: a gain is what an attack brings back; name one")
            continue
        _defined(config, "attacks", of["attack"], f"{key}.of.attack")
        budget = config["attacks"][of["attack"]]["parameters"]
        for part in ("documents", "steps"):
            if part not in of and len(budget.get(part) or []) > 1:
                raise ConfigError(f"{key}.of.{part}: missing; {of['attack']} is scored at {budget[part]}, give one")


def _check_claims(config: dict) -> None:
    """Check that the table that decides a claim exists, and that it is about one measure of answers."""
    tables = constants.registry("analysis", "TABLES")
    for name, claim in config["claims"].items():
        if claim["table"] not in tables:
            raise ConfigError(
                f"claims.{name}.table: no table {claim['table']!r}; there are: {', '.join(sorted(tables))}"
            )
        if (measure := claim["where"].get(MEASURE, ACCURACY)) not in (ACCURACY, PROBABILITY):
            raise ConfigError(f"claims.{name}.where.measure: {measure!r} is none: give {ACCURACY} or {PROBABILITY}")


def _check_family(config: dict) -> None:
    """Check that the study has one family of comparisons, of tables that one job computes."""
    family = {entry["table"] for entry in config["analysis"]["family"]}
    if family and config["claims"]:
        raise ConfigError("analysis.family: the register of claims is this study's family; take one of both away")
    for group in constants.constant("analysis", "GROUPS").values():
        family -= set(group) if family <= set(group) else set()
    if family:
        raise ConfigError(f"analysis.family: no job computes the table(s) {', '.join(sorted(family))} together")
