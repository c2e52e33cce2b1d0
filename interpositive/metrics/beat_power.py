"""Beat of lamps against the shutter: how much of a shot's change in brightness is too fast to be the scene's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.luma import luma_of
from interpositive.records.measures import MetricInfo

SLOWEST_HZ = 2.0
HALF_BAND_HZ = 0.5
LEAST_CHANGE = 1e-9
"""A course whose deviation is below this is constant: mean luma is only known up to its rounding."""


def beat_frequency(mains_hz: int, rate: Fraction) -> float:
    """Where the light of lamps on that mains is seen, in Hz, from 0 to half the frame rate.

    They pulse at twice the mains frequency; sampled by the frames, that is
    ``|2 mains_hz - k rate|`` for the nearest k. 0: they do not beat at this rate.
    """
    pulse = Fraction(2 * mains_hz)
    return float(abs(pulse - round(pulse / rate) * rate))


def spectrum(course: Sequence[float], rate: Fraction) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies in Hz and power at each of a course, one number a frame; mean taken off, Hann window."""
    values = np.asarray(course, dtype=np.float64)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(len(values)) / len(values))
    power = np.abs(np.fft.rfft((values - values.mean()) * window)) ** 2
    # Every frequency but the first, and the last of an even number of frames, stands for two halves of the spectrum.
    power[1 : (len(values) + 1) // 2] *= 2.0
    frequencies = np.arange(len(power), dtype=np.float64) * float(rate) / len(values)
    return frequencies, np.asarray(power, dtype=np.float64)


def beat_powers(course: Sequence[float], rate: Fraction) -> tuple[float, float, float]:
    """Shares of the spectrum, 0 to 1: above 2 Hz, and within 0.5 Hz of the beat of 50 Hz and of 60 Hz mains.

    NaN for less than one second of frames or a constant course. The share of a
    mains is NaN too if its band holds 0 Hz: lamps and frames run in step, or so nearly
    that nothing tells their beat from slow changes of the scene.
    """
    if len(course) < rate or not np.std(course) > LEAST_CHANGE:
        return math.nan, math.nan, math.nan
    frequencies, power = spectrum(course, rate)

    def share(chosen: NDArray[np.bool_]) -> float:
        return float(power[chosen].sum() / power.sum())

    def near(beat: float) -> float:
        return share(np.abs(frequencies - beat) <= HALF_BAND_HZ) if beat > HALF_BAND_HZ else math.nan

    return share(frequencies > SLOWEST_HZ), near(beat_frequency(50, rate)), near(beat_frequency(60, rate))


class BeatPower(ShotMetric):
    """``beat_power``, ``beat_power_50hz`` and ``…_60hz``: shares of the spectrum of the mean luma, 0 to 1.

    A share, not an amount: a still shot whose only change is a hum of no
    consequence has a share near 1. Read it beside the luma flicker. Needs the
    frame rate. Kept between windows: one number a frame.
    """

    group = STEADINESS
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        much = "How much of the change in brightness "
        meanings = {
            "beat_power": much + "is faster than 2 Hz, 0 to 1; read it beside the luma flicker, which says how strong.",
            "beat_power_50hz": much + "has the beat of lamps on 50 Hz mains; none if they do not beat at this rate.",
            "beat_power_60hz": much + "has the beat of lamps on 60 Hz mains; none if they do not beat at this rate.",
        }
        infos = [
            MetricInfo(name=name, unit="share 0-1", direction="lower", meaning=meaning)
            for name, meaning in meanings.items()
        ]
        super().__init__(infos, **kwargs)

    def _begin_shot(self) -> None:
        self._luma: list[float] = []

    def _add(self, frame: JudgedFrame) -> None:
        self._luma.append(float(luma_of(frame.result).mean(dtype=torch.float64)))

    def shot_values(self) -> dict[str, float]:
        """Shares over the open shot; NaN under a second of frames, and where a beat falls on 0 Hz at this rate."""
        shares = beat_powers(self._luma, self.rate) if self._luma else (math.nan,) * 3
        return {info.name: share for info, share in zip(self.infos, shares, strict=True)}

    def reasons(self, absent: Sequence[str]) -> list[str]:
        """A beat that falls on 0 Hz at this frame rate cannot be told from slow changes of the scene."""
        still = [name for name in absent if name != "beat_power"]
        if still and "beat_power" not in absent:
            return [f"{', '.join(still)} not defined: at {float(self.rate):.5g} frames a second that beat stands still"]
        return super().reasons(absent)
