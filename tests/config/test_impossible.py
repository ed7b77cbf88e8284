"""Values that no study can have: numbers beyond float32, ids and folders with another meaning, orders that fall."""

import pytest
from refusals import changed, message_of, replaced

from unlearning_robustness.config import resolve
from unlearning_robustness.config.ranges import MOST, MOST_TOKENS
from unlearning_robustness.config.schema import schema
from unlearning_robustness.workflow.paths import Paths

NUMBERS = [
    "methods/rmu/learning_rate", "methods/rmu/retain_weight", "methods/rmu/parameters/coefficient",
    "methods/npo-kl/parameters/beta", "methods/simnpo-kl/parameters/margin", "defences/rna/parameters/noise_scale",
    "attacks/relearn/parameters/learning_rate",
]  # fmt: skip
FOLDERS = [
    "/",
    "..",
    ".",
    "src",
    "resources",
    "docs",
    "report/x",
    ".venv",
    "a{b}",
    "a*b",
    "a\nb",
    "a\0b",
    "./",
    "results/..",
    "../..",
    "src/mine",
]
PARTS = [
    ("attacks/relearn/parameters/steps", "[5, 2]", "attacks.relearn.parameters.steps: [5, 2] must rise"),
    ("attacks/relearn/parameters/steps", "[2, 2]", "write [2]"),
    ("attacks/relearn/parameters/documents", "[60, 20]", "write [20, 60]"),
    ("attacks/relearn/parameters/documents", "[-4]", "attacks.relearn.parameters.documents:"),
    ("attacks/relearn/parameters/learning_rate", "-1.0", "attacks.relearn.parameters.learning_rate:"),
    ("attacks/relearn/parameters/tokens", "1", "attacks.relearn.parameters.tokens: must be at least 2"),
    ("methods/rmu/tokens", "1", "methods.rmu.tokens:"),
    ("analysis/bootstrap_samples", "1", "analysis.bootstrap_samples:"),
    ("benchmarks/elements/distractors", "100", "benchmarks.elements.distractors:"),
    ("models/smollm2-135m-instruct/package", "--option", "models.smollm2-135m-instruct.package:"),
    ("models/smollm2-135m-instruct/package", "https://host/x", "models.smollm2-135m-instruct.package:"),
    ("analysis/bootstrap_samples", "1000000000", "analysis.bootstrap_samples:"),
    ("benchmarks/elements/forget/splits/relearn", "1000000000", "benchmarks.elements.forget.splits.relearn:"),
    ("benchmarks/elements/retain/domain", "elements", "retain.domain: 'elements' is what is forgotten; name another"),
    ("study/seeds", "[0, 0]", "study.seeds: [0, 0] repeats an entry; leave one out"),
    ("study/seeds", "[1.0]", "study.seeds.0: must be an integer, not 1.0"),
    ("study/figures", "[accuracy, accuracy]", "repeats an entry; leave one out"),
    ("methods/rmu/steps", "60.0", "methods.rmu.steps: must be an integer, not 60.0"),
    ("methods/rmu/warm_up", "61", "methods.rmu.warm_up: 61 are more than the 60 steps; give fewer"),
    ("methods/rmu/steps", "2", "chooses among 1 checkpoint(s); train 3 steps or more"),
    ("attacks/quantise/parameters/bits", "[8, 4, 8]", "parameters.bits: [8, 4, 8] repeats an entry; write [8, 4]"),
    ("tuning/noise/noise_scale", "[1.0, 1.0]", "tuning.noise.noise_scale: [1.0, 1.0] repeats an entry"),
    ("methods/rmu/learning_rate", "1.0e-300", "methods.rmu.learning_rate: 1e-300 is 0 for a computation in float32"),
    ("methods/rmu/learning_rate", "1.0e+15", "methods.rmu.learning_rate: must be at most 4294967295"),
    ("methods/rmu/retain_weight", "1000000000000000", "methods.rmu.retain_weight: must be at most 4294967295"),
    ("methods/rmu/steps", "10000001", "methods.rmu.steps: 10000001 is greater than the maximum of 10000000"),
    ("methods/rmu/tokens", "1000001", "methods.rmu.tokens: 1000001 is greater than the maximum of 1000000"),
    ("methods/rmu/parameters/coefficient", "-1.0", "methods.rmu.parameters.coefficient: must be at least 0, not -1.0"),
    ("attacks/relearn/parameters/batch_size", "10000001", "parameters.batch_size: must be at most 10000000"),
    (
        "attacks/relearn/parameters/documents",
        "[1000000000000000]",
        "parameters.documents.0: must be at most 4294967295",
    ),
    ("attacks/relearn/parameters/steps", "[-1, 5]", "attacks.relearn.parameters.steps: must be at least 0, not -1"),
    ("attacks/relearn/parameters/learning_rate", "0.0", "parameters.learning_rate: must be above 0, not 0.0"),
    ("attacks/prefill/parameters/utility_bound", "1.5", "parameters.utility_bound: must be at most 1, not 1.5"),
    ("analysis/utility_bound", "2.0", "analysis.utility_bound: 2.0 is greater than the maximum of 1"),
    ("searches/relearning/reference_bound", "1.1", "searches.relearning.reference_bound: 1.1 is greater"),
    ("tuning/forget_margin", ".inf", "tuning.forget_margin:"),
    ("study/seeds", "[4294967296]", "study.seeds.0: must be at most 4294967295"),
    ("methods/rmu/read_layer", "99", "methods.rmu.read_layer: smollm2-135m-instruct has 30 layers"),
    ("attacks/embedding/roles", "[]", "attacks.embedding.roles: [] should be non-empty"),
    ("methods/rmu/forget_loss", "[rmu]", "methods.rmu.forget_loss: must be a string, not ['rmu']"),
    ("study/cells/1/methods", "rmu", "study.cells.1.methods: must be a list, not 'rmu'"),
    ("study/cells/1/methods", "[3]", "study.cells.1.methods.0: must be a string, not 3"),
    ("study/cells/1/methods", "[[rmu]]", "study.cells.1.methods.0: must be a string, not ['rmu']"),
    ("methods/rmu/label", '""', "methods.rmu.label: '' is no label; write some words in one line"),
    ("methods/rmu/label", '"a\\nb"', "methods.rmu.label: 'a\\nb' is no label; write some words in one line"),
    ("methods/rmu/label", '"a\\0b"', "methods.rmu.label: has the character '\\x00', which no page shows; leave it out"),
    ("study/title", '"a\\u2028b"', "study.title: has the character '\\u2028', which no page shows"),
    ("study/title", "2026-01-31", "study.title: 2026-01-31 is a date in YAML; put a text in quotation marks"),
    ("methods/rmu/parameters", "{1: 2}", "methods.rmu.parameters: the key 1 is no text; put it in quotation marks"),
    ("models/smollm2-135m-instruct/version", '"1 --no-deps"', "models.smollm2-135m-instruct.version:"),
    ("models/smollm2-135m-instruct/package", '"x @ file:///x"', "models.smollm2-135m-instruct.package:"),
    ("models/smollm2-135m-instruct/package", '"x[y]"', "models.smollm2-135m-instruct.package:"),
    ("study/reuse_results", "./results/", "study.reuse_results: is the study's own folder"),
]


@pytest.mark.parametrize("place", [*NUMBERS, "analysis/confidence"])
@pytest.mark.parametrize("value", [".nan", ".inf", "1.0e+300"])
def test_a_number_that_float32_does_not_hold_is_refused(config, tmp_path, place, value):
    assert message_of(changed(config, place, value, tmp_path)).startswith(f"{place.replace('/', '.')}:")


def test_classes_and_schema_have_the_same_largest_numbers():
    assert (schema()["$defs"]["count"]["maximum"], schema()["$defs"]["tokens"]["maximum"]) == (MOST, MOST_TOKENS)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("key", ["results", "reuse_results"])
def test_results_have_a_folder_of_their_own(config, folder, key):
    message = message_of(replaced(config, f"study/{key}", folder))
    assert message.startswith(f"study.{key}:") and ("name" in message or "leave it out" in message)


@pytest.mark.parametrize(
    ("folder", "tree"),
    [("~", "~"), ("mine/", "mine"), ("my results", "my results"), ("résultats", "résultats"), ("../x", "../x")],
)
def test_any_other_name_is_a_folder(config, folder, tree):
    assert Paths(resolve(replaced(config, "study/results", folder))).tree == tree


@pytest.mark.parametrize("axis", ["models", "benchmarks", "probes", "methods", "defences", "attacks", "searches"])
@pytest.mark.parametrize("name", ["none", "seed0", "a..", "a.", "a-", "-a", "a\nb", "a\n", "", "x" * 101])
def test_no_entry_has_an_id_that_is_none_or_means_something_else(config, axis, name):
    config[axis][name] = next(iter(config[axis].values()))
    assert message_of(config).startswith(axis)


@pytest.mark.parametrize("name", ["reference", "retrained", "x.y"])
def test_a_method_has_no_id_that_means_something_else(config, name):
    config["methods"][name] = {"like": "rmu", "label": "x"}
    assert message_of(config).startswith("methods")


@pytest.mark.parametrize(("place", "text", "said"), PARTS, ids=[f"{row[0]}={row[1]}" for row in PARTS])
def test_a_value_that_cannot_be_is_refused(config, tmp_path, place, text, said):
    assert said in message_of(changed(config, place, text, tmp_path))
