"""Estimates against independent counts, and against the measured jobs of a whole study."""

from pathlib import Path

import pandas
import pytest
import yaml

from studies import load_study
from unlearning_robustness.config import resolve
from unlearning_robustness.config.kinds import DEFENCES, facts_of
from unlearning_robustness.errors import ConfigError
from unlearning_robustness.estimate import jobs as estimated
from unlearning_robustness.estimate import table, work
from unlearning_robustness.estimate.jobs import Domain, jobs_of, question_tokens
from unlearning_robustness.estimate.machines import MACHINES, Machine
from unlearning_robustness.models.shape import LOGIT_BYTES, Shape, Work, shape_of

ROOT = Path(__file__).parents[2]
# The whole RNA study, ablations included, on a processor with a matrix unit, the default study on one without, RMU in
# the matrix on one with AVX2 (those jobs that had a core nearly to themselves; its logit lens asked retain questions).
KINDS = ("matrices", "vectors", "float32")
MEASURED = {kind: pandas.read_csv(Path(__file__).with_name(f"measured-{kind}.csv")) for kind in KINDS}
NAME = "smollm2-135m-instruct"
DOMAINS = {"elements": Domain(118, 847, 2), "geography": Domain(211, 853, 2), "symbols": Domain(213, 213, 2)}
TINY = {"hidden_size": 32, "num_hidden_layers": 4, "intermediate_size": 64, "num_attention_heads": 4}
TINY |= {"num_key_value_heads": 2, "vocab_size": 260}


# The questions and the attacker as they were when these studies were measured, and how many facts the elements had.
FORGET = {"splits": {"relearn": 2, "select": 2, "test": 4}, "templates_asked": 1}
RELEARN = {"tokens": 32, "steps": [2, 5, 10, 20]}
THEN = {
    "benchmarks": {"elements": {"options": "random", "forget": FORGET}},
    "attacks": {"relearn": {"parameters": RELEARN}},
}
THEN_ASKED = THEN | {"study": {"probes": [
    "plain", "forget-token", "neutral-token", "option-forget", "option-neutral", "letter"]}}  # fmt: skip
THEN_KNOWN = DOMAINS | {"elements": Domain(118, 590, 2)}


def study(*overlays: dict) -> dict:
    def merged(base, change):
        both = isinstance(base, dict) and isinstance(change, dict)
        return base | {key: merged(base.get(key), value) for key, value in change.items()} if both else change

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for overlay in overlays:
        config = merged(config, overlay)
    return resolve(config)


def rna(**change) -> dict:
    return study(yaml.safe_load((ROOT / "studies" / "rna-controls.yaml").read_text()), change)


@pytest.fixture
def rows_of_whole_choices(monkeypatch):
    """As questions were when these studies were measured: a row held every token of every choice."""
    monkeypatch.setattr(work, "QUESTION_TOKENS", 21)


@pytest.fixture
def every_seed_anew(monkeypatch):
    """As attacks were when these studies were measured: those that draw nothing ran again under every seed."""
    monkeypatch.setattr(estimated, "_repeats", lambda config, cell: False)


def matrix() -> dict:
    """The matrix as it was when it was measured: relearning read 32 tokens of a document and stopped twice."""
    then = {"relearn": {"parameters": {"tokens": 32}}, "relearn-once": {"parameters": {"steps": [5, 15]}}}
    text = (ROOT / "studies" / "matrix.yaml").read_text()
    text = text.replace("        - relearn\n", "        - relearn-once\n")
    return study(yaml.safe_load(text), {"attacks": then}, THEN)


def jobs(config: dict, domains: dict = DOMAINS):
    return jobs_of(config, {NAME: Shape(**config["models"][NAME]["shape"])}, domains)


def test_the_parameters_are_the_models_own(make_model):
    for kind, tied in (("Llama", False), ("Llama", True), ("Mistral", False)):
        model = make_model(kind, tie_word_embeddings=tied)
        counted = {name: tensor.numel() for name, tensor in model.named_parameters() if "norm" not in name}
        assert Shape(**TINY, tie_word_embeddings=tied).parameters == sum(counted.values())


def test_a_published_model_has_its_published_number_of_parameters():
    published, norms = 6_738_415_616, (2 * 32 + 1) * 4096
    shape = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11008, "num_attention_heads": 32}
    assert Shape(**shape, num_key_value_heads=32, vocab_size=32000).parameters == published - norms


def test_the_operations_of_a_forward_are_those_that_torch_counts(make_model):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model, shape = make_model(), Shape(**TINY)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, 8, dtype=torch.long))
    attention = (
        2 * 2 * 2 * 4 * 8 * 8 * 8 * 4
    )  # two products, two operations, 2 texts, 4 heads of width 8, 8 x 8, 4 layers
    assert counter.get_total_flops() == pytest.approx(16 * shape.forward(4), abs=attention)


def test_the_shape_comes_from_the_folder_then_from_the_entry(make_model, tmp_path):
    make_model().save_pretrained(tmp_path / "here")
    assert shape_of("here", {"shape": {**TINY, "vocab_size": 9}}, tmp_path / "here").vocab_size == 260
    assert shape_of("away", {"shape": TINY}, tmp_path / "away") == Shape(**TINY)
    with pytest.raises(ConfigError, match=r"models\.away\.shape: missing"):
        shape_of("away", {}, tmp_path / "away")


@pytest.mark.parametrize(("kind", "least"), [("matrices", 100), ("vectors", 25), ("float32", 20)])
@pytest.mark.usefixtures("every_seed_anew")
def test_every_measured_job_is_estimated_within_a_factor_of_two(kind, least, request):
    """After a change that this breaks rightly, run the study and write its file anew (see measure.py)."""
    if kind != "float32":
        request.getfixturevalue("rows_of_whole_choices")
    config = {"matrices": lambda: rna(**THEN), "vectors": lambda: study(THEN_ASKED), "float32": matrix}[kind]()
    found = {(job.rule, job.about): job.work for job in jobs(config, THEN_KNOWN)}
    measured, machine = MEASURED[kind], MACHINES[kind]
    assert len(measured) > least
    for row in measured.itertuples():
        effort = found[row.rule, row.about]
        assert 0.5 < machine.seconds(effort) / row.seconds < 2, (row.rule, row.about, machine.seconds(effort))
        # Without a GPU the activation cache lies beside the model, in parts and whole.
        held = effort.memory + table.LIBRARIES + (3 * effort.disk if row.rule == "cache_activations" else 0)
        assert 0.5 < held / 1e6 / row.memory_mb < 2, (row.rule, row.about)
    ran = set(zip(measured["rule"], measured["about"], strict=True))
    whole = sum(machine.seconds(effort) for job, effort in found.items() if job in ran)
    assert 0.8 < whole / measured["seconds"].sum() < 1.25


def test_what_repeats_under_every_seed_costs_once_and_what_draws_as_often_as_there_are_seeds():
    def operations(**change):
        config = study({"study": {"seeds": [0, 1, 2], "cells": cells, **change}})
        return {job.about.rpartition("/")[2]: job.work.operations for job in jobs(config) if job.rule == "attack"}

    attacks = ["none", "quantise", "few-shot", "orthogonalise"]
    cells = [{"methods": ["reference"], "defences": ["none"], "attacks": attacks}]
    thrice, once = operations(), operations(seeds=[0])
    assert thrice["quantise"] == once["quantise"] and thrice["few-shot"] == 3 * once["few-shot"]
    # On the reference there is no change to take out, and it is only asked.
    assert once["orthogonalise"] == pytest.approx(once["quantise"] / 3)


def test_more_steps_tokens_or_questions_cost_in_proportion():
    shape, method = Shape(**TINY), study()["methods"]["npo-kl"] | {"layers": [1], "read_layer": 2}
    once = work.unlearning(shape, method, [], 50, 48)
    twice = work.unlearning(shape, method | {"steps": 2 * method["steps"]}, [], 50, 48)
    assert twice.operations == pytest.approx(2 * once.operations) and twice.disk == once.disk
    noise = [{"kind": "weight-noise", "parameters": {"match": "none"}}]
    assert work.unlearning(shape, method, noise, 50, 48).operations == 0
    wide = work.unlearning(shape, method | {"tokens": 2 * method["tokens"]}, [], 50, 48)
    assert wide.operations == pytest.approx(2 * once.operations) and wide.memory > once.memory
    assert work.scoring(shape, 96, 48).operations == pytest.approx(2 * work.scoring(shape, 48, 48).operations)
    assert work.scoring(shape, 96, 48, 3).layer_calls == 2
    more = work.unlearning(shape, method, [{"kind": "more-steps", "parameters": {"factor": 2.5}}], 50, 48)
    assert more.operations == pytest.approx(2.5 * once.operations)


@pytest.mark.parametrize(
    ("change", "trained", "kept"),
    [
        ({"trained": "down-projections"}, 2 * 32 * 64, 2 * 32 * 64),
        ({"trained": "full"}, 2 * (32 * (32 + 16 + 16 + 32) + 3 * 32 * 64), 2 * (32 * 96 + 3 * 32 * 64)),
        ({"trained": "lora", "lora": {"rank": 4, "targets": ["down_proj"]}}, 2 * 4 * 96, 2 * 32 * 64),
        ({"trained": "lora", "lora": {"rank": 2, "targets": ["q_proj", "v_proj"]}}, 2 * 2 * 112, 2 * 32 * (32 + 16)),
    ],
)
def test_what_is_trained_and_what_is_kept_is_counted(change, trained, kept):
    assert work.trained_parameters(Shape(**TINY), {"layers": [1, 2], **change}) == (trained, kept)


def test_a_published_question_is_longer_than_a_domains_and_costs_so_much_more():
    shape, many = Shape(**TINY), work.LETTERED_TOKENS / work.QUESTION_TOKENS
    assert question_tokens({"texts": {}}) == work.LETTERED_TOKENS and question_tokens({}) == work.QUESTION_TOKENS
    short, long = work.scoring(shape, 96, 48), work.scoring(shape, 96, 48, length=work.LETTERED_TOKENS)
    assert long.operations == pytest.approx(many * short.operations)
    assert long.memory - short.memory == 48 * (work.LETTERED_TOKENS - work.QUESTION_TOKENS) * 260 * LOGIT_BYTES


@pytest.mark.parametrize(
    ("kind", "parameters", "gradients"),
    [
        ("rna", {}, 1),
        ("sam", {}, 2),
        ("randomised-smoothing", {"draws": 5}, 5),
        ("latent-adversarial", {"steps": 4}, 5),
        ("stableun", {"sap_radius": 0.1, "gpn_radius": 0.1, "gap_rate": 0.0, "hws_decay": 0.0}, 4),
        ("stableun", {"sap_radius": 0.0, "gpn_radius": 0.0, "gap_rate": 0.0, "hws_decay": 0.0}, 2),
    ],
)
def test_a_defence_costs_as_many_forget_gradients_as_it_takes(kind, parameters, gradients):
    assert facts_of(DEFENCES, kind).forget_gradients(parameters) == gradients


def test_a_seed_apart_is_a_job_of_its_own_and_pays_its_start():
    together, apart = jobs(rna()), jobs(rna(batch_seeds=False))
    count = {
        name: [sum(job.rule == name for job in found) for found in (together, apart)] for name in ("unlearn", "attack")
    }
    assert count["unlearn"] == [48, 144] and count["attack"] == [5, 15]
    assert sum(job.work.operations for job in apart) == pytest.approx(sum(job.work.operations for job in together))
    machine = Machine("", 1e12, 0.0, 10.0)
    extra = sum(map(machine.seconds, (job.work for job in apart))) - sum(
        map(machine.seconds, (job.work for job in together))
    )
    assert extra == pytest.approx(10 * (len(apart) - len(together)))


def test_what_is_left_on_disk_is_what_the_study_left(rows_of_whole_choices):
    """Measured with `du` on the RNA study: activation caches 432 MiB, cells 717 MiB, prefix 37887360 bytes."""
    left = {
        rule: sum(job.work.disk for job in jobs(rna(**THEN), THEN_KNOWN) if job.rule == rule)
        for rule in ("cache_activations", "unlearn", "build_prefix")
    }
    assert left["cache_activations"] == pytest.approx(432 * 2**20, rel=0.05)
    assert left["unlearn"] == pytest.approx(717 * 2**20, rel=0.05)
    assert left["build_prefix"] == pytest.approx(37887360, rel=0.1)


def test_the_table_sums_its_rows_and_names_the_download():
    found = jobs(study())
    lines = table.table_of(found).splitlines()
    counts = [int([part for part in line.split("  ") if part.strip()][1]) for line in lines[1:]]
    assert sum(counts[:-1]) == counts[-1] == len(found)
    config = study()
    shapes = {NAME: Shape(**config["models"][NAME]["shape"])}
    assert "134 million parameters, 0.27 GB on disk, is downloaded (93 MB)" in table.models_of(
        config["models"], shapes, set()
    )
    assert "is here" in table.models_of(config["models"], shapes, {NAME})


def test_scoring_holds_the_unembedding_in_float32_too():
    head = 32000 * 4096 * 4
    assert work.scoring(MISTRAL, 0, 48).memory == MISTRAL.memory() + head
    parameters = {"match": "none", "every": 5, "equal": "forgetting", "longest": 1.0}
    stopped = {"id": "s", "kind": "early-stop", "parameters": parameters}
    method = resolve(load_study("rna-paper"))["methods"]["rmu"]
    to_end, whole = False, True
    alone = work.unlearning_memory(MISTRAL, method, to_end, whole)
    assert work.unlearning(MISTRAL, method, [stopped], 10, 48).memory >= alone + head


def test_scoring_in_float32_takes_longer_and_holds_the_weights_twice():
    configs = study(), study({"scoring": {"precision": "float32"}})
    rounded, exact = ({job.name: job.work for job in jobs(config)} for config in configs)
    weights = 4 * Shape(**configs[0]["models"][NAME]["shape"]).parameters
    for name, job in exact.items():
        if name.split("/")[0] in ("evaluate", "build_questions", "build_prefix"):
            assert job.operations == work.SLOWER_IN_FLOAT32 * rounded[name].operations
            assert job.memory >= rounded[name].memory + weights
        attack = name.startswith(("attack", "trajectory"))
        assert not attack or rounded[name].operations < job.operations < 2 * rounded[name].operations
        assert not name.startswith("unlearn") or job == rounded[name]


def test_work_adds_up_and_memory_is_the_peak():
    assert Work(1, 2, 3, 4) + Work(10, 20, 1, 40) == Work(11, 22, 3, 44)
    assert Work(1, 2, 3, 4).times(3) == Work(3, 6, 3, 12)


MISTRAL = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336, "num_attention_heads": 32}
MISTRAL = Shape(**MISTRAL, num_key_value_heads=8, vocab_size=32000)


def seven_billion(name="rmu", **changes) -> float:
    """Gigabytes of each process that trains a method of the paper's size on a model of Mistral's shape."""
    method = study()["methods"][name] | {"layers": [5, 6, 7], "read_layer": 7, "tokens": 512} | changes
    return work.unlearning(MISTRAL, method, [], 0, 48).memory / 1e9


def test_an_rmu_cell_of_seven_billion_weights_needs_less_than_eight_gigabytes():
    """Three layers of 32, of which three matrices of 4096 x 14336 are trained, counted by hand."""
    layer, trained = 4096 * (4096 + 1024) * 2 + 3 * 4096 * 14336, 3 * 4096 * 14336
    activations = 4 * 512 * 3 * 4096 * 16 * 2
    held = {"master": 4 + 4 + 4, "stochastic": 4 + 4, "pure": 2 + 2 + 2}
    for precision, moved in held.items():
        gradients = 3 * (2 if precision == "pure" else 4)
        expected = 3 * layer * 2 + trained * (2 + gradients + moved)
        assert seven_billion(precision=precision) * 1e9 == pytest.approx(expected + activations)
    assert seven_billion() < 8 < MISTRAL.parameters * 2 / 1e9


def test_masters_processes_shards_and_recomputation_change_memory_as_they_should():
    full = {"name": "npo-kl", "trained": "full", "layers": list(range(32)), "read_layer": 31, "batch_size": 4}
    trained = 32 * MISTRAL.layer_parameters
    whole, four = seven_billion(**full), {"processes": 4, "sharded": False}
    assert whole - seven_billion(**full, precision="stochastic") == pytest.approx(4 * trained / 1e9)
    apart, sharded = (seven_billion(**full, parallel={**four, "sharded": wanted}) for wanted in (False, True))
    again = seven_billion(**full, parallel={**four, "sharded": True}, gradient_checkpointing=True)
    # Each process has a quarter of the tokens; sharded also a quarter of 28 bytes a trained weight.
    assert whole > apart and apart - sharded == pytest.approx(28 * trained * 3 / 4 / 1e9)
    assert sharded - again == pytest.approx(512 * (32 * 16 - 32 - 16) * 4096 * 2 / 1e9)
    assert again < 80 < whole
    # Of what is divided as it is read, no process ever holds all.
    alone, sixteen = seven_billion(), seven_billion(parallel={"processes": 16, "sharded": True})
    assert sixteen < 3 * MISTRAL.layer_parameters * 2 / 1e9 < alone


def test_layers_that_run_again_cost_a_forward_pass_more():
    config, shape = study(), Shape(**TINY)
    method = config["methods"]["rmu"] | {"layers": [1], "read_layer": 2}
    plain, again = (
        work.unlearning(shape, method | {"gradient_checkpointing": wanted}, [], 0, 48).operations
        for wanted in (False, True)
    )
    tokens = method["steps"] * method["batch_size"] * method["tokens"]
    assert again - plain == pytest.approx(2 * tokens * shape.forward(2, False))
    relearn = config["attacks"]["relearn"]
    given = {**relearn, "parameters": relearn["parameters"] | {"gradient_checkpointing": True}}
    assert work.attacking(shape, given, 10, 4).operations > work.attacking(shape, relearn, 10, 4).operations
    assert work.attacking(MISTRAL, given, 10, 4).memory < work.attacking(MISTRAL, relearn, 10, 4).memory


def test_a_checkpoint_is_compared_and_not_trained_and_its_questions_are_asked_from_the_first_layer():
    config = study({
        "models": {"unlearned": {"path": "folder", "license": "none", "note": "none"}},
        "methods": {"audited": {"label": "audited", "checkpoint": "unlearned"}},
        "study": {"cells": [{"methods": ["rmu", "audited"], "defences": ["none"], "attacks": ["none"]}]},
    })  # fmt: skip
    shape = Shape(**config["models"][NAME]["shape"])
    works = {job.name: job.work for job in jobs(config)}
    assert [name for name in works if "audited" in name] == [
        f"{rule}/{NAME}/elements/audited/none" for rule in ("take_checkpoint", "evaluate")
    ]
    taken, trained, asked = (works[f"{rule}/{NAME}/elements/{method}/none"] for rule, method in (
        ("take_checkpoint", "audited"), ("evaluate", "rmu"), ("evaluate", "audited")))  # fmt: skip
    assert (taken.memory, taken.disk) == (4 * shape.parameters, 3 * 2 * shape.parameters)
    layers, below = shape.num_hidden_layers, min(config["methods"]["rmu"]["layers"])
    # Trained models differ under each of three seeds, a checkpoint does not and is asked once.
    assert 3 * asked.layer_calls / trained.layer_calls == pytest.approx(layers / (layers - below))
