"""Quantised folders: plain numbers after fetching, or one line."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.data.model_checks import check_model
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import FetchError
from unlearning_robustness.models.loading import load_model

BLOCK = 16


@pytest.fixture
def folder(tiny_model, tiny_tokenizer, tmp_path):
    tiny_model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    return tmp_path


def mark(folder, **quantization):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"quantization_config": quantization}))


def in_blocks(weight):
    """A matrix as float8 with a scale a block, as published fp8 models have them, and the numbers it stands for."""
    rows, columns = (size // BLOCK for size in weight.shape)
    blocks = weight.reshape(rows, BLOCK, columns, BLOCK)
    scales = blocks.abs().amax((1, 3)) / torch.finfo(torch.float8_e4m3fn).max
    stored = (blocks / scales[:, None, :, None]).to(torch.float8_e4m3fn)
    plain = (stored.float() * scales[:, None, :, None]).reshape(weight.shape)
    return stored.reshape(weight.shape).contiguous(), scales, plain


def test_a_model_in_float8_becomes_the_numbers_it_stands_for(folder):
    tensors, expected = {}, load_file(folder / "model.safetensors")
    for name, tensor in expected.items():
        tensors[name] = tensor
        if name.endswith("proj.weight"):
            tensors[name], tensors[f"{name}_scale_inv"], expected[name] = in_blocks(tensor)
    assert sum(name.endswith("scale_inv") for name in tensors) == 28
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    mark(folder, quant_method="fp8", weight_block_size=[BLOCK, BLOCK], activation_scheme="dynamic", fmt="e4m3")
    facts = check_model(folder)
    assert (facts["dequantised"], facts["head"]) == ("fp8", "its own")
    write_manifest(folder, facts)
    for layers in (None, (1, 3)):
        model, _ = load_model(folder, layers=layers)
        for name, tensor in model.named_parameters():
            if not tensor.is_meta:
                torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-7)
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, ["quantised by gptq", "choose the unquantised model"]),
        ({"quant_method": "awq", "bits": 4}, ["quantised by awq", "choose the unquantised model"]),
        ({"bits": 4}, ["an unnamed method"]),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ["needs a package: pip install bitsandbytes"]),
        ({"quant_method": "compressed-tensors"}, ["needs a package: pip install compressed-tensors"]),
    ],
)
def test_what_cannot_be_made_plain_here_is_refused_in_one_line(folder, settings, parts):
    package = {"bitsandbytes": "bitsandbytes", "compressed-tensors": "compressed_tensors"}.get(
        settings.get("quant_method")
    )
    if package and find_spec(package):
        pytest.skip(f"{package} is installed")
    mark(folder, **settings)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FetchError) as raised:
        check_model(folder)
    text = str(raised.value)
    assert len(text.splitlines()) == 1 and "config.json" in text
    assert [part for part in parts if part not in text] == [], text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_weights_of_four_bits_become_the_numbers_they_stand_for(folder):
    """Where the package is installed: the model that bitsandbytes runs and the folder of plain numbers agree."""
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    ids = torch.arange(20)[None]
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    before = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    quantised = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, quantization_config=settings)
    expected = quantised(ids).logits
    quantised.save_pretrained(folder)
    facts = check_model(folder)
    write_manifest(folder, facts)
    logits = load_model(folder)[0](ids).logits
    assert facts["dequantised"] == "bitsandbytes" and (expected - before).abs().max() > 0.5
    torch.testing.assert_close(logits, expected, rtol=0, atol=0.02)
