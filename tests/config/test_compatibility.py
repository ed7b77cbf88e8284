"""What does not go together, and what does: defences and methods, ways of training, attacks and their questions."""

import copy

import pytest
from refusals import changed, message_of

from unlearning_robustness.attacks import ATTACKS
from unlearning_robustness.config import kinds, resolve

NO_RETAIN, NLL = {"retain_weight": 0.0}, {"forget_loss": "gradient-ascent", "retain_loss": "nll", "parameters": {}}
FEEDBACK = {"kind": "stableun", "parameters": {"inner_radius": 1.0}}
SHARED = [
    ("rna", NLL, {"kind": "rna", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference", "take kl"]),
    ("shift", NLL, {"kind": "constant-shift", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference"]),
    ("noise", NLL, {"kind": "gradient-noise", "parameters": {"noise_scale": 1.0}}, ["nll reads no reference"]),
    ("rna", NO_RETAIN, {"kind": "rna", "parameters": {"noise_scale": 1.0}}, ["retain_weight is 0", "give a weight"]),
    ("drop", NO_RETAIN, {"kind": "dropout", "parameters": {"rate": 0.1}}, ["retain_weight is 0"]),
    ("feedback", NO_RETAIN, FEEDBACK, ["retain_weight 0", "projection: none"]),
    ("average", {}, {"kind": "weight-averaging", "parameters": {"start": 38, "every": 5}}, ["40 steps", "earlier"]),
]
FITTING = [
    ("drop", NLL, {"kind": "dropout", "parameters": {"rate": 0.1}}),
    ("latent", NLL, {"kind": "latent-noise", "parameters": {"noise_scale": 1.0}}),
    ("feedback", NLL, FEEDBACK),
    ("lat", NO_RETAIN, {"kind": "latent-adversarial", "parameters": {"radius": 0.1}}),
    ("sam", NO_RETAIN, {"kind": "sam", "parameters": {"radius": 1.0}}),
    ("feedback", NO_RETAIN, {"kind": "stableun", "parameters": {"inner_radius": 1.0, "projection": "none"}}),
    ("average", {}, {"kind": "weight-averaging", "parameters": {"start": 35, "every": 5}}),
]


def shared(config, name, method, entry):
    """The configuration with a cell of a changed NPO+KL and one defence."""
    config["methods"]["npo-kl"] |= method
    config["defences"][name] = {"label": name, **entry}
    config["tuning"] = {**config["tuning"], "noise": {**config["tuning"]["noise"], "methods": ["rmu"]}}
    config["study"]["cells"] = [{"methods": ["rmu", "npo-kl"], "defences": ["none", name], "attacks": ["none"]}]
    return config


@pytest.mark.parametrize(("name", "method", "entry", "parts"), SHARED)
def test_a_defence_that_finds_nothing_to_act_on_is_refused(config, name, method, entry, parts):
    message = message_of(shared(config, name, method, entry))
    assert message.startswith(f"study.cells.0.defences: {name!r}") and "'npo-kl'" in message
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("name", "method", "entry"), FITTING)
def test_one_that_finds_something_is_not(config, name, method, entry):
    resolve(shared(config, name, method, entry))


def test_a_part_of_a_row_a_match_and_a_method_s_own_values_count_too(config):
    sam = {"kind": "sam", "parameters": {"radius": 1.0}}
    one = shared(copy.deepcopy(config), "sam", NLL, sam)
    one["study"]["cells"][0]["defences"] = ["sam.rna"]
    assert "'rna' does nothing on 'npo-kl'" in message_of(one)
    one["study"]["cells"][0]["defences"] = ["early-stop"]
    assert "'rna' does nothing on 'npo-kl'" in message_of(one)
    own = {**FEEDBACK, "per_method": {"npo-kl": {"projection": "none"}}}
    resolve(shared(config, "feedback", NO_RETAIN, own))


def test_noise_is_not_searched_for_where_it_does_nothing(config):
    config["tuning"]["noise"]["methods"] = ["npo-kl"]
    config["methods"]["npo-kl"] |= NLL
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none", "rna"], "attacks": ["none"]}]
    assert "tuning.noise.methods: 'rna' does nothing on 'npo-kl'" in message_of(config)


LORA = {"trained": "lora", "lora": {"rank": 2, "alpha": 4.0, "targets": ["q_proj"]}}
SHARDED = {"parallel": {"processes": 2, "sharded": True}}
PENALTY = {"kind": "gradient-penalty", "parameters": {"weight": 0.1}}
REFUSED = [
    ({"parallel": {"processes": 5}}, ["methods.rmu.parallel.processes:", "5 are more than the batch_size 4"]),
    ({"parallel": {"processes": 0}}, ["methods.rmu.parallel.processes:"]),
    ({"parallel": {"sharded": True}}, ["methods.rmu.parallel.sharded:", "give processes"]),
    ({"parallel": {"gpus": 2}}, ["methods.rmu.parallel:", "unknown key 'gpus'", "processes, sharded"]),
    ({**SHARDED, **LORA}, ["methods.rmu.parallel.sharded:", "adapters"]),
    ({**SHARDED, "precision": "pure"}, ["methods.rmu.precision:", "parallel.sharded", "give master"]),
    ({**LORA, "precision": "stochastic"}, ["methods.rmu.precision:", "trained: lora", "give master"]),
    ({"precision": "bf16"}, ["methods.rmu.precision:", "'master', 'stochastic', 'pure'"]),
    ({"gradient_checkpointing": 1}, ["methods.rmu.gradient_checkpointing:", "boolean"]),
]
NOT_TOGETHER = [
    (SHARDED, {"kind": "sam", "parameters": {"radius": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "weight-averaging", "parameters": {"start": 2, "every": 1}}, "needs whole tensors"),
    (SHARDED, {"kind": "stableun", "parameters": {"inner_radius": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "gradient-noise", "parameters": {"noise_scale": 1.0}}, "needs whole tensors"),
    (SHARDED, {"kind": "early-stop", "parameters": {"match": "none", "every": 2}}, "needs whole tensors"),
    ({"gradient_checkpointing": True}, PENALTY, "differentiates gradients"),
    (
        {"gradient_checkpointing": True},
        {"kind": "curvature", "parameters": {"weight": 0.1, "radius": 1.0}},
        "differentiates gradients",
    ),
]
TOGETHER = [
    (SHARDED, {"kind": "dropout", "parameters": {"rate": 0.1}}),
    ({**SHARDED, "trained": "full"}, {"kind": "sgd", "parameters": {"learning_rate": 1.0}}),
    ({"gradient_checkpointing": True}, {**PENALTY, "parameters": {"weight": 0.1, "implementation": "released"}}),
    ({"precision": "pure"}, {"kind": "sam", "parameters": {"radius": 1.0, "implementation": "released"}}),
    ({"precision": "stochastic", "parallel": {"processes": 4}}, {"kind": "sam", "parameters": {"radius": 1.0}}),
]  # fmt: skip


def with_defence(config, method, defence):
    config["methods"]["rmu"] |= copy.deepcopy(method)
    config["defences"]["other"] = {"label": "other", **defence}
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none", "other"], "attacks": ["none"]}]
    del config["tuning"]
    return config


@pytest.mark.parametrize(("change", "parts"), REFUSED)
def test_a_way_of_training_that_cannot_be_is_refused(config, change, parts):
    config["methods"]["rmu"] |= change
    message = message_of(config)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("method", "defence", "part"), NOT_TOGETHER)
def test_a_defence_that_it_does_not_allow_is_refused(config, method, defence, part):
    message = message_of(with_defence(config, method, defence))
    assert message.startswith("study.cells.0.defences: 'other'") and part in message and "'rmu'" in message


@pytest.mark.parametrize(("method", "defence"), TOGETHER)
def test_one_that_it_allows_is_not(config, method, defence):
    resolved = resolve(with_defence(config, method, defence))["methods"]["rmu"]
    assert {key: resolved[key] for key in method if key != "parallel"} == {
        key: value for key, value in method.items() if key != "parallel"
    }
    assert resolved["parallel"] == {"processes": 1, "sharded": False} | method.get("parallel", {})


def test_a_search_is_a_single_process(config):
    config["methods"]["rmu"] |= SHARDED
    config["study"]["cells"] = [{"methods": ["rmu"], "defences": ["none"], "attacks": ["none"]}]
    assert "single process, and 'rmu' is sharded" in message_of(config)


def test_by_default_masters_are_trained_by_one_process(config, tmp_path):
    entry = resolve(changed(config, "methods/rmu/steps", "30", tmp_path))["methods"]["rmu"]
    assert (entry["precision"], entry["gradient_checkpointing"]) == ("master", False)


# A search says itself whose questions it needs.
CHOOSING = {kind for kind in ATTACKS if kinds.facts_of(kinds.ATTACKS, kind).chooses_on({"role": "forget"})}


@pytest.fixture
def attacked(config):
    """The default study with an attack more, and with settings that nothing searches for."""
    config["attacks"]["relearn"]["search"] = "none"

    def add(attack):
        config["study"]["cells"].append({"methods": ["reference"], "defences": ["none"], "attacks": [attack]})
        return config

    return add


@pytest.mark.parametrize("kind", sorted(CHOOSING))
def test_what_chooses_on_select_needs_questions_there(attacked, kind):
    config = attacked(kind)
    resolve(config)
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    message = message_of(config)
    assert "benchmarks.elements.forget.splits: a share of 'select' is missing" in message and repr(kind) in message


@pytest.mark.parametrize("kind", sorted(set(ATTACKS) - CHOOSING))
def test_what_does_not_choose_needs_none(attacked, kind):
    config = attacked(kind)
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    resolve(config)


def test_a_margin_on_retain_questions_needs_those_and_a_search_without_one_does_not(attacked):
    config = attacked("gcg")
    config["benchmarks"]["elements"]["retain"]["splits"] = {"test": 2}
    resolve(config)
    assert "benchmarks.elements.retain.splits" in message_of(attacked("prefill"))


def test_a_search_against_retain_questions_needs_those_alone(attacked):
    config = attacked("gcg-retain")
    config["benchmarks"]["elements"]["forget"]["splits"] = {"relearn": 2, "test": 4}
    resolve(config)
    config["benchmarks"]["elements"]["retain"]["splits"] = {"test": 2}
    assert "benchmarks.elements.retain.splits: a share of 'select' is missing" in message_of(config)


@pytest.mark.parametrize("kind", ["logit-lens", "orthogonalise"])
def test_only_what_merely_reads_need_not_show_what_it_costs(attacked, kind):
    config = attacked(kind)
    config["attacks"]["relearn"]["roles"] = config["attacks"]["relearn-few"]["roles"] = ["forget", "retain"]
    config["scoring"] = {"splits": ["select", "test"]}
    config["attacks"][kind]["roles"] = ["forget"]
    if kind == "logit-lens":
        resolve(config)
    else:
        assert f"attacks.{kind}.roles: an attack whose strength is chosen on select" in message_of(config)


def test_a_search_on_more_questions_than_are_kept_is_refused(attacked):
    config = attacked("gcg")
    config["benchmarks"]["elements"]["forget"]["max_facts"] = {"select": 35}
    assert "attacks.gcg.parameters.held_out: 36 select questions" in message_of(config)
    config["attacks"]["gcg"]["parameters"]["held_out"] = 31
    resolve(config)


TOGETHER_IN_A_STEP = [
    ("sam.smoothing", "'sam' and 'smoothing' both replace the forget gradient"),
    ("sam.feedback", "'sam' and 'feedback' both replace the forget gradient"),
    ("slow.decay", "'slow' and 'decay' both replace the optimiser"),
    ("rna.shift", "'rna' and 'shift' both replace the reference noise"),
    ("rna.early-stop", "'early-stop' is matched to a cell; take it alone"),
    ("weight-noise.rna", "'weight-noise' is matched to a cell; take it alone"),
    ("sam.rna.decay", None),
]


@pytest.mark.parametrize(("row", "reason"), TOGETHER_IN_A_STEP)
def test_two_defences_that_replace_the_same_part_of_a_step_are_refused(config, row, reason):
    config["defences"] |= {
        "sam": {"label": "s", "kind": "sam", "parameters": {"radius": 1.0}},
        "smoothing": {"label": "s", "kind": "randomised-smoothing", "parameters": {"scale": 0.1}},
        "feedback": {"label": "s", **FEEDBACK},
        "slow": {"label": "s", "kind": "sgd", "parameters": {"learning_rate": 0.1}},
        "decay": {"label": "s", "kind": "weight-decay", "parameters": {"weight_decay": 0.1}},
        "shift": {"label": "s", "kind": "constant-shift", "parameters": {"noise_scale": 1.0}},
    }
    config["study"]["cells"].append({"methods": ["rmu"], "defences": [row], "attacks": ["none"]})
    if reason is None:
        resolve(config)
    else:
        assert f"study.cells.{len(config['study']['cells']) - 1}.defences: {row!r} cannot" in message_of(config)
        assert reason in message_of(config)
