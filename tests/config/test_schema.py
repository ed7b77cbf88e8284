import copy

import pytest

from studies import STUDIES, load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.config.schema import schema, without_display

# What people may say of an entry, at any depth, without a model being trained again.
PROSE = {
    "title",
    "settings",
    "label",
    "license",
    "note",
    "statement",
    "shape",
    "download_mb",
    "figures",
    "beside",
    "variation",
    "shown_measure",
    "undecidable",
    "examples",
}


def keys_of(value):
    """Every key of a nested mapping that is no id, as one set."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value)) if value else set()
    return set(value) | set().union(*map(keys_of, value.values())) if isinstance(value, dict) and value else set()


# Of these, keys of the study itself.
SHOWN = ("title", "settings", "figures", "beside", "shown_measure", "variation")


def test_what_is_for_people_is_left_out_of_the_whole_configuration(config):
    resolved = resolve(config)
    before = copy.deepcopy(resolved)
    left = without_display(resolved)
    assert resolved == before
    assert keys_of(resolved) - keys_of(left) == PROSE - {"statement"} | set(
        resolved["models"]["smollm2-135m-instruct"]["shape"]
    )
    assert left["methods"]["rmu"] == {key: value for key, value in resolved["methods"]["rmu"].items() if key != "label"}
    assert list(left["study"]) == [key for key in resolved["study"] if key not in SHOWN]
    assert left["analysis"]["seed"] == resolved["analysis"]["seed"] and left["scoring"] == resolved["scoring"]


@pytest.mark.parametrize(
    ("part", "axis", "prose"),
    [
        ("model", "models", {"license", "note", "shape", "download_mb"}),
        ("probe", "probes", {"label"}),
        ("method", "methods", {"label"}),
        ("defence", "defences", {"label"}),
        ("attack", "attacks", {"label"}),
        ("benchmark", "benchmarks", set()),
    ],
)
def test_one_entry_keeps_all_but_its_prose(config, part, axis, prose):
    for entry in resolve(config)[axis].values():
        assert without_display(entry, part) == {key: value for key, value in entry.items() if key not in prose}


def test_a_parameter_is_science_whatever_its_name():
    entry = {"label": "x", "kind": "rna", "parameters": {"label": 1, "note": 2}, "per_method": {"title": {"label": 3}}}
    assert without_display(entry, "defence") == {key: value for key, value in entry.items() if key != "label"}


@pytest.mark.parametrize("study", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_labels_and_notes_of_a_study_change_nothing_that_is_left(study):
    config = load_study(study)
    changed = copy.deepcopy(config)
    changed["study"] |= {"title": "another", "settings": "another"}
    for axis in ("models", "sources", "probes", "methods", "defences", "attacks"):
        for entry in (changed.get(axis) or {}).values():
            for key in {"label", "license", "note"} & set(entry or {}):
                entry[key] = "another"
    for entry in (changed.get("expected") or {}).values():
        entry["source"]["place"] = "another"
    assert resolve(changed) != resolve(config)
    assert without_display(resolve(changed)) == without_display(resolve(config))


def marked(part):
    """The keys that a part of the schema marks, at any depth."""
    if isinstance(part, list):
        return set().union(set(), *map(marked, part))
    if not isinstance(part, dict):
        return set()
    own = {name for name, entry in part.get("properties", {}).items() if entry.get("x-display")}
    return own.union(*map(marked, part.values()))


def undescribed(part, path=""):
    """Paths of the keys in a part of the schema, at any depth, that have no description."""
    if isinstance(part, list):
        return [inner for entry in part for inner in undescribed(entry, path)]
    if not isinstance(part, dict):
        return []
    own = [f"{path}.{name}" for name, entry in part.get("properties", {}).items() if not entry.get("description")]
    return own + [inner for name, entry in part.items() for inner in undescribed(entry, f"{path}.{name}")]


def test_every_key_says_what_it_means():
    assert undescribed(schema()) == []


def test_only_prose_is_marked():
    assert marked(schema()) == PROSE | {"source"}
