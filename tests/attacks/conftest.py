"""What searches for inserted tokens are given."""

import pytest

from unlearning_robustness.attacks.base import AttackInput


@pytest.fixture
def select(question_table):
    return question_table[question_table["role"] == "forget"].drop_duplicates("fact").assign(split="select")


@pytest.fixture
def attack(tiny_model, tiny_tokenizer, select):
    def make(model=tiny_model, seed=1, reference=None):
        return AttackInput(model, tiny_tokenizer, None, seed, select, reference, 16)

    return make
