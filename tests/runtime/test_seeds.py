import hashlib

import torch

from unlearning_robustness.runtime.seeds import generator, shuffler, stream_seed


def test_a_stream_is_the_digest_of_seed_and_name():
    digest = hashlib.sha256(b"3/noise").hexdigest()
    assert stream_seed(3, "noise") == int(digest[:16], 16) // 2
    assert stream_seed(3, "noise") == stream_seed("3", "noise")


def test_every_seed_and_name_has_its_own_stream():
    seeds = {stream_seed(seed, name) for seed in range(50) for name in ("noise", "steering", "forget-order")}
    assert len(seeds) == 150 and all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_stream_draws_the_same_tensors():
    draws = [torch.randn(1000, generator=generator(*key)) for key in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))]
    assert torch.equal(draws[0], draws[1])
    for other in draws[2:]:
        assert abs(torch.corrcoef(torch.stack([draws[0], other]))[0, 1]) < 0.15


def test_the_same_stream_shuffles_alike():
    orders = []
    for key in ((1, "a"), (1, "a"), (1, "b")):
        items = list(range(100))
        shuffler(*key).shuffle(items)
        orders.append(items)
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == list(range(100))


def test_a_stream_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    torch.randn(5, generator=generator(1, "a"))
    assert torch.equal(torch.get_rng_state(), before)
