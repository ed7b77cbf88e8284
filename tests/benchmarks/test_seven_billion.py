"""The benchmark of a model of seven billion weights: its shape by count, its way on a tiny one."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "seven_billion.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("seven_billion", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("precision", "kept"), [("master", 4 + 8), ("stochastic", 8)])
def test_a_tiny_cell_is_trained_and_measured(benchmark, tmp_path, capsys, precision, kept):
    output = tmp_path / "measured.json"
    found = benchmark.main(["--tiny", "--steps", "3", "--precision", precision, "--output", str(output)])
    assert json.loads(output.read_text()) == found and "TFLOP/s" in capsys.readouterr().out
    size = {"bfloat16": 2, "float32": 4}[found["dtype"]]
    trained = 3 * 64 * 128
    layers = 3 * (2 * 64 * (64 + 32) + 3 * 64 * 128 + 2 * 64)
    assert found["gigabytes_weights"] * 1e9 == pytest.approx(layers * size)
    if size == 2:
        assert found["gigabytes_state"] * 1e9 == pytest.approx(trained * (size + kept))
    assert found["operations_second"] == pytest.approx(found["operations_step"] / found["seconds_step"])
    losses = torch.tensor(found["losses"])
    assert losses.shape == (3, 2) and losses.isfinite().all()


def test_what_it_loads_at_full_shape_is_three_layers_of_a_model_of_seven_billion(benchmark):
    from transformers import AutoModelForCausalLM, MistralConfig

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(MistralConfig(**benchmark.SHAPE))
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    assert sum(sizes.values()) == 7_241_732_096
    chosen = [f"model.layers.{layer}." for layer in benchmark.METHOD["layers"]]
    loaded = sum(size for name, size in sizes.items() if name.startswith(tuple(chosen)))
    trained = sum(size for name, size in sizes.items() if name.startswith(tuple(chosen)) and "down_proj" in name)
    assert trained == 3 * 4096 * 14336
    # Weights, originals, gradients of both branches and their sum, masters and moments: no activations.
    assert (loaded * 2 + trained * (2 + 3 * 4 + 4 + 8)) / 1e9 < 8
    estimate = benchmark.unlearning_memory(
        benchmark.Shape(**benchmark.SHAPE), benchmark.METHOD | {"precision": "master"}, False, False
    )
    activations = 4 * 512 * 3 * 4096 * 16 * 2
    assert estimate - activations == pytest.approx(loaded * 2 + trained * 26, rel=1e-3)


def test_no_layer_above_the_read_layer_is_written(benchmark, tmp_path):
    benchmark.write_model(tmp_path, benchmark.TINY | {"num_hidden_layers": 12}, torch.float32)
    names = set()
    for path in tmp_path.glob("*.safetensors"):
        with safe_open(path, framework="pt") as handle:
            names |= set(handle.keys())
    assert {name.split(".")[2] for name in names if "layers" in name} == set("01234567")
