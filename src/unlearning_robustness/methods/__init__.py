"""Unlearning methods: a forget loss with a retain loss. One file a loss."""

from unlearning_robustness.config import kinds

FORGET_LOSSES, RETAIN_LOSSES = kinds.Kinds(kinds.FORGET_LOSSES), kinds.Kinds(kinds.RETAIN_LOSSES)
