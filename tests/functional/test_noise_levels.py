"""Noise that is stronger by so much, and how much that is to be."""

from __future__ import annotations

import pytest
import torch

from interpositive.functional.noise_levels import resolution_shift, shifted


def test_a_shift_makes_noise_stronger_by_so_much_and_leaves_the_ends() -> None:
    levels = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64)
    found = shifted(levels, 3.0)
    assert found[0] == 0 and found[-1] == 1
    inner = slice(1, 3)
    torch.testing.assert_close(found[inner] / (1 - found[inner]), 3.0 * levels[inner] / (1 - levels[inner]))
    torch.testing.assert_close(shifted(found, 1 / 3.0), levels)
    assert resolution_shift(1024 * 1024, 512 * 512) == pytest.approx(2.0)
