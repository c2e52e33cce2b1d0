"""How fast a clip of a timeline is played, as exact numbers, from the effects that mean a retime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import opentimelineio as otio


@dataclass(frozen=True)
class Retime:
    """Frames of the source for a frame of the cut; None where it is no constant.

    ``counts_retimed`` where the file counts the clip's in and out in frames after the retime.
    """

    speed: Fraction | None = Fraction(1)
    counts_retimed: bool = False
    notes: tuple[str, ...] = ()


def retime_of(item: Any) -> Retime:
    """The product of all retimes on an item; an effect of time that is no constant speed makes it unknown."""
    speed: Fraction | None = Fraction(1)
    counts_retimed = False
    notes: list[str] = []
    for effect in item.effects:
        if isinstance(effect, otio.schema.FreezeFrame):
            speed = Fraction(0)
        elif isinstance(effect, otio.schema.LinearTimeWarp):
            speed = None if speed is None else speed * _exact(effect.time_scalar)
        elif isinstance(effect, otio.schema.TimeEffect):
            speed = None
            notes.append(f"retimed by a curve ({effect.effect_name or effect.name or 'time effect'})")
        elif remap := _time_remap(effect):
            speed, counts_retimed = remap.speed, True
            notes += remap.notes
    return Retime(speed, counts_retimed, tuple(notes))


def _exact(scalar: float) -> Fraction:
    # A speed is a ratio of frame counts or a percentage; either has a small denominator.
    return Fraction(scalar).limit_denominator(10_000)


def _time_remap(effect: Any) -> Retime | None:
    """The Time Remap filter of FCP7 XML, which its reader leaves as a plain effect: per cent, reverse, or a curve."""
    stated = effect.metadata.get("fcp_xml", {})
    if not isinstance(stated, Mapping) or stated.get("effectid") != "timeremap":
        return None
    parameters = stated.get("parameter", [])
    listed = [parameters] if isinstance(parameters, Mapping) else list(parameters)
    values = {str(one.get("parameterid")): str(one.get("value", "")) for one in listed if isinstance(one, Mapping)}
    if values.get("variablespeed", "0").upper() in ("1", "TRUE"):
        return Retime(None, True, ("retimed by a curve (Time Remap)",))
    try:
        speed = Fraction(values["speed"]) / 100
    except (KeyError, ValueError):
        return Retime(None, True, ("retimed, but the list does not say how fast (Time Remap)",))
    backwards = values.get("reverse", "FALSE").upper() in ("1", "TRUE")
    return Retime(-abs(speed) if backwards else speed, True)
