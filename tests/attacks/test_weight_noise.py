import pytest
import torch
from planted import given, state, unharmed

from unlearning_robustness.attacks.weight_noise import WeightNoise, noise

NAME = "model.layers.2.mlp.up_proj.weight"


def points(model, tokenizer, scales, seed=1):
    return {attacked.setting: state(model) for attacked in WeightNoise(scales).run(given(model, tokenizer, seed=seed))}


def test_noise_has_the_share_of_each_tensors_norm_and_one_draw_serves_all_scales(tiny_model, tiny_tokenizer):
    before = state(tiny_model)
    found = points(tiny_model, tiny_tokenizer, [0.0, 0.1, 0.5])
    assert list(found) == ["noise 0", "noise 0.1", "noise 0.5"] and unharmed(tiny_model, before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in found["noise 0"].items())
    for name, tensor in before.items():
        small, large = (found[f"noise {scale}"][name] - tensor for scale in (0.1, 0.5))
        if "layers" in name and "norm" not in name:
            assert small.norm().item() == pytest.approx(0.1 * tensor.norm().item(), rel=1e-4)
            assert torch.allclose(5 * small, large, atol=1e-5)
        else:
            assert not small.any() and not large.any()


def test_cells_of_a_seed_share_the_draw_and_tensors_and_seeds_do_not(tiny_model):
    weight = tiny_model.get_parameter(NAME).detach()
    drawn = noise(weight, 1, NAME)
    other = noise(3 * weight.flip(0), 1, NAME)
    assert torch.allclose(drawn * 3, other, rtol=1e-5)
    for different in (noise(weight, 2, NAME), noise(weight, 1, "another")):
        cosine = torch.nn.functional.cosine_similarity(drawn.flatten(), different.flatten(), dim=0)
        assert cosine.abs() < 0.1
    assert drawn.mean().abs() < 4 * drawn.std() / drawn.numel() ** 0.5


def test_the_model_comes_back_when_the_attack_is_abandoned(make_model, tiny_tokenizer):
    model = make_model(dtype=torch.bfloat16)
    before = state(model)
    running = WeightNoise([0.3]).run(given(model, tiny_tokenizer))
    next(running)
    assert not torch.equal(model.get_parameter(NAME), before[NAME])
    running.close()
    assert unharmed(model, before)
