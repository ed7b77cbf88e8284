import torch

from unlearning_robustness.engine.schedule import Schedule
from unlearning_robustness.training.orders import order_in_turn


def test_topics_take_turns_with_their_texts_as_they_lie_and_begin_again(tiny_caches):
    forget = tiny_caches["forget"]
    assert len(forget) == 6 and len(tiny_caches["retain"]) == 7
    forget.topic[:] = torch.tensor([0, 1, 0, 1, 0, 1])
    order = order_in_turn(tiny_caches, Schedule(6, 1.0, 2), {})
    assert order["forget"].tolist() == [[0, 2], [1, 3], [4, 0], [5, 1], [2, 4], [3, 5]]
    assert order["retain"].tolist() == [[0, 1], [0, 1], [2, 3], [2, 3], [4, 5], [4, 5]]


def test_one_topic_takes_every_step(tiny_caches):
    order = order_in_turn(tiny_caches, Schedule(4, 1.0, 2), {})
    assert order["forget"].tolist() == [[0, 1], [2, 3], [4, 5], [0, 1]]
    assert order["retain"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 0]]
