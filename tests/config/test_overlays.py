import pytest
from snakemake.cli import parse_config
from snakemake.utils import update_config

from unlearning_robustness.config.overlays import base_studies, inherit, with_command_line, without_removed
from unlearning_robustness.errors import ConfigError

METHODS = {
    "rmu": {"label": "RMU", "steps": 60, "parameters": {"coefficient": 6.5, "steering": "uniform"}},
    "deep": {"like": "rmu", "label": "RMU, deep", "layers": [9]},
    "gaussian": {"like": "deep", "label": "RMU, Gaussian", "parameters": {"steering": "gaussian"}},
}


def test_what_is_not_given_is_taken_and_nested_mappings_are_merged_key_by_key():
    methods = inherit({"methods": METHODS})["methods"]
    assert methods["rmu"] == METHODS["rmu"]
    assert methods["deep"] == {**METHODS["rmu"], "label": "RMU, deep", "layers": [9]}
    assert methods["gaussian"]["parameters"] == {"coefficient": 6.5, "steering": "gaussian"}
    assert methods["gaussian"]["layers"] == [9] and METHODS["gaussian"]["like"] == "deep"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rmu": {"like": "rmx"}}, ["methods.rmu.like", "'rmx'", "deep"]),
        ({"rmu": {"like": "gaussian"}}, ["like", "itself"]),
        ({"rmu": {"like": "rmu"}}, ["methods.rmu.like", "itself"]),
    ],
)
def test_a_missing_or_circular_parent_is_one_line(changes, words):
    with pytest.raises(ConfigError) as raised:
        inherit({"methods": {**METHODS, **changes}})
    assert all(word in str(raised.value) for word in words) and "\n" not in str(raised.value)


def test_other_shapes_are_left_for_the_schema_to_refuse():
    for config in ({}, {"methods": 3}, {"methods": {"rmu": 5}}):
        assert inherit(config) == config


def test_parameters_of_another_kind_of_loss_are_not_taken_over():
    npo = {"like": "rmu", "forget_loss": "npo", "parameters": {"beta": 0.1}}
    rmu = {**METHODS["rmu"], "forget_loss": "rmu"}
    same = {"like": "rmu", "forget_loss": "rmu", "parameters": {"coefficient": 1.0}}
    methods = inherit({"methods": {"rmu": rmu, "npo": npo, "same": same}})["methods"]
    assert methods["npo"]["parameters"] == {"beta": 0.1} and methods["npo"]["steps"] == 60
    assert methods["same"]["parameters"] == {"coefficient": 1.0, "steering": "uniform"}


def test_a_null_takes_an_entry_away_and_a_parameter_that_is_null_stays():
    methods = {**METHODS, "deep": None, "gaussian": {"like": "rmu", "parameters": {"coefficient": None}}}
    search = {"methods": {"rmu": None}, "defences": {"grids": {"sam": None, "rna": {"noise_scale": [1.0]}}}}
    left = without_removed({"methods": methods, "tuning": search, "study": {"name": None}, "claims": {"one": None}})
    assert list(left["methods"]) == ["rmu", "gaussian"] and left["claims"] == {}
    assert left["methods"]["gaussian"]["parameters"] == {"coefficient": None}
    assert left["tuning"] == {"methods": {}, "defences": {"grids": {"rna": {"noise_scale": [1.0]}}}}
    assert left["study"] == {"name": None} and methods["deep"] is None
    for config in ({}, {"tuning": 3}, {"methods": None}):
        assert without_removed(config) == config


@pytest.fixture
def studies(tmp_path):
    (tmp_path / "shared").mkdir()
    for name in ("one.yaml", "shared/two.yaml"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_parts_are_files_below_the_studies_in_the_order_given(studies):
    assert base_studies({}, studies) == []
    parts = base_studies({"builds_on": ["shared/two", "one"]}, studies)
    assert parts == [studies / "shared" / "two.yaml", studies / "one.yaml"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["three"], ["builds_on:", "'three'", "one, shared/two"]),
        (["../one"], ["builds_on:", "'../one'"]),
        ("one", ["builds_on:", "must be a list", "'one'"]),
        ([1], ["builds_on:", "must be a list"]),
    ],
)
def test_what_is_no_file_there_is_one_line(studies, names, words):
    with pytest.raises(ConfigError) as raised:
        base_studies({"builds_on": names}, studies)
    assert all(word in str(raised.value) for word in words) and "\n" not in str(raised.value)


def given(*arguments):
    """What Snakemake makes of the arguments of --config, alone and merged into a configuration."""
    config = {
        "batch_seeds": True,
        "study": {"name": "laptop", "title": "a title", "seeds": [0, 1, 2]},
        "methods": {"rmu": {"steps": 60, "parameters": {"coefficient": 3.0, "steering": "uniform"}}},
        "models": {"m": {"version": "0.1.2"}},
    }
    read = parse_config(arguments)
    update_config(config, read)
    return with_command_line(config, read)


def test_nested_numbers_of_the_command_line_are_numbers_and_are_merged():
    config = given('study={"seeds":[0,1]}', 'methods={"rmu":{"steps":5,"parameters":{"coefficient":1e-3}}}')
    assert config["study"] == {"name": "laptop", "title": "a title", "seeds": [0, 1]}
    assert config["methods"] == {"rmu": {"steps": 5, "parameters": {"coefficient": 0.001, "steering": "uniform"}}}
    assert config["batch_seeds"] is True


@pytest.mark.parametrize(("text", "value"), [("false", False), ("False", False), ("true", True), ("x", "x"), ("0", 0)])
def test_a_word_is_what_it_says(text, value):
    assert given(f"batch_seeds={text}")["batch_seeds"] == value
    assert type(given(f"batch_seeds={text}")["batch_seeds"]) is type(value)


def test_null_takes_an_entry_away_and_text_stays_text():
    config = given('methods={"rmu": null}', 'study={"title": "7", "name": "2024"}', 'models={"m": {"version": "1"}}')
    assert without_removed(config)["methods"] == {}
    assert config["study"]["title"] == "7" and config["study"]["name"] == "2024"
    assert config["models"]["m"]["version"] == "1"


def test_what_another_layer_says_is_left_as_it_is():
    config = {"batch_seeds": "no", "study": {"seeds": "text"}}
    assert with_command_line(config, {"batch_seeds": "false", "study": {"seeds": ["0"]}, "other": "1"}) == config
    assert with_command_line(config, {}) == config
