"""The bars that each task is held to: what was asked, what was measured, and why where that is not the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from boards import RIGS

from interpositive.metrics.intervals import bootstrap_interval
from interpositive.records.measures import ShotMeasures

WINDOW_FRAMES = 8
FILLS_OF_A_FRAME = ("telea", "navier_stokes")
FLOWS = ("first_valid_flow", "recursive_flow")
CLASSICAL = (*FILLS_OF_A_FRAME, *FLOWS, "temporal_median")
UNET = "per_frame_unet"

Shots = Sequence[ShotMeasures]
Costs = dict[str, dict[str, float | str]]


@dataclass(frozen=True)
class Measured:
    """A number with its interval and on how much it stands; no number where nothing could be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    over: str = ""


@dataclass(frozen=True)
class Bar:
    """``asked`` in words; ``least`` or ``most`` is the line; ``why`` says what is known of a miss."""

    task: str
    asked: str
    measure: Callable[[Shots, Costs], Measured]
    least: float | None = None
    most: float | None = None
    why: str = ""

    def verdict(self, found: Measured) -> str:
        """Held, missed, or not measured."""
        if found.value is None or not np.isfinite(found.value):
            return "not measured"
        above = self.least is None or found.value >= self.least
        below = self.most is None or found.value <= self.most
        return "held" if above and below else "missed"


def stage(shots: Shots, rig: str = "") -> list[ShotMeasures]:
    """Shots of the soundstages, of one kind of camera if that is named."""
    scenes = {scene for scene, kind in RIGS.items() if rig in ("", kind)}
    return [shot for shot in shots if shot.name.startswith("stage_") and scenes & set(shot.name.split("_"))]


def real(shots: Shots) -> list[ShotMeasures]:
    """Shots of real footage."""
    return [shot for shot in shots if not shot.name.startswith("stage_")]


def labelled(shots: Shots, label: str) -> list[ShotMeasures]:
    """Shots under one kind of damage."""
    return [shot for shot in shots if shot.name.endswith(f"_{label}")]


def value(shot: ShotMeasures, method: str, metric: str) -> float:
    """A number of a method on a shot; NaN where there is none."""
    found = shot.values.get(method, {}).get(metric)
    return float("nan") if found is None else found


def best(shot: ShotMeasures, methods: Sequence[str], metric: str) -> str:
    """The method that a metric says is best, where higher is."""
    return max(methods, key=lambda method: np.nan_to_num(value(shot, method, metric), nan=-1e9))


def over_shots(numbers: Sequence[float], how: Callable[[Sequence[float]], float] = np.mean) -> Measured:
    """A mean (or another summary) over shots, with the mean's interval over them."""
    finite = [number for number in numbers if np.isfinite(number)]
    if not finite:
        return Measured(None)
    interval = bootstrap_interval(finite) if how is np.mean else None
    low, high = interval or (None, None)
    return Measured(float(how(finite)), low, high, f"{len(finite)} shot{'s' * (len(finite) != 1)}")


def gain(metric: str, method: str, others: Sequence[str], of: Callable[[Shots], Shots]) -> Callable[..., Measured]:
    """A method's number less the best of others', shot by shot; of a single shot the interval is over its windows."""

    def measured(shots: Shots, costs: Costs) -> Measured:
        del costs
        chosen = list(of(shots))
        gains = [value(s, method, metric) - value(s, best(s, others, metric), metric) for s in chosen]
        found = over_shots(gains)
        if len(chosen) != 1 or found.value is None:
            return found
        windows = _window_gains(chosen[0], metric, method, best(chosen[0], others, metric))
        if not windows:
            return found
        low, high = bootstrap_interval(windows) or (None, None)
        return Measured(found.value, low, high, f"1 shot, {len(windows)} windows of {WINDOW_FRAMES} frames")

    return measured


def worst_gain(
    metric: str, method: str, others: Sequence[str], of: Callable[[Shots], Shots]
) -> Callable[..., Measured]:
    """As :func:`gain`, of the shot on which it is least."""

    def measured(shots: Shots, costs: Costs) -> Measured:
        del costs
        return over_shots(
            [value(s, method, metric) - value(s, best(s, others, metric), metric) for s in of(shots)], min
        )

    return measured


def summary(
    metric: str, method: str, of: Callable[[Shots], Shots], how: Callable[[Sequence[float]], float] = np.mean
) -> Callable[..., Measured]:
    """A method's number over shots."""

    def measured(shots: Shots, costs: Costs) -> Measured:
        del costs
        return over_shots([value(shot, method, metric) for shot in of(shots)], how)

    return measured


def cost(name: str, key: str) -> Callable[..., Measured]:
    """What the delivered mini-model of a task costs; ``name`` is ``train``, or ``apply`` at a height."""

    def measured(shots: Shots, costs: Costs) -> Measured:
        del shots
        found = costs.get(name, {})
        return Measured(float(found[key]) if key in found else None, over=str(found.get("over", "")))

    return measured


def _window_gains(shot: ShotMeasures, metric: str, method: str, other: str) -> list[float]:
    curves = [shot.curves.get(name, {}).get(metric) for name in (method, other)]
    if curves[0] is None or curves[1] is None:
        return []
    pairs = [(a, b) for a, b in zip(*curves, strict=True) if a is not None and b is not None]  # type: ignore[arg-type]
    differences = [a - b for a, b in pairs]
    starts = range(0, len(differences) - WINDOW_FRAMES // 2, WINDOW_FRAMES)
    return [float(np.mean(differences[start : start + WINDOW_FRAMES])) for start in starts]
