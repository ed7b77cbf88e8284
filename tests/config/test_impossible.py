"""Values that no study can have: numbers beyond float32, ids and folders with another meaning, orders that fall."""

import pytest
from refusals import changed, message_of, replaced

from unlearning_robustness.config import resolve
from unlearning_robustness.workflow.paths import Paths

NUMBERS = [
    "methods/rmu/learning_rate", "methods/rmu/retain_weight", "methods/rmu/parameters/coefficient",
    "methods/npo-kl/parameters/beta", "methods/simnpo-kl/parameters/margin", "defences/rna/parameters/noise_scale",
    "attacks/relearn/parameters/learning_rate",
]  # fmt: skip
FOLDERS = ["/", "..", ".", "src", "resources", "a{b}", "a*b", "a\nb", "a\0b", "./", "results/..", "../..", "src/mine"]
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
    ("study/reuse_results", "./results/", "study.reuse_results: is the study's own folder"),
]


@pytest.mark.parametrize("place", [*NUMBERS, "analysis/confidence"])
@pytest.mark.parametrize("value", [".nan", ".inf", "1.0e+300"])
def test_a_number_that_float32_does_not_hold_is_refused(config, tmp_path, place, value):
    assert message_of(changed(config, place, value, tmp_path)).startswith(f"{place.replace('/', '.')}:")


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


@pytest.mark.parametrize("name", ["none", "reference", "retrained", "seed0", "a..", "x.y", "a\nb"])
def test_a_method_has_no_id_that_means_something_else(config, name):
    config["methods"][name] = {"like": "rmu", "label": "x"}
    assert message_of(config).startswith("methods")


@pytest.mark.parametrize(("place", "text", "said"), PARTS, ids=[f"{row[0]}={row[1]}" for row in PARTS])
def test_a_value_that_cannot_be_is_refused(config, tmp_path, place, text, said):
    assert said in message_of(changed(config, place, text, tmp_path))
