"""Running means, in plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class PooledMean:
    """A mean pooled over frames: sums of what counts, and how much counted."""

    total: float = 0.0
    count: float = 0.0

    def add(self, total: float, count: float) -> None:
        """Take in the sum over ``count`` things."""
        self.total += total
        self.count += count

    @property
    def mean(self) -> float:
        """NaN while nothing counts."""
        return self.total / self.count if self.count else math.nan


@dataclass
class MeanOfValues:
    """A mean over frames or frame pairs; those where nothing counts (NaN) are left out."""

    total: float = 0.0
    num_values: int = 0

    def add(self, value: float) -> None:
        """Take in one value."""
        if not math.isnan(value):
            self.total += value
            self.num_values += 1

    @property
    def mean(self) -> float:
        """NaN while no value counts."""
        return self.total / self.num_values if self.num_values else math.nan
