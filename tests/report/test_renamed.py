"""No id has a meaning: with other ids, which sort the other way round, a study has the same report."""

import pytest
from quick import slow_but
from synthetic import all_tables, as_read, inputs_of, measures_of, of_study, raw_config, write_study
from synthetic_measures import planted

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.figures import FIGURES
from unlearning_robustness.figures.style import save, style
from unlearning_robustness.report import PAGES
from unlearning_robustness.scoring.records import read

AXES = ("models", "benchmarks", "methods", "defences", "attacks", "probes")
COLUMNS = dict(zip(AXES, ("model", "benchmark", "method", "defence", "attack", "probe"), strict=True))
# Settings that hold an id of an axis.
PROBES = {f"{name}_probe": "probes" for name in ("baseline", "forget_token", "neutral_token")}
NAMED = {
    "methods": {"variant_of": "methods"},
    "defences": {"variant_of": "defences"},
    "analysis": {"attack": "attacks", **PROBES},
}


def new_ids(config):
    """By axis: old id to a new one, in reverse order."""
    return {axis: {name: f"x{99 - number}" for number, name in enumerate(sorted(config[axis]))} for axis in AXES}


def renamed(config, ids):
    """The configuration with new ids everywhere that one stands."""
    config = {key: entry for key, entry in config.items() if key != "tuning"}
    for axis in AXES:
        config[axis] = {ids[axis][name]: _entry(axis, entry, ids) for name, entry in config[axis].items()}
    study, analysis = dict(config["study"]), dict(config["analysis"])
    for axis in ("models", "benchmarks", "probes"):
        study[axis] = [ids[axis][name] for name in study[axis]]
    study["cells"] = [
        grid | {axis: [ids[axis].get(name, name) for name in grid[axis]] for axis in ("methods", "defences", "attacks")}
        for grid in study["cells"]
    ]
    analysis |= {key: ids[axis][analysis[key]] for key, axis in NAMED["analysis"].items()}
    searches = {
        name: {**entry, "attack": ids["attacks"][entry["attack"]]} for name, entry in config["searches"].items()
    }
    return config | {"study": study, "analysis": analysis, "searches": searches}


def _entry(axis, entry, ids):
    named = {key: ids[other][entry[key]] for key, other in NAMED.get(axis, {}).items() if key in entry}
    if "parameters" in entry and axis == "defences":
        match = entry["parameters"].get("match")
        named["parameters"] = entry["parameters"] | ({"match": ids["defences"][match]} if match else {})
        named["per_method"] = {ids["methods"][name]: part for name, part in entry["per_method"].items()}
    return {**entry, **named}


@pytest.fixture(scope="module", params=slow_but(("ci",), ("ci", "default")))
def contexts(request, tmp_path_factory):
    """The planted study, and the same with other ids."""
    config = resolve(load_study("ci") if request.param == "ci" else raw_config())
    config["study"]["seeds"], config["analysis"]["bootstrap_samples"] = [0, 1], 50
    paths = write_study(config, tmp_path_factory.mktemp("records"))
    records, measures = read(paths), measures_of(paths)
    ids = new_ids(config)
    # Attacks write the plain question's word, whatever the probe is called.
    others = records.copy()
    for axis, column in COLUMNS.items():
        others[column] = others[column].replace(ids[axis])
    others.loc[others["attack"] != "none", "probe"] = "plain"
    others = others.sort_values(["method", "defence", "seed", "attack"], kind="stable", ignore_index=True)
    moved = [{**entry, **{column: ids[axis].get(entry[column], entry[column]) for axis, column in COLUMNS.items()
                          if column in entry}} for entry in measures]  # fmt: skip
    contexts = []
    for number, study in enumerate(((config, records, measures), (resolve(renamed(config, ids)), others, moved))):
        settings, answers, cells = study
        tables = all_tables(inputs_of(answers, of_study(settings), cells, **planted(settings)))
        contexts.append(as_read(tables, settings, tmp_path_factory.mktemp(f"tables{number}"), answers))
    return contexts


@pytest.mark.parametrize("page", ["findings", "summary", "examples"])
def test_a_page_says_the_same(contexts, page):
    first, second = (PAGES[page](context) for context in contexts)
    assert first == second and len(first) > 300


@pytest.mark.parametrize(
    "figure",
    ["accuracy", "controls", "differences", "noise-sweep", "objectives", "relearning", "relearning-budget", "tradeoff",
     "weight-change"],
)  # fmt: skip
def test_a_figure_is_the_same_to_the_byte(contexts, figure, tmp_path):
    files = []
    for number, context in enumerate(contexts):
        with style():
            save(FIGURES[figure](context), tmp_path / f"{number}.svg", tmp_path / f"{number}.pdf")
        files.append((tmp_path / f"{number}.svg").read_bytes())
    assert files[0] == files[1]
