"""Procedural wires: how a stunt wire looks on film, drawn over clean frames.

A wire is a catenary between two ends, swinging in its first modes, with a
sub-pixel width, its own shade and a specular glint, blurred by the shutter and
sometimes throwing a soft shadow. Its ends hang on the frame, on the set or on
something that moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

_SUPERSAMPLING = 4
_SHIFT_BITS = 4
_NUM_CURVE_POINTS = 48
_BEHIND_PX = 7
_SHADOW_SIGMA_PX, _SHADOW_REACH_PX = 1.2, 6.0
"""OpenCV's Gaussian of floats ends at four sigmas."""


@dataclass(frozen=True)
class Wire:
    """One wire over a window of frames.

    ``ends`` is ``t 2 2`` (frame, end, xy) in pixels; ``width_px`` its thickness;
    ``sag`` the catenary's drop as a share of the span; ``swing`` holds
    ``(amplitude_px, cycles_per_frame, phase)`` per mode; ``shade`` multiplies
    what is behind it and ``glint`` adds light along it at ``glint_place`` (0 to
    1 along the wire, moving by ``glint_speed`` a frame); ``shadow`` is
    ``(dx, dy, strength)`` or None; ``opacity`` is 1 for an opaque wire.
    """

    ends: Points
    width_px: float
    sag: float
    swing: tuple[tuple[float, float, float], ...]
    shade: float
    tint: tuple[float, float, float]
    glint: float
    glint_place: float
    glint_speed: float
    opacity: float
    shadow: tuple[float, float, float] | None


def catenary(start: NDArray[np.float64], end: NDArray[np.float64], sag: float, num_points: int) -> Points:
    """A hanging wire from start to end (``... 2``) as ``... n 2`` pixels (y grows downward), drooping ``sag`` times the
    span.

    ``y = a cosh(x / a)``, with its depth normalised so that ``sag`` 0 is a tense straight line.
    """
    s = np.linspace(0.0, 1.0, num_points)
    line = start[..., None, :] * (1.0 - s[:, None]) + end[..., None, :] * s[:, None]
    across = end - start
    span = np.hypot(across[..., 0], across[..., 1])
    steepness = 0.5 + 2.0 * sag
    droop = (np.cosh(steepness) - np.cosh(steepness * (2.0 * s - 1.0))) / (np.cosh(steepness) - 1.0)
    line[..., 1] += (sag * span)[..., None] * droop
    return line.astype(np.float32)


def wire_curves(wire: Wire, times: NDArray[np.float64]) -> Points:
    """The wire's centre lines at (fractional) frames ``m`` of its window, ``m n 2`` pixels."""
    last = wire.ends.shape[0] - 1
    lower = np.clip(np.floor(times), 0, max(0, last - 1)).astype(int)
    upper = np.minimum(lower + 1, last)
    share = np.where(upper > lower, times - lower, 0.0).astype(np.float32)[:, None, None]
    ends = wire.ends[lower].astype(np.float64) + share * (wire.ends[upper] - wire.ends[lower])
    curves = catenary(ends[:, 0], ends[:, 1], wire.sag, _NUM_CURVE_POINTS)
    direction = ends[:, 1] - ends[:, 0]
    length = np.maximum(1e-6, np.hypot(direction[:, 0], direction[:, 1]))
    normal = np.stack((-direction[:, 1], direction[:, 0]), 1) / length[:, None]
    s = np.linspace(0.0, 1.0, _NUM_CURVE_POINTS)
    for mode, (amplitude, frequency, phase) in enumerate(wire.swing, start=1):
        beat = np.cos(2.0 * np.pi * (frequency * times + phase))
        offset = amplitude * np.sin(mode * np.pi * s) * beat[:, None]
        curves += (offset[..., None] * normal[:, None, :]).astype(np.float32)
    return curves


def draw_coverage(curves: Points | Sequence[Points], width_px: float, height: int, width: int) -> NDArray[np.float32]:
    """Anti-aliased coverage of a line, averaged over sub-frame curves ``m n 2``: ``h w`` in [0, 1].

    Drawn at four times the raster with fixed-point ends and averaged down, so
    that a line thinner than a pixel covers in proportion to its width.
    """
    scale = _SUPERSAMPLING
    wanted = width_px * scale
    drawn = 0
    total = np.zeros((height, width), np.float32)
    limit = float(1 << 20)
    fixed = np.rint(((np.asarray(curves) + 0.5) * scale - 0.5) * (1 << _SHIFT_BITS))
    points = np.clip(fixed, -limit, limit).astype(np.int32)
    rows, columns = near_curves(points / float(scale << _SHIFT_BITS), 0.5 * width_px + 2.0, height, width)
    part = total[rows, columns]
    if not part.size:
        return total
    points -= np.array([columns.start, rows.start], np.int32) * (scale << _SHIFT_BITS)
    canvas = np.zeros((part.shape[0] * scale, part.shape[1] * scale), np.uint8)
    for number, curve in enumerate(points, start=1):
        # OpenCV draws an even thickness one sub-pixel too wide, so two of them take turns to meet the width on average.
        thickness = max(2, 2 * ceil((wanted * number - drawn - 1.0) / 2.0 - 1e-6))
        drawn += thickness + 1
        canvas[:] = 0
        cv2.polylines(canvas, [curve[:, None, :]], False, 255, thickness, cv2.LINE_8, _SHIFT_BITS)
        part += cv2.resize(canvas, part.shape[::-1], interpolation=cv2.INTER_AREA)
    thinning = min(1.0, wanted * len(curves) / drawn)
    part *= thinning / (255.0 * len(curves))
    return total


def near_curves(curves: NDArray[np.floating], margin_px: float, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a frame that curves ``... xy`` come so near to; empty ones if none do."""
    if not curves.size:
        return slice(0), slice(0)
    low, high = (find(curves.reshape(-1, 2), 0) for find in (np.min, np.max))
    columns, rows = (
        slice(int(np.clip(np.floor(first - margin_px), 0, size)), int(np.clip(np.ceil(last + margin_px) + 1, 0, size)))
        for first, last, size in zip(low, high, (width, height), strict=True)
    )
    return rows, columns


def draw_wires(
    frames: NDArray[np.float32], wires: Sequence[Wire], *, shutter: float = 0.5, num_subframes: int = 8
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw wires over ``t h w 3`` frames; returns the damaged frames and their coverage ``t h w``.

    ``shutter`` is the open share of the frame time (0.5 is 180 degrees), centred on the frame.
    The coverage includes the shadows, because they too must go.
    """
    num_frames, height, width, _ = frames.shape
    damaged = frames.copy()
    coverage = np.zeros((num_frames, height, width), np.float32)
    offsets = (np.arange(num_subframes) + 0.5) / num_subframes - 0.5
    for index in range(num_frames):
        for wire in wires:
            curves = wire_curves(wire, index + shutter * offsets)
            middle = curves[len(curves) // 2]
            if wire.shadow is not None:
                _cast_shadow(damaged[index], coverage[index], middle, wire)
            # What is far from the wire stays as it is.
            box = near_curves(curves, 0.5 * wire.width_px + 2.0, height, width)
            alpha = draw_coverage(curves, wire.width_px, height, width)[box] * wire.opacity
            if not alpha.any():
                continue
            picture = damaged[index][box]
            colour = _blurred_part(damaged[index], box) * wire.shade * np.asarray(wire.tint, np.float32)
            colour += _glint(wire, middle, index, box, height, width)[..., None]
            picture[:] = picture * (1.0 - alpha[..., None]) + np.clip(colour, 0.0, 1.0) * alpha[..., None]
            covered = coverage[index][box]
            np.maximum(covered, alpha, out=covered)
    return np.clip(damaged, min(0.0, float(frames.min())), max(1.0, float(frames.max()))), coverage


def _blurred_part(picture: NDArray[np.float32], box: tuple[slice, slice]) -> NDArray[np.float32]:
    """A part of a frame ``h w 3``, blurred as the whole frame is."""
    reach = _BEHIND_PX // 2
    wider = [slice(max(0, part.start - reach), part.stop + reach) for part in box]
    rows, columns = (
        slice(part.start - wide.start, part.stop - wide.start) for part, wide in zip(box, wider, strict=True)
    )
    return np.asarray(cv2.blur(picture[wider[0], wider[1]], (_BEHIND_PX, _BEHIND_PX))[rows, columns], np.float32)


def _cast_shadow(picture: NDArray[np.float32], coverage: NDArray[np.float32], curve: Points, wire: Wire) -> None:
    assert wire.shadow is not None
    dx, dy, strength = wire.shadow
    height, width = coverage.shape
    moved = curve + np.array([dx, dy], np.float32)
    cast = draw_coverage(moved[None], wire.width_px * 1.5, height, width)
    box = near_curves(moved, 0.75 * wire.width_px + 2.0 + _SHADOW_REACH_PX, height, width)
    if not cast[box].any():
        return
    soft = cv2.GaussianBlur(cast, (0, 0), _SHADOW_SIGMA_PX)[box] * strength
    picture[box] *= 1.0 - soft[..., None]
    visible = np.where(soft > 0.01, np.minimum(1.0, soft * 4.0), 0.0)
    np.maximum(coverage[box], visible, out=coverage[box])


def _glint(
    wire: Wire, curve: Points, index: int, box: tuple[slice, slice], height: int, width: int
) -> NDArray[np.float32]:
    rows, columns = box
    if wire.glint <= 0.0:
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    place = (wire.glint_place + wire.glint_speed * index) % 1.0
    x, y = curve[round(place * (len(curve) - 1))]
    radius = 0.12 * float(np.hypot(width, height))
    ys, xs = np.mgrid[rows, columns].astype(np.float32)
    distance = np.square(xs - x) + np.square(ys - y)
    return np.asarray(wire.glint * np.exp(-distance / (2.0 * radius * radius)), np.float32)


def coverage_to_mask(coverage: NDArray[np.float32], margin_px: int, threshold: float = 0.01) -> NDArray[np.float32]:
    """The mask a careful artist would paint: everything touched, grown by ``margin_px``; ``t h w`` of 0 and 1."""
    touched = (coverage > threshold).astype(np.uint8)
    if margin_px > 0:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1, 2 * margin_px + 1))
        touched = np.stack([cv2.dilate(frame, kernel) for frame in touched])
    return touched.astype(np.float32)
