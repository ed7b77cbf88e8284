"""Checks across fields: everything that can be known to fail before any job runs."""

from unlearning_robustness.config.cells import NONE, REFERENCE, RETRAINED, cells, in_order
from unlearning_robustness.config.choosing import check_choosing
from unlearning_robustness.config.combinations import check_acts, check_row, check_sizes, defined
from unlearning_robustness.config.expected import check_expected
from unlearning_robustness.config.parameters import complete, reads_of, registered
from unlearning_robustness.config.protocols import check_protocol
from unlearning_robustness.config.sources import check_published, check_sources
from unlearning_robustness.config.training import check_training, check_unsharded
from unlearning_robustness.errors import ConfigError

FORGET_LOSSES, RETAIN_LOSSES = "methods.FORGET_LOSSES", "methods.RETAIN_LOSSES"
DEFENCES, ATTACKS = "defences.DEFENCES", "attacks.ATTACKS"
FIGURES = "figures.FIGURES"
MATCHED = {"early-stop", "weight-noise"}


def complete_entries(config: dict) -> None:
    """Check and complete the parameters of every method, defence and attack, in place."""
    for name, method in config["methods"].items():
        method["parameters"] = _complete(FORGET_LOSSES, method, "forget_loss", f"methods.{name}")
    for name, defence in config["defences"].items():
        key = f"defences.{name}"
        defence["parameters"] = _complete(DEFENCES, defence, "kind", key)
        for method, given in defence["per_method"].items():
            defined(config, "methods", method, f"{key}.per_method")
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
    check_sources(config)
    check_published(config)
    for axis in ("models", "benchmarks", "probes"):
        for name in study[axis]:
            defined(config, axis, name, f"study.{axis}")
    for figure in study["figures"]:
        if figure not in registered(FIGURES):
            raise ConfigError(f"study.figures: no figure {figure!r}; there are: {', '.join(registered(FIGURES))}")
    _check_reserved(config)
    for name, method in config["methods"].items():
        _check_method(config, name, method)
    _check_analysis(config)
    _check_selection(config)
    _check_models(config)
    _check_measured(config)
    _check_neighbourhoods(config)
    check_expected(config)
    if study["memorisation"]:
        if "attack" in config["memorisation"]:
            _relearning(config, config["memorisation"]["attack"], "memorisation.attack")
        check_protocol(config)
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
                defined(config, "methods", method, f"{key}.methods")
        for attack in grid["attacks"]:
            if attack != NONE:
                defined(config, "attacks", attack, f"{key}.attacks")
        for defence in grid["defences"]:
            check_row(config, grid, defence, key)
    check_choosing(config)
    for name, defence in config["defences"].items():
        check_sizes(name, defence)
    for name, attack in config["attacks"].items():
        _check_budget(name, attack["parameters"])
        _check_prompting(name, attack["parameters"])
        _check_weights(name, attack)
    for name, probe in config["probes"].items():
        if (probe["insert"] == "none") != (probe["count"] == 0):
            raise ConfigError(f"probes.{name}.count: {probe['count']} does not go with insert: {probe['insert']}")
        if (probe["vocabulary"] == "listed") != ("words" in probe):
            raise ConfigError(f"probes.{name}.words: go with vocabulary: listed and only then; give both or neither")
        if probe["mode"] not in ("plain", "option", "letter") and probe["insert"] == "none":
            raise ConfigError(f"probes.{name}.insert: mode {probe['mode']} needs forget or neutral tokens")


def _check_reserved(config: dict) -> None:
    for axis, word in (("methods", REFERENCE), ("methods", RETRAINED), ("defences", NONE), ("attacks", NONE)):
        if word in config[axis]:
            raise ConfigError(f"{axis}.{word}: this id is taken; choose another")
    for name in config["defences"]:
        if "." in name:
            raise ConfigError(f"defences.{name}: a dot joins defences, so an id has none; choose another")


def _check_analysis(config: dict) -> None:
    analysis, study = config["analysis"], config["study"]
    _relearning(config, analysis["attack"], "analysis.attack")
    for name in {part for pair in analysis["comparisons"] for defence in pair for part in defence.split(".")} - {NONE}:
        defined(config, "defences", name, "analysis.comparisons")
    for pair in analysis["interactions"]:
        for defence in (*pair, ".".join(pair)):
            if defence not in in_order(study, "defences"):
                raise ConfigError(
                    f"analysis.interactions: {defence!r} is in no grid of study.cells; a pair needs both and the two "
                    "joined by a dot, in that order"
                )
    for part in ("baseline", "forget_token", "neutral_token"):
        key = f"analysis.{part}_probe"
        defined(config, "probes", analysis[f"{part}_probe"], key)
        if analysis[f"{part}_probe"] not in study["probes"]:
            raise ConfigError(f"{key}: {analysis[f'{part}_probe']!r} must stand in study.probes")
        if "max_facts" in config["probes"][analysis[f"{part}_probe"]]:
            raise ConfigError(
                f"probes.{analysis[f'{part}_probe']}.max_facts: {key} is asked of every fact; leave it out"
            )


def _check_selection(config: dict) -> None:
    selection = config.get("tuning")
    if selection is None:
        return
    named = {"methods": selection["methods"], "noise.methods": selection["noise"]["methods"]}
    for key, methods in {**named, "attack.methods": selection["attack"]["methods"]}.items():
        for method in methods:
            defined(config, "methods", method, f"tuning.{key}")
        check_unsharded(config, methods, f"tuning.{key}")
    defined(config, "defences", selection["noise"]["defence"], "tuning.noise.defence")
    for method in selection["noise"]["methods"]:
        check_acts(config, method, selection["noise"]["defence"], "tuning.noise.methods")
    if "defences" in selection:
        _check_defence_search(config, selection["defences"], "tuning.defences")
    _relearning(config, selection["attack"]["attack"], "tuning.attack.attack")


def _check_defence_search(config: dict, search: dict, key: str) -> None:
    _relearning(config, search["attack"], f"{key}.attack")
    for method in search["methods"]:
        defined(config, "methods", method, f"{key}.methods")
    check_unsharded(config, search["methods"], f"{key}.methods")
    for name, grid in search["grids"].items():
        defined(config, "defences", name, f"{key}.grids")
        for method in search["methods"]:
            check_acts(config, method, name, f"{key}.grids")
        entry = config["defences"][name]
        for parameter, values in grid.items():
            for value in values:
                complete(DEFENCES, entry["kind"], {**entry["parameters"], parameter: value}, f"{key}.grids.{name}")


def _check_measured(config: dict) -> None:
    study, trained = config["study"], {(cell.method, cell.defence) for cell in cells(config["study"])}
    for what in ("latents", "sharpness", "landscape", "memorisation"):
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


def _check_models(config: dict) -> None:
    """A model is fetched, or made from a fetched one."""
    for name, entry in config["models"].items():
        key = f"models.{name}"
        if ("from" in entry) != ("memorised" in entry):
            raise ConfigError(f"{key}.memorised: says what a model that is made from another one learns; give it from")
        if "from" not in entry:
            continue
        defined(config, "models", entry["from"], f"{key}.from")
        defined(config, "benchmarks", entry["memorised"]["benchmark"], f"{key}.memorised.benchmark")
        if "from" in config["models"][entry["from"]]:
            raise ConfigError(f"{key}.from: {entry['from']!r} is itself made from another model; name a fetched one")


def _check_neighbourhoods(config: dict) -> None:
    sharpness, landscape = config.get("sharpness"), config.get("landscape")
    if sharpness and ("share" in sharpness["divergence"]) == ("norm" in sharpness["divergence"]):
        raise ConfigError("sharpness.divergence: give one of share (of the weight change) and norm")
    if landscape is None:
        return
    _relearning(config, landscape["attack"], "landscape.attack")
    if landscape["plane"] % 2 == 0:
        raise ConfigError(
            f"landscape.plane: {landscape['plane']} points a side miss the model itself; give an odd number"
        )


def _relearning(config: dict, name: str, key: str) -> None:
    """What is read along relearning steps needs an attack that takes some."""
    defined(config, "attacks", name, key)
    if (kind := config["attacks"][name]["kind"]) != "relearn":
        raise ConfigError(f"{key}: {kind} takes no relearning steps; name an attack of kind relearn")


def _check_weights(name: str, attack: dict) -> None:
    """Numbers that an attack on weights cannot run with."""
    key, parameters = f"attacks.{name}.parameters", attack["parameters"]
    counts = {"prune": ["texts", "tokens"], "quantise": ["group_size"]}.get(attack["kind"], [])
    for part in counts:
        if parameters[part] < 1:
            raise ConfigError(f"{key}.{part}: must be at least 1, not {parameters[part]}")
    if attack["kind"] == "prune" and (most := max(parameters["fractions"])) > 1:
        raise ConfigError(f"{key}.fractions: shares of the weights are at most 1, not {most}; write 5 % as 0.05")
    highest = 8 if parameters.get("backend") == "torchao" else 16
    if attack["kind"] == "quantise" and (most := max(parameters["bits"])) > highest:
        raise ConfigError(f"{key}.bits: at most {highest}, not {most}; 0 is no rounding")


def _check_budget(name: str, parameters: dict) -> None:
    """A relearning attacker's budget is given in steps or in passes; every pass sees each document once."""
    if "epochs" not in parameters:
        return
    key, given = f"attacks.{name}.parameters", [part for part in ("steps", "epochs") if parameters[part] is not None]
    if len(given) != 1:
        raise ConfigError(f"{key}.epochs: give one of steps and epochs, not {'both' if given else 'neither'}")
    size = parameters["batch_size"]
    for part in ("batch_size", "rank"):
        if parameters[part] < 1:
            raise ConfigError(f"{key}.{part}: must be at least 1, not {parameters[part]}")
    uneven = [count for count in parameters["documents"] if count % size]
    if given == ["epochs"] and uneven:
        raise ConfigError(
            f"{key}.documents: {uneven[0]} is no multiple of batch_size {size}, so no whole number of steps is a pass; "
            f"give {uneven[0] - uneven[0] % size + size}"
        )


def _check_prompting(name: str, parameters: dict) -> None:
    """A search that matches a representation says at which layer, and only then."""
    key = f"attacks.{name}.parameters"
    if "match" not in parameters:
        return
    needed = parameters["match"] == "representation"
    if needed != (parameters["layer"] is not None):
        raise ConfigError(f"{key}.layer: {'missing; ' if needed else 'only '}match: representation needs it")
    if parameters["role"] == "retain" and parameters["match"] != "contrast":
        raise ConfigError(f"{key}.role: retain questions are to be missed, which {parameters['match']} cannot say; "
                          "leave match out, or take role: forget")  # fmt: skip
    for part, least in {"inserted_tokens": 1, "questions": 1, "candidates": 1, "top_k": 1, "held_out": 0}.items():
        if parameters[part] < least:
            raise ConfigError(f"{key}.{part}: must be at least {least}, not {parameters[part]}")


def _check_method(config: dict, name: str, method: dict) -> None:
    key, reads = f"methods.{name}", reads_of(FORGET_LOSSES, method["forget_loss"])
    fitting = [kind for kind in registered(RETAIN_LOSSES) if reads_of(RETAIN_LOSSES, kind) == reads]
    if method["retain_loss"] not in fitting:
        raise ConfigError(f"{key}.retain_loss: {method['forget_loss']} goes with {', '.join(sorted(fitting))}")
    if reads == "hidden" and max(method["layers"]) > method["read_layer"]:
        raise ConfigError(
            f"{key}.layers: layer {max(method['layers'])} is above the read layer {method['read_layer']}, "
            "so the loss would not train it"
        )
    if "variant_of" in method:
        defined(config, "methods", method["variant_of"], f"{key}.variant_of")
    if method.get("variant_of") == name:
        raise ConfigError(f"{key}.variant_of: a method is no variant of itself; name the method it varies")
    if (method["trained"] == "lora") != ("lora" in method):
        raise ConfigError(
            f"{key}.lora: give rank, alpha and targets with trained: lora and only then, not with {method['trained']}"
        )
    check_training(name, method)
    if method["parameters"].get("beta", 1) <= 0:
        raise ConfigError(f"{key}.parameters.beta: must be above 0")
