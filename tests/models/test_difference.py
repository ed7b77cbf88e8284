import json

import pytest
import torch

from unlearning_robustness.data.model_folder import write_manifest
from unlearning_robustness.errors import DeltaError
from unlearning_robustness.models.delta import apply_delta, save_delta
from unlearning_robustness.models.difference import difference, whole
from unlearning_robustness.models.loading import load_model, verify

CHANGED = ("model.layers.1.mlp.down_proj.weight", "model.layers.3.self_attn.q_proj.weight")
IDS = torch.arange(20).view(2, 10)


@pytest.fixture
def save(tmp_path, tiny_tokenizer):
    def saved(model, name, dtype=torch.float32, **sharding):
        model.to(dtype).save_pretrained(tmp_path / name, **sharding)
        tiny_tokenizer.save_pretrained(tmp_path / name)
        write_manifest(tmp_path / name, {})
        return tmp_path / name

    return saved


def unlearned(model):
    for name in CHANGED:
        model.get_parameter(name).add_(0.1)
    return model


def rewrite(folder, file, change):
    said = json.loads((folder / file).read_text())
    change(said)
    (folder / file).write_text(json.dumps(said))
    write_manifest(folder, {})


@pytest.mark.parametrize("sharding", [{}, {"max_shard_size": "20KB"}])
def test_the_delta_is_what_was_changed_and_makes_the_other_model(make_model, save, sharding):
    before, after = save(make_model(), "before"), save(unlearned(make_model()), "after", **sharding)
    tensors, facts = difference(before, after)
    assert sorted(tensors) == sorted(CHANGED) == facts["trained_tensors"]
    assert (facts["steps"], facts["rounded_tensors"]) == (0, 0)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    assert facts["weight_change"] == pytest.approx(0.1 * numbers**0.5, rel=1e-5)
    model = make_model()
    apply_delta(model, tensors)
    assert torch.equal(model(IDS).logits, load_model(after)[0](IDS).logits)


def test_a_delta_of_the_checkpoint_is_applied_to_it_first_and_must_be_its_own(make_model, save, tmp_path):
    before, after = save(make_model(), "before"), save(unlearned(make_model()), "after")
    treated, name = make_model(), "model.norm.weight"
    treated.get_parameter(name).mul_(2)
    save_delta(tmp_path / "own.safetensors", {name: treated.get_parameter(name)}, verify(after))
    tensors, facts = difference(before, after, tmp_path / "own.safetensors")
    assert facts["trained_tensors"] == sorted([*CHANGED, name]) and torch.equal(
        tensors[name], treated.get_parameter(name)
    )
    save_delta(tmp_path / "other.safetensors", {}, verify(before))
    with pytest.raises(DeltaError, match="was made for model"):
        difference(before, after, tmp_path / "other.safetensors")


def test_an_untouched_copy_differs_in_nothing(make_model, save):
    tensors, facts = difference(save(make_model(), "before"), save(make_model(), "after"))
    assert tensors == {} and facts["weight_change"] == 0.0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_of_another_number_type_every_tensor_is_taken_as_it_is_stored_and_rounding_is_counted(make_model, save, dtype):
    after = save(unlearned(make_model()), "after", dtype)
    tensors, facts = difference(save(make_model(), "before"), after)
    assert facts["rounded_tensors"] == len(tensors) - len(CHANGED) > 0
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    model = make_model()
    apply_delta(model, tensors)
    assert torch.equal(model(IDS).logits, load_model(after)[0](IDS).logits)


def longer_context(folder):
    rewrite(folder, "config.json", lambda said: said["rope_parameters"].update(rope_theta=500000.0))


def other_letter(folder):
    def exchange(said):
        vocabulary = said["model"]["vocab"]
        vocabulary["!"], vocabulary['"'] = vocabulary['"'], vocabulary["!"]

    rewrite(folder, "tokenizer.json", exchange)


def one_merge(folder):
    rewrite(
        folder,
        "tokenizer.json",
        lambda said: said["model"].update(merges=[["a", "b"]], vocab={**said["model"]["vocab"], "ab": 256}),
    )


def spaced(folder):
    rewrite(folder, "tokenizer.json", lambda said: said["pre_tokenizer"].update(add_prefix_space=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            other_letter,
            "its tokenizer is not that of {before}: token 0 is '\"' instead of '!'; give a model with the same one",
        ),
        (one_merge, "its tokenizer is not that of {before}: token 256 is 'ab' instead of missing; give a model"),
        (spaced, "its tokenizer is not that of {before}: its pre_tokenizer is "),
        (longer_context, "does not compute as {before} does but for its weights: config.json has rope_parameters "),
    ],
)
def test_what_reads_or_computes_otherwise_is_refused_by_the_first_difference(make_model, save, change, words):
    before, after = save(make_model(), "before"), save(make_model(), "after")
    change(after)
    with pytest.raises(DeltaError) as raised:
        difference(before, after)
    assert str(raised.value).startswith(f"{after}: {words.format(before=before)}")
    assert len(str(raised.value).splitlines()) == 1


def test_other_shapes_are_refused_by_the_first_tensor(make_model, save):
    before, after = save(make_model(), "before"), save(make_model(vocab_size=264), "after")
    with pytest.raises(DeltaError, match=r"config\.json has vocab_size 264 instead of 260"):
        difference(before, after)


def test_a_checkpoint_of_other_shapes_is_itself_if_its_tokenizer_is_the_same(make_model, save):
    before, after = save(make_model(), "before"), save(make_model(num_hidden_layers=2), "after")
    facts = whole(before, after)
    assert facts["model_digest"] == verify(after) and facts["whole"] and "weight_change" not in facts
    other_letter(after)
    with pytest.raises(DeltaError, match="its tokenizer is not that of"):
        whole(before, after)
