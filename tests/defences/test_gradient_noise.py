import pytest
import torch

from unlearning_robustness.defences.row import build_step
from unlearning_robustness.engine.weights import gaussian_of_norm

CHOSEN = torch.tensor([0, 2, 3])
SCALE = 0.8


@pytest.fixture
def perturbations(moved_engine, tiny_caches, defence):
    """What RNA and the control add to the clean retain gradient, from the same generator state."""
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    _, clean = engine.retain_gradient(batch)
    steps = [build_step(defence(kind, noise_scale=SCALE)) for kind in ("rna", "gradient-noise")]

    def draw(seed):
        found = [step.retain_gradient(engine, batch, torch.Generator().manual_seed(seed))[1] for step in steps]
        return [{name: gradient[name] - clean[name] for name in clean} for gradient in found]

    return draw


def cosine(one, other):
    return torch.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()


def test_the_noise_has_in_every_tensor_the_norm_of_rnas_perturbation(perturbations):
    for seed in range(3):
        rna, control = perturbations(seed)
        assert len(rna) == 2
        for name in rna:
            assert rna[name].norm() > 1e-3
            assert control[name].norm().item() == pytest.approx(rna[name].norm().item(), rel=1e-4)


def test_the_direction_has_nothing_to_do_with_rnas(perturbations):
    found = []
    for seed in range(30):
        rna, control = perturbations(seed)
        found += [cosine(rna[name], control[name]) for name in rna]
    # 2048 entries a tensor: the cosine of unrelated directions has a deviation of 0.022.
    assert abs(sum(found) / len(found)) < 0.012 and max(map(abs, found)) < 0.1


def test_the_direction_is_fresh_and_has_no_structure(perturbations):
    directions = torch.stack([torch.cat([t.flatten() for t in perturbations(seed)[1].values()]) for seed in range(16)])
    unit = directions / directions.norm(dim=1, keepdim=True)
    overlaps = (unit @ unit.T)[~torch.eye(16, dtype=torch.bool)]
    assert overlaps.abs().max() < 0.1
    spread = unit.square().mean(0).reshape(2, 32, 64)
    assert (spread.mean(dim=(0, 1)).max() / spread.mean(dim=(0, 1)).min()).item() < 1.4


def test_the_loss_and_the_forget_gradient_stay_clean(moved_engine, tiny_caches, defence):
    engine, random = moved_engine("rmu"), torch.Generator().manual_seed(0)
    step = build_step(defence("gradient-noise", noise_scale=SCALE))
    forget, retain = tiny_caches["forget"].batch(CHOSEN), tiny_caches["retain"].batch(CHOSEN)
    assert step.retain_gradient(engine, retain, random)[0] == engine.retain_gradient(retain)[0]
    (_, ours), (_, plain) = step.forget_gradient(engine, forget, random), engine.forget_gradient(forget)
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


def test_noise_of_scale_zero_adds_nothing(moved_engine, tiny_caches, defence):
    engine, batch = moved_engine("rmu"), tiny_caches["retain"].batch(CHOSEN)
    step = build_step(defence("gradient-noise", noise_scale=0.0))
    _, noisy = step.retain_gradient(engine, batch, torch.Generator().manual_seed(0))
    _, clean = engine.retain_gradient(batch)
    assert all(torch.equal(noisy[name], clean[name]) for name in clean)


def test_an_isotropic_draw_has_the_asked_norm_and_shape():
    drawn = gaussian_of_norm(torch.zeros(30, 40), torch.tensor(2.5), torch.Generator().manual_seed(0))
    assert drawn.shape == (30, 40) and drawn.norm().item() == pytest.approx(2.5, rel=1e-5)
    assert abs((drawn > 0).float().mean().item() - 0.5) < 0.05
