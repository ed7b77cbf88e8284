import copy
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import MADE, MEASURE, changed, message_of, replaced

from studies import STUDIES, load_study
from unlearning_robustness.config import defence_row, resolve
from unlearning_robustness.config.cells import retrain_of
from unlearning_robustness.config.schema import schema

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("study", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_every_study_of_the_repository_resolves(study):
    resolve(load_study(study))


def test_the_hint_about_numbers_is_given_only_where_a_number_belongs(config, tmp_path):
    assert "1.0e-5" not in message_of(changed(config, "study/figures", "accuracy", tmp_path))
    assert "1.0e-5" not in message_of(changed(config, "methods/rmu/learning_rate", "high", tmp_path))
    assert "1.0e-5" not in message_of(changed(config, "methods/rmu/parameters/coefficient", "high", tmp_path))


@pytest.mark.parametrize(
    ("axis", "name"), [("methods", "reference"), ("defences", "none"), ("attacks", "none"), ("defences", "a.b")]
)
def test_a_definition_may_not_take_a_reserved_id(config, axis, name):
    config[axis][name] = copy.deepcopy(next(iter(config[axis].values())))
    assert name in message_of(config)


def test_the_default_configuration_resolves_with_defaults_filled_in(config):
    before = copy.deepcopy(config)
    resolved = resolve(config)
    assert config == before
    assert resolved["models"]["smollm2-135m-instruct"]["dtype"] == "auto"
    assert resolved["scoring"] == {"batch_size": 48, "splits": ["test"], "precision": "auto"}
    assert resolved["benchmarks"]["elements"]["neighbour_minimum"] == 40
    assert resolved["benchmarks"]["elements"]["forget"]["max_facts"] == {}
    assert resolved["probes"]["options"] == {
        **before["probes"]["options"],
        "insert": "none",
        "vocabulary": "entities",
        "count": 0,
        "swaps": 1,
        "roles": ["retain"],
    }
    assert resolved["methods"]["rmu"]["weight_decay"] == 0.0
    assert resolved["methods"]["rmu"]["implementation"] == "corrected"
    assert resolved["attacks"]["relearn"]["parameters"]["warm_up"] == 2
    assert resolved["batch_seeds"] is True


def test_given_values_win_over_defaults(config):
    config["scoring"] = {"batch_size": 5}
    config["methods"]["rsv"]["parameters"]["steering"] = "uniform"
    resolved = resolve(config)
    assert resolved["scoring"]["batch_size"] == 5
    assert resolved["methods"]["rsv"]["parameters"]["steering"] == "uniform"


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_in_the_yaml_means_nothing(config):
    assert repr(resolve(reversed_keys(config))) == repr(resolve(config))


def test_a_defence_row_has_the_methods_own_values_and_the_order_of_its_parts(config):
    config["defences"]["rna"]["per_method"] = {"rsv": {"noise_scale": 9.0}}
    resolved = resolve(config)
    assert defence_row(resolved, "none", "rsv") == []
    row = defence_row(resolved, "gradient-noise.rna", "rsv")
    assert [(part["kind"], part["parameters"]["noise_scale"]) for part in row] == [
        ("gradient-noise", config["defences"]["gradient-noise"]["per_method"]["rsv"]["noise_scale"]),
        ("rna", 9.0),
    ]
    assert defence_row(resolved, "rna", "rmu")[0]["parameters"] == {
        **config["defences"]["rna"]["parameters"],
        "unit": "absolute",
    }


@pytest.mark.parametrize("defence", ["average", "history"])
def test_what_averages_weights_is_refused_where_adapters_are_trained(config, defence):
    config["defences"]["average"] = {
        "label": "a", "kind": "weight-averaging", "parameters": {"start": 1, "every": 1}}  # fmt: skip
    config["defences"]["history"] = {
        "label": "h", "kind": "stableun", "parameters": {"inner_radius": 1.0, "hws_decay": 0.9}}  # fmt: skip
    config["study"]["cells"].append({"methods": ["npo-kl"], "defences": [defence], "attacks": ["none"]})
    resolve(copy.deepcopy(config))
    config["methods"]["npo-kl"] |= {"trained": "lora", "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj"]}}
    message = message_of(config)
    assert defence in message and "adapters" in message and "npo-kl" in message


def test_resolving_imports_no_torch():
    code = (
        "import importlib, pkgutil, sys, yaml; from unlearning_robustness import config;"
        "names = [module.name for module in pkgutil.iter_modules(config.__path__)]; assert 'overlays' in names;"
        "[importlib.import_module(f'{config.__name__}.{name}') for name in names];"
        "config.resolve(yaml.safe_load(open('config.yaml'))); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_property_of_the_schema_is_read_by_the_code():
    places = {"src": "*.py", "rules": "*.smk", "workflow_scripts": "*.py"}
    code = "\n".join(path.read_text() for place, kind in places.items() for path in (ROOT / place).rglob(kind))
    code = code.replace("'", '"')
    properties = {name for part in schema()["$defs"].values() for name in part.get("properties", {})}
    # Probes are read under composed names: f"{name}_probe".
    unread = {name for name in properties if f'"{name}"' not in code and not name.endswith("_probe")}
    assert unread == set()


def measuring(config, settings, tokens, folder):
    """The default study with memorisation of plain RMU measured, on a model that memorised that many tokens."""
    made = changed(config, "models/made", f"{{from: smollm2-135m-instruct, memorised: {MADE % tokens}}}", folder)
    measured = changed(made, "memorisation", settings, folder)
    return changed(measured, "study/memorisation", "[{methods: [reference, rmu], defences: [none]}]", folder)


def test_what_a_measured_model_is_compared_with_must_be_known(config, tmp_path):
    config["study"]["cells"] = [{"methods": ["reference", "rmu"], "defences": ["none"], "attacks": ["none"]}]
    fetched = measuring(config, MEASURE % "", 16, tmp_path)
    message = message_of(fetched)
    assert "memorisation.retrain:" in message and "smollm2-135m-instruct" in message and "auc" in message
    made = replaced(fetched, "study/models", ["made"])
    resolved = resolve(made)
    assert retrain_of(resolved, "made") == {"model": "smollm2-135m-instruct"}
    assert resolved["memorisation"]["least_likely"] == 0.4
    assert resolved["models"]["made"]["memorised"]["tensors"] == "all"
    assert retrain_of(resolve(replaced(made, "memorisation/retrain", {"auc": 0.4772})), "made") == {"auc": 0.4772}
    elsewhere = replaced(made, "memorisation/retrain", {"model": "nowhere"})
    assert "memorisation.retrain.model: 'nowhere'" in message_of(elsewhere)


def test_measured_texts_must_not_be_longer_than_what_was_memorised(config, tmp_path):
    config["study"]["models"] = ["made"]
    message = message_of(measuring(config, MEASURE % "", 15, tmp_path))
    assert "models.made.memorised.tokens: 15" in message and "16" in message
    message = message_of(measuring(config, MEASURE % "attack: relern", 16, tmp_path))
    assert "memorisation.attack" in message and "'relern'" in message
    decayed = replaced(measuring(config, MEASURE % "", 16, tmp_path), "study/memorisation/0/defences", ["weight-decay"])
    assert "study.memorisation.0: reference with weight-decay" in message_of(decayed)


def test_every_attack_may_be_aimed_at_the_reference_and_at_a_model_of_noise_with_a_budget_of_nothing(config):
    config["study"]["cells"] += [
        {"methods": ["reference"], "defences": ["none"], "attacks": list(config["attacks"])},
        {"methods": ["rmu"], "defences": ["weight-noise"], "attacks": list(config["attacks"])},
    ]
    nothing = {
        "characters": {"every": [0]}, "few-shot": {"shots": [0]}, "gcg": {"steps": [0]}, "prune": {"fractions": [0.0]},
        "quantise": {"bits": [0]}, "relearn": {"documents": [0], "steps": [0]}, "weight-noise": {"scales": [0]},
    }  # fmt: skip
    for name, parameters in nothing.items():
        config["attacks"][name]["parameters"] |= parameters
    resolved = resolve(config)["attacks"]
    assert all(resolved[name]["parameters"].items() >= given.items() for name, given in nothing.items())
