"""Checks across fields: everything that can be known to fail before any job runs."""

from unlearning_robustness.config.cells import NONE, REFERENCE, cells
from unlearning_robustness.config.origins import check_origins, check_published
from unlearning_robustness.config.parameters import complete, reads_of, registered
from unlearning_robustness.errors import ConfigError

FORGET_LOSSES, RETAIN_LOSSES = "methods.FORGET_LOSSES", "methods.RETAIN_LOSSES"
DEFENCES, ATTACKS = "defences.DEFENCES", "attacks.ATTACKS"
FIGURES = "figures.FIGURES"


def complete_entries(config: dict) -> None:
    """Check and complete the parameters of every method, defence and attack, in place."""
    for name, method in config["methods"].items():
        method["parameters"] = _complete(FORGET_LOSSES, method, "forget_loss", f"methods.{name}")
    for name, defence in config["defences"].items():
        key = f"defences.{name}"
        defence["parameters"] = _complete(DEFENCES, defence, "kind", key)
        for method, given in defence["per_method"].items():
            _defined(config, "methods", method, f"{key}.per_method")
            complete(DEFENCES, defence["kind"], {**defence["parameters"], **given}, f"{key}.per_method.{method}")
    for name, attack in config["attacks"].items():
        attack["parameters"] = _complete(ATTACKS, attack, "kind", f"attacks.{name}")


def _complete(registry: str, entry: dict, kind: str, key: str) -> dict:
    if entry[kind] not in registered(registry):
        raise ConfigError(f"{key}.{kind}: no {entry[kind]!r}; there are: {', '.join(sorted(registered(registry)))}")
    return complete(registry, entry[kind], entry["parameters"], f"{key}.parameters")


def check_study(config: dict) -> None:
    """Raise ConfigError for the first reference to something undefined or combination that cannot be."""
    study = config["study"]
    check_origins(config)
    check_published(config)
    for axis in ("models", "benchmarks", "probes"):
        for name in study[axis]:
            _defined(config, axis, name, f"study.{axis}")
    for figure in study["figures"]:
        if figure not in registered(FIGURES):
            raise ConfigError(f"study.figures: no figure {figure!r}; there are: {', '.join(registered(FIGURES))}")
    _check_reserved(config)
    _check_analysis(config)
    _check_selection(config)
    _check_measured(config)
    for name in study["benchmarks"]:
        forget = config["benchmarks"][name]["forget"]
        if "domain" in forget and "relearn" not in forget["splits"]:
            raise ConfigError(
                f"benchmarks.{name}.forget.splits: a share of 'relearn' is missing; attackers train on it"
            )
    for number, grid in enumerate(study["cells"]):
        key = f"study.cells.{number}"
        for method in grid["methods"]:
            if method != REFERENCE:
                _defined(config, "methods", method, f"{key}.methods")
        for attack in grid["attacks"]:
            if attack != NONE:
                _defined(config, "attacks", attack, f"{key}.attacks")
        for defence in grid["defences"]:
            _check_defence(config, grid, defence, key)
    for name, method in config["methods"].items():
        _check_method(name, method)
    for name, defence in config["defences"].items():
        _check_sizes(name, defence)
    for name, probe in config["probes"].items():
        if (probe["tokens"] == "none") != (probe["count"] == 0):
            raise ConfigError(f"probes.{name}.count: {probe['count']} does not go with tokens {probe['tokens']}")
        if probe["mode"] in ("prefix", "position", "mention") and probe["tokens"] == "none":
            raise ConfigError(f"probes.{name}.tokens: mode {probe['mode']} needs forget or neutral tokens")


def _check_reserved(config: dict) -> None:
    for axis, word in (("methods", REFERENCE), ("defences", NONE), ("attacks", NONE)):
        if word in config[axis]:
            raise ConfigError(f"{axis}.{word}: this id is taken for what has none; choose another")
    for name in config["defences"]:
        if "." in name:
            raise ConfigError(f"defences.{name}: a dot joins defences, so an id has none; choose another")


def _check_analysis(config: dict) -> None:
    analysis, study = config["analysis"], config["study"]
    _defined(config, "attacks", analysis["attack"], "analysis.attack")
    for part in ("baseline", "forget_token", "neutral_token"):
        key = f"analysis.{part}_probe"
        _defined(config, "probes", analysis[f"{part}_probe"], key)
        if analysis[f"{part}_probe"] not in study["probes"]:
            raise ConfigError(f"{key}: {analysis[f'{part}_probe']!r} must stand in study.probes")
        if "most_facts" in config["probes"][analysis[f"{part}_probe"]]:
            raise ConfigError(
                f"probes.{analysis[f'{part}_probe']}.most_facts: {key} is asked of every fact; leave it out"
            )


def _check_selection(config: dict) -> None:
    selection = config.get("selection")
    if selection is None:
        return
    named = {"methods": selection["methods"], "noise.methods": selection["noise"]["methods"]}
    for key, methods in {**named, "attack.methods": selection["attack"]["methods"]}.items():
        for method in methods:
            _defined(config, "methods", method, f"selection.{key}")
    _defined(config, "defences", selection["noise"]["defence"], "selection.noise.defence")
    _defined(config, "attacks", selection["attack"]["attack"], "selection.attack.attack")


def _check_measured(config: dict) -> None:
    study, trained = config["study"], {(cell.method, cell.defence) for cell in cells(config["study"])}
    for what in ("latents", "sharpness"):
        if study[what] and config.get(what) is None:
            raise ConfigError(f"study.{what}: needs settings under the key {what}; write them, or measure none")
        for number, grid in enumerate(study[what]):
            key = f"study.{what}.{number}"
            for kind in ((method, defence) for method in grid["methods"] for defence in grid["defences"]):
                if kind not in trained:
                    raise ConfigError(f"{key}: {' with '.join(kind)} is no cell of study.cells; add it there")
            if what == "sharpness" and REFERENCE in grid["methods"]:
                raise ConfigError(f"{key}.methods: the reference has no trained tensors; leave it out")
    for part in ("plain", "forget", "neutral", "other_neutral") if study["latents"] else ():
        if config["latents"][f"{part}_probe"] not in study["probes"]:
            name = config["latents"][f"{part}_probe"]
            raise ConfigError(f"latents.{part}_probe: {name!r} must stand in study.probes")


def _check_defence(config: dict, grid: dict, defence: str, key: str) -> None:
    if defence == NONE:
        return
    if REFERENCE in grid["methods"]:
        raise ConfigError(f"{key}: the reference is not trained, so it has no defence {defence!r}; use none")
    kinds = []
    for part in defence.split("."):
        _defined(config, "defences", part, f"{key}.defences")
        entry = config["defences"][part]
        kinds.append(entry["kind"])
        match = entry["parameters"].get("match")
        if match is not None and match != NONE:
            _defined(config, "defences", match, f"defences.{part}.parameters.match")
            if config["defences"][match]["kind"] == entry["kind"]:
                raise ConfigError(f"defences.{part}.parameters.match: {match!r} is itself an early stop")
    if len(set(kinds)) < len(kinds) or ("early-stop" in kinds and len(kinds) > 1):
        raise ConfigError(f"{key}.defences: {defence!r} cannot be combined; parts must be of different kinds")


def _check_sizes(name: str, defence: dict) -> None:
    """Perturbations have a size, and one of StableUN's does more than to undo the inner step."""
    key, parameters = f"defences.{name}.parameters", defence["parameters"]
    for part, value in parameters.items():
        if isinstance(value, int | float) and value < 0:
            raise ConfigError(f"{key}.{part}: must not be below 0, not {value}")
        if part in ("radius", "inner_radius", "scale") and value == 0:
            raise ConfigError(f"{key}.{part}: must be above 0; to leave the perturbation out, leave the defence out")
    inner, ascent = parameters.get("inner_radius"), parameters.get("sap_radius", 0)
    if inner is not None and 0 < ascent <= inner:
        raise ConfigError(
            f"{key}.sap_radius: {ascent} is not above inner_radius {inner}, so the ascent only undoes the inner step; "
            "give at least twice the inner radius"
        )


def _check_method(name: str, method: dict) -> None:
    key, reads = f"methods.{name}", reads_of(FORGET_LOSSES, method["forget_loss"])
    fitting = [kind for kind in registered(RETAIN_LOSSES) if reads_of(RETAIN_LOSSES, kind) == reads]
    if method["retain_loss"] not in fitting:
        raise ConfigError(f"{key}.retain_loss: {method['forget_loss']} goes with {', '.join(sorted(fitting))}")
    if reads == "hidden" and max(method["layers"]) > method["read_layer"]:
        raise ConfigError(
            f"{key}.layers: layer {max(method['layers'])} is above the read layer {method['read_layer']}, "
            "so the loss would not train it"
        )
    if method.get("variant_of") == name:
        raise ConfigError(f"{key}.variant_of: a method is no variant of itself; name the method it varies")
    if method["parameters"].get("beta", 1) <= 0:
        raise ConfigError(f"{key}.parameters.beta: must be above 0")


def _defined(config: dict, axis: str, name: str, key: str) -> None:
    if name not in config[axis]:
        raise ConfigError(f"{key}: {name!r} is not defined under {axis}; there are: {', '.join(sorted(config[axis]))}")
