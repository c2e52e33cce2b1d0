"""Randomness derived from names, never from worker, rank or call order."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def seed_from(*keys: object) -> int:
    """A 63-bit seed that depends on every key and on their order."""
    text = "\x1f".join(str(key) for key in keys)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_from(*keys: object) -> torch.Generator:
    """A CPU generator seeded by :func:`seed_from`."""
    return torch.Generator().manual_seed(seed_from(*keys))


def generators_of(step: torch.Generator, numbers: Tensor) -> list[torch.Generator]:
    """A generator for each example of a batch, seeded by what seeded ``step`` and by the example's number alone.

    What is drawn from them is the same whatever part of the batch a process has, and in whatever order.
    """
    return [generator_from("example of a step", step.initial_seed(), number) for number in numbers.tolist()]
