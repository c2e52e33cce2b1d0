"""How far a matte is from the true one, pixel by pixel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interpositive.errors import MediaError
from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo


def mattes_of(frame: JudgedFrame) -> tuple[Tensor, Tensor]:
    """The judged matte and the true one, ``h w`` each; ``MediaError`` for pictures of more channels."""
    result, reference = frame.result, frame.beside.reference
    assert reference is not None
    if result.shape[0] != 1:
        raise MediaError(
            "a matte has one channel", found=f"{result.shape[0]} channels", expected="result and reference t 1 h w"
        )
    return result[0], reference[0]


def matte_errors(matte: Tensor, true: Tensor) -> tuple[float, float]:
    """Mean absolute and mean squared difference of two mattes ``h w`` in [0, 1], both times 1000."""
    gap = matte - true
    absolute = float(gap.abs().mean(dtype=torch.float64))
    return 1e3 * absolute, 1e3 * float(gap.square_().mean(dtype=torch.float64))


class MatteError(ShotMetric):
    """``matte_mad`` and ``matte_mse``, in thousandths, mean over frames and then over shots.

    Result and reference are mattes, ``t 1 h w`` in [0, 1]. Scaled as in the video matting tables.
    """

    group = MATTES
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        infos = [
            MetricInfo(name=name, unit="thousandths", direction="lower", meaning=meaning)
            for name, meaning in (
                ("matte_mad", "How far the matte's opacity is from the true one on average, over all pixels."),
                ("matte_mse", "The same with large misses counted far more than soft ones."),
            )
        ]
        super().__init__(infos, infos, **kwargs)

    def _begin_shot(self) -> None:
        self._kept = {info.name: MeanOfValues() for info in self.infos}

    def _add(self, frame: JudgedFrame) -> None:
        for name, value in zip(self._kept, matte_errors(*mattes_of(frame)), strict=True):
            self._kept[name].add(value)
            self.curves[name].append(value)

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's frames."""
        return {name: mean.mean for name, mean in self._kept.items()}
