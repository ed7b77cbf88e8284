"""Quantised folders: plain numbers after fetching, or one line."""

import json
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearning_robustness.data import quantised
from unlearning_robustness.data.model_checks import check_model
from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import FetchError, ModelFileError
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


def test_a_model_in_float8_without_a_scale_is_refused(folder):
    """Transformers takes the numbers as they are, with one line in a log."""
    tensors = load_file(folder / "model.safetensors")
    for name in [name for name in tensors if name.endswith("proj.weight")]:
        tensors[name], tensors[f"{name}_scale_inv"], _ = in_blocks(tensors[name])
    del tensors["model.layers.2.mlp.up_proj.weight_scale_inv"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    mark(folder, quant_method="fp8", weight_block_size=[BLOCK, BLOCK], activation_scheme="dynamic", fmt="e4m3")
    with pytest.raises(ModelFileError, match=r"model\.layers\.2\.mlp\.up_proj\.weight holds F8_E4M3, and no file"):
        check_model(folder)


@pytest.mark.parametrize("method", ["fp8", "mxfp4", "torchao", "bitsandbytes", "gptq"])
def test_plain_numbers_whose_config_says_that_they_are_quantised_are_refused(folder, method):
    """As merging an adapter into a quantised model leaves them; some packages would round them while loading."""
    mark(folder, quant_method=method)
    with pytest.raises(ModelFileError, match=f"quantization_config says {method}, but the files hold plain numbers"):
        check_model(folder)


def test_quantisation_settings_that_are_no_mapping_are_refused(folder):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"quantization_config": "fp8"}))
    with pytest.raises(FetchError, match=r"config\.json: quantization_config is no mapping"):
        check_model(folder)


class EightBits(torch.nn.Module):
    """A linear module of whole numbers and a scale a row, as packages have them: only its forward is known."""

    def __init__(self, linear):
        super().__init__()
        self.in_features, self.out_features, self.bias = linear.in_features, linear.out_features, linear.bias
        self.register_buffer("scales", linear.weight.abs().amax(1, keepdim=True) / 127)
        self.register_buffer("numbers", (linear.weight / self.scales).round().to(torch.int8))

    def forward(self, hidden):
        return torch.nn.functional.linear(hidden, self.numbers * self.scales, self.bias)


def test_a_model_that_transformers_cannot_dequantise_becomes_what_its_modules_multiply_by(make_model, monkeypatch):
    monkeypatch.setattr(quantised, "ROWS", 20)  # several passes, the last one short
    model = make_model(attention_bias=True, mlp_bias=True)
    expected = dict(model.state_dict())
    for layer in model.model.layers:
        for parent, name in ((layer.mlp, "down_proj"), (layer.self_attn, "q_proj")):
            setattr(parent, name, EightBits(getattr(parent, name)))
    logits, state = model(torch.arange(9)[None]).logits, quantised.plain_copy(model).state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        step = tensor.abs().amax(-1, keepdim=True) / 127
        rounded = name.endswith(("down_proj.weight", "q_proj.weight"))
        assert ((state[name] - tensor).abs() <= 0.501 * step * rounded).all()
        assert torch.equal(state[name], tensor) != rounded
    plain = quantised.plain_copy(model).eval()
    torch.testing.assert_close(plain(torch.arange(9)[None]).logits, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, ["quantised by gptq", "optimum"]),
        ({"quant_method": "awq", "bits": 4}, ["quantised by awq", "gptqmodel"]),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, ["quantised by bitsandbytes", "bitsandbytes"]),
        ({"quant_method": "compressed-tensors"}, ["quantised by compressed-tensors", "compressed-tensors"]),
        ({"bits": 4}, ["an unnamed method"]),
        ({"quant_method": "mine"}, ["quantised by mine"]),
    ],
)
def test_what_cannot_be_made_plain_here_is_refused_in_one_line(folder, settings, parts, monkeypatch):
    packages = {"gptq": "optimum", "awq": "gptqmodel", "bitsandbytes": "bitsandbytes"}
    if (package := packages.get(settings.get("quant_method"))) and find_spec(package):
        pytest.skip(f"{package} is installed")
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["lm_head.weight"].to(torch.int8)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    mark(folder, **settings)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FetchError) as raised:
        check_model(folder)
    text = str(raised.value)
    assert len(text.splitlines()) == 1 and "config.json" in text and "choose the unquantised model" in text
    assert [part for part in parts if part not in text] == [], text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_weights_of_four_bits_become_the_numbers_they_stand_for(folder):
    """Where the package is installed: the model that bitsandbytes runs and the folder of plain numbers agree."""
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    ids = torch.arange(20)[None]
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    before = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, quantization_config=settings)
    expected = model(ids).logits
    model.save_pretrained(folder)
    facts = check_model(folder)
    write_manifest(folder, facts)
    logits = load_model(folder)[0](ids).logits
    assert facts["dequantised"] == "bitsandbytes" and (expected - before).abs().max() > 0.5
    torch.testing.assert_close(logits, expected, rtol=0, atol=0.02)


def packed(numbers, axis, order):
    """Eight numbers of four bits in one of 32, along an axis."""
    eights = numbers.long().movedim(axis, -1).unflatten(-1, (-1, 8))
    words = sum(eights[..., number] << (4 * place) for place, number in enumerate(order))
    return torch.where(words >= 2**31, words - 2**32, words).int().movedim(-1, axis).contiguous()


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_packed_weights_become_the_numbers_they_stand_for(method, make_model, tiny_tokenizer, tmp_path):
    """Where the package is installed: groups of 32 with a scale and a zero each, packed here as each method does."""
    pytest.importorskip("gptqmodel")
    group, order = 32, range(8) if method == "gptq" else (0, 2, 4, 6, 1, 3, 5, 7)
    model = make_model(hidden_size=64, num_key_value_heads=4, dtype=torch.float16, vocab_size=256)
    model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    tensors, expected = {}, load_file(tmp_path / "model.safetensors")
    for name, tensor in list(expected.items()):
        if not name.endswith("proj.weight"):
            tensors[name] = tensor
            continue
        groups, module = tensor.float().T.unflatten(0, (-1, group)), name.removesuffix(".weight")
        low, high = groups.amin(1), groups.amax(1)
        scales = ((high - low) / 15).half().float()
        zeros = (-low / scales).round().clamp(1, 15)
        numbers = (groups / scales[:, None] + zeros[:, None]).round().clamp(0, 15)
        expected[name] = ((numbers - zeros[:, None]) * scales[:, None]).flatten(0, 1).T.half()
        tensors[f"{module}.scales"] = scales.half()
        tensors[f"{module}.qweight"] = packed(numbers.flatten(0, 1), 0 if method == "gptq" else 1, order)
        tensors[f"{module}.qzeros"] = packed(zeros - int(method == "gptq"), 1, order)  # GPTQ stores one less
        if method == "gptq":
            tensors[f"{module}.g_idx"] = (torch.arange(len(numbers) * group) // group).int()
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    own = {"gptq": {"desc_act": False, "sym": False}, "awq": {"zero_point": True, "version": "gemm"}}[method]
    mark(tmp_path, quant_method=method, bits=4, group_size=group, **own)
    assert check_model(tmp_path)["dequantised"] == method
    state = load_file(tmp_path / "model.safetensors")
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-4)
