"""Cells that come from a checkpoint: a model that was unlearned elsewhere and the one before it stand in ``models``.

A method that names the first is not trained; all else is done to it as to any cell. With ``after`` another method is
trained on the checkpoint first, as if that were a model of the study.
"""

from collections.abc import Iterator
from dataclasses import replace

from unlearning_robustness.config.cells import NONE, Cell, cells, defence_row, in_order, parts_of
from unlearning_robustness.config.kinds import ATTACKS, DEFENCES, facts_of
from unlearning_robustness.errors import ConfigError


def is_trained(method: dict) -> bool:
    """Whether a method is trained here, and no checkpoint."""
    return "checkpoint" not in method


def trained_methods(config: dict) -> dict[str, dict]:
    """The methods that are trained here, by id, with their entries."""
    return {name: entry for name, entry in config["methods"].items() if is_trained(entry)}


def checkpoint_methods(config: dict) -> dict[str, dict]:
    """The methods that are checkpoints, by id, with their entries."""
    return {name: entry for name, entry in config["methods"].items() if not is_trained(entry)}


def study_methods(config: dict) -> list[str]:
    """The methods that the study trains, in its cells or on checkpoints; a search tries no others."""
    named, trained = in_order(config["study"], "methods"), trained_methods(config)
    entries = (config["methods"].get(name, {}) for name in named)
    treating = [entry["after"]["method"] for entry in entries if "after" in entry]
    return [name for name in dict.fromkeys([*named, *treating]) if name in trained]


def treated_cells(config: dict) -> list[Cell]:
    """What is trained on checkpoints, each as a cell of the model that the checkpoint is, in order.

    A cell that a control is matched to is among them.
    """
    treated, checkpoints = set(), checkpoint_methods(config)
    for cell in cells(config["study"]):
        if "after" in (method := checkpoints.get(cell.method, {})):
            model, after = checkpoint_of(method, cell.model), method["after"]
            own = Cell(model, cell.benchmark, after["method"], after["defence"], cell.seed)
            treated |= {own, *(replace(own, defence=match) for match in matches(config, own.method, own.defence))}
    return sorted(treated)


def matches(config: dict, method: str, defence: str) -> list[str]:
    """The defences that the parts of a defence are matched to."""
    row = defence_row(config, defence, method)
    return [part["parameters"]["match"] for part in row if facts_of(DEFENCES, part["kind"]).needs_matched_cell]


def checkpoint_of(method: dict, model: str) -> str | None:
    """The id of the model that a method's entry, a checkpoint, gives for a ``model``; None if it gives none."""
    named = method["checkpoint"]
    return named.get(model) if isinstance(named, dict) else named


def is_whole(method: dict) -> bool:
    """Whether a method is a checkpoint that is loaded whole, since it has other shapes than the cell's model."""
    return method.get("whole", False)


def check_checkpoints(config: dict) -> None:
    """Raise ConfigError for the first checkpoint that is no model, no other model, or is to be trained."""
    for name, method in checkpoint_methods(config).items():
        key = f"methods.{name}.checkpoint"
        named = method["checkpoint"]
        for model in [*named, *named.values()] if isinstance(named, dict) else [named]:
            if model not in config["models"]:
                known = ", ".join(sorted(config["models"]))
                raise ConfigError(f"{key}: {model!r} is not defined under models; there are: {known}")
        if name in in_order(config["study"], "methods"):
            _check_asked(key, method, config["study"]["models"])
        if "after" in method:
            _check_after(config, f"methods.{name}", method)
    for name, method in config["methods"].items():
        if other := next((key for key in ("whole", "after") if key in method and is_trained(method)), None):
            raise ConfigError(
                f"methods.{name}.{other}: goes with checkpoint; a method that is trained has none, leave it out"
            )
    for number, grid in enumerate(config["study"]["cells"]):
        _check_whole(config, grid, f"study.cells.{number}.attacks")
    for key, name, what in _trainings(config):
        if name in checkpoint_methods(config):
            raise ConfigError(
                f"{key}: {name!r} is a checkpoint and not trained here, so it has no {what}; leave it out"
            )


def _check_asked(key: str, method: dict, models: list[str]) -> None:
    """Every model of the study has its checkpoint, which is another model."""
    for model in models:
        if (checkpoint := checkpoint_of(method, model)) is None:
            raise ConfigError(f"{key}: nothing is given for {model!r} of study.models; add it")
        if checkpoint == model:
            raise ConfigError(f"{key}: {model!r} is the model before unlearning itself; name the one after it")


def _check_after(config: dict, key: str, method: dict) -> None:
    """What is done to a checkpoint is a training that asks no questions: of the facts it may know none."""
    name, defence = method["after"]["method"], method["after"]["defence"]
    if is_whole(method):
        raise ConfigError(f"{key}.whole: a checkpoint of other shapes is taken as it is; leave `after` out")
    if name not in trained_methods(config):
        raise ConfigError(f"{key}.after.method: {name!r} is no method that is trained; name one")
    for part in parts_of(defence):
        if part not in config["defences"]:
            raise ConfigError(f"{key}.after.defence: {part!r} is not defined under defences; name one, or none")
    for part in defence_row(config, defence, name):
        if facts_of(DEFENCES, part["kind"]).scores_select(part["parameters"]):
            raise ConfigError(
                f"{key}.after.defence: {part['id']!r} stops where facts of select are forgotten, which a checkpoint "
                "need not know; take another"
            )


def _check_whole(config: dict, grid: dict, key: str) -> None:
    """No attack compares a model with the reference that is not the same but for its weights."""
    whole = [name for name in grid["methods"] if is_whole(config["methods"].get(name, {}))]
    for attack in [attack for attack in grid["attacks"] if attack != NONE] if whole else ():
        entry = config["attacks"][attack]
        if facts_of(ATTACKS, entry["kind"]).compares_with_reference(entry["parameters"]):
            raise ConfigError(
                f"{key}: {attack!r} compares with the reference, and {whole[0]!r} has other shapes (whole: true); give "
                "it a grid without"
            )


def _trainings(config: dict) -> Iterator[tuple[str, str, str]]:
    """(key, method, what of it) of everything that the configuration asks of a method's training."""
    for number, grid in enumerate(config["study"]["cells"]):
        key = f"study.cells.{number}"
        if grid["defences"] != [NONE]:
            yield from ((f"{key}.defences", name, "defence") for name in grid["methods"])
        if grid["trajectory"]:
            yield from ((f"{key}.trajectory", name, "trajectory") for name in grid["methods"])
    tuning = config.get("tuning", {})
    searches = {"tuning.methods": tuning} | {
        f"tuning.{name}.methods": tuning[name] for name in ("noise", "attack", "defences") if name in tuning
    }
    for key, search in searches.items():
        yield from ((key, name, "settings") for name in search.get("methods", ()))
