"""One seed a cell, split into named streams, so that one use of randomness never shifts another."""

import hashlib
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream_seed(seed: int | str, name: str) -> int:
    """A 63-bit seed for the stream ``name`` of ``seed``; streams are independent of one another."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int | str, name: str, device: "str | torch.device" = "cpu") -> "torch.Generator":
    """A torch generator for the stream ``name``; torch is imported here, as tables and figures need none."""
    import torch

    return torch.Generator(device=device).manual_seed(stream_seed(seed, name))


def shuffler(seed: int | str, name: str) -> random.Random:
    """A Python generator for the stream ``name`` (items, never tensors)."""
    return random.Random(stream_seed(seed, name))
