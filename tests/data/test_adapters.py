import json

import pytest
import torch
from peft import LoraConfig, get_peft_model

from unlearning_robustness.data.adapters import ADAPTER, ADAPTER_CONFIG, adapter_files
from unlearning_robustness.data.model_folder import write_folder
from unlearning_robustness.data.model_sources import fetch
from unlearning_robustness.errors import FetchError
from unlearning_robustness.models.loading import load_model

TARGETS = ["q_proj", "down_proj"]
WORDS = {"license": "MIT", "note": "tiny"}


@pytest.fixture
def base(make_model, tiny_tokenizer, tmp_path):
    write_folder(make_model(), tiny_tokenizer, tmp_path / "base", {})
    return tmp_path / "base"


@pytest.fixture
def adapter(make_model, tmp_path):
    """Makes an adapter of random numbers and saves it as peft does; returns its tensors by the module's name."""

    def make(**settings):
        torch.manual_seed(1)
        model = get_peft_model(make_model(), LoraConfig(r=2, lora_alpha=8, target_modules=TARGETS, **settings))
        for name, tensor in model.named_parameters():
            if "lora_" in name:
                tensor.data.normal_()
        model.save_pretrained(tmp_path / "adapter")
        return {name.removeprefix("base_model.model."): tensor for name, tensor in model.named_parameters()}

    return make


@pytest.mark.parametrize(
    ("settings", "scale"), [({}, 8 / 2), ({"use_rslora": True}, 8 / 2**0.5), ({"alpha_pattern": {"q_proj": 6}}, 4)]
)
def test_a_merged_adapter_adds_its_scaled_product_to_the_weights_that_it_targets(
    base, adapter, make_model, tmp_path, settings, scale
):
    tensors = adapter(**settings)
    manifest = fetch(
        {"path": str(tmp_path / "adapter"), "base": "x", **WORDS}, tmp_path / "model", tmp_path / "s", base
    )
    merged, before = load_model(tmp_path / "model")[0], make_model()
    for name, weight in before.named_parameters():
        module, expected = name.removesuffix(".weight"), weight
        if module.rsplit(".", 1)[-1] in TARGETS:
            one, other = (tensors[f"{module}.lora_{part}.default.weight"] for part in "BA")
            own = 6 / 2 if "alpha_pattern" in settings and "q_proj" in module else scale
            expected = weight + own * one @ other
        assert torch.allclose(merged.get_parameter(name), expected, atol=1e-5), name
    assert manifest["adapter"]["lora_alpha"] == 8 and len(manifest["base_digest"]) == 64
    assert not (tmp_path / "s").exists()


def rewrite(folder, **change):
    said = json.loads((folder / ADAPTER_CONFIG).read_text()) | change
    (folder / ADAPTER_CONFIG).write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r": 3}, "does not fit"),
        ({"target_modules": ["q_proj"]}, "is not in both the file and the model"),
        ({"target_modules": ["c_attn"]}, "does not fit"),
        ({"peft_type": "MAGIC"}, "does not fit"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_in_one_line(base, adapter, tmp_path, change, words):
    adapter()
    rewrite(tmp_path / "adapter", **change)
    with pytest.raises(FetchError, match=words) as raised:
        fetch({"path": str(tmp_path / "adapter"), **WORDS}, tmp_path / "model", tmp_path / "scratch", base)
    assert len(str(raised.value).splitlines()) == 1 and not (tmp_path / "model").exists()


def test_only_safetensors_are_an_adapter():
    assert adapter_files(["README.md", ADAPTER_CONFIG, ADAPTER]) == [ADAPTER_CONFIG, ADAPTER]
    with pytest.raises(FetchError, match=r"no adapter_model\.safetensors here"):
        adapter_files([ADAPTER_CONFIG, "adapter_model.bin"])


def test_an_adapter_without_its_model_is_refused(adapter, tmp_path):
    adapter()
    with pytest.raises(FetchError, match=r"of an adapter: give its models\.\*\.base"):
        fetch({"path": str(tmp_path / "adapter"), **WORDS}, tmp_path / "model", tmp_path / "scratch")
