import math

import pytest
import torch

from unlearning_robustness.methods.dpo import DPO, dpo_loss, paired
from unlearning_robustness.methods.npo import NPO

CHOSEN = torch.tensor([0, 2, 3])


def test_the_loss_is_the_papers_formula():
    nll, refusal, reference, reference_refusal = (torch.tensor(pair).double() for pair in
                                                  ([3.0, 5.0], [2.0, 1.0], [2.5, 2.0], [4.0, 0.5]))  # fmt: skip
    margins = [(3.0 - 2.0) - (2.5 - 4.0), (5.0 - 1.0) - (2.0 - 0.5)]
    expected = sum(math.log(1 + math.exp(-0.3 * margin)) for margin in margins) / 2 * 2 / 0.3
    assert dpo_loss(nll, refusal, reference, reference_refusal, 0.3).item() == pytest.approx(expected, rel=1e-12)


def test_refusals_are_dealt_in_turn():
    assert paired(torch.tensor([1.0, 2.0]), torch.zeros(5)).tolist() == [1, 2, 1, 2, 1]
    assert paired(torch.tensor(3.0), torch.tensor(1.0)).item() == 3


def gradients(moved_engine, caches, name, **parameters):
    base = {"beta": 0.5, "normalisation": parameters.get("normalisation", "token-mean")}
    return moved_engine(name, parameters=base | parameters).forget_gradient(caches["forget"].batch(CHOSEN))


@pytest.mark.parametrize("normalisation", ["token-mean", "sequence-sum", "batch-mean"])
def test_released_dpo_is_npo_in_value_and_gradient_and_corrected_is_not(moved_engine, tiny_caches, normalisation):
    given = {"normalisation": normalisation}
    npo_loss, npo = gradients(moved_engine, tiny_caches, "npo", **given)
    loss, released = gradients(moved_engine, tiny_caches, "dpo", implementation="released", **given)
    assert loss == pytest.approx(npo_loss, rel=1e-5)
    for name, tensor in npo.items():
        torch.testing.assert_close(released[name], tensor, rtol=1e-3, atol=1e-6)
    other_loss, corrected = gradients(moved_engine, tiny_caches, "dpo", implementation="corrected", **given)
    assert abs(other_loss - npo_loss) > 1e-3
    assert any((corrected[name] - tensor).norm() > 0.05 * tensor.norm() for name, tensor in npo.items())


def test_descent_makes_the_refusal_likelier_and_the_forget_text_less_likely(moved_engine, tiny_caches):
    engine, batch = moved_engine("dpo", size=0.02), tiny_caches["forget"].batch(CHOSEN)

    def margin():
        with torch.no_grad():
            loss, inputs = DPO(beta=0.5), engine._forget_inputs(batch)
            forget, _ = loss._likelihoods(inputs)
            refusal, _ = loss._likelihoods(engine._forget_inputs(engine.refusal))
        return forget.mean().item(), refusal.mean().item()

    before = margin()
    _, gradient = engine.forget_gradient(batch)
    engine.weights.publish({name: engine.weights.master[name] - 0.05 * gradient[name] for name in gradient})
    after = margin()
    assert after[0] > before[0] and after[1] < before[1]


def test_the_loss_at_the_reference_is_two_log_two_over_beta(make_trainer, settings, tiny_caches):
    engine, batch = make_trainer(settings("dpo")).engine, tiny_caches["forget"].batch(CHOSEN)
    assert engine.forget_gradient(batch)[0] == pytest.approx(2 / 0.5 * math.log(2), rel=1e-5)
    assert NPO(beta=0.5)(engine._forget_inputs(batch)).item() == pytest.approx(2 / 0.5 * math.log(2), rel=1e-5)
