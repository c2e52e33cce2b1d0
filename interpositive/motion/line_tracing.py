"""Lines that were found in pieces, followed along the curves they lie on: over gaps, and to the frame's edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from interpositive.motion.line_contrast import brightness_of, contrast_speaks, sides_px
from interpositive.motion.line_curves import Curve, Line, Points, fitted, lines_of
from interpositive.motion.window_motion import Plane

_LEAST_PX = 30.0
"""A line of which less is known is not followed: of what that adds three quarters are wrong."""
_ASIDE_PX = 4
"""How far beside the curve of its pieces a line is looked for."""
_REACH_PX, _REACH = 60.0, 1.5
"""How far beyond what is known of it a curve is followed: that far, or so many times its length."""
_TURN = 2.0
"""What a step aside costs, in pixels that speak for it."""
_AT_THE_EDGE = 1.0 / 3.0
"""The share of patience that it costs to begin or end where a strip does. Most wires leave the frame; for nothing, each
that ends near its edge would."""
_ODDS_FLOOR, _ODDS_MORE, _AROUND_PX = float(np.log(0.0002)), 1.0, 21
"""Log odds speak for a line above the first, and where they are that much above their mean in a square about them."""


def trace_lines(mask: NDArray[np.bool_], likely: Plane, picture: Plane, patience_px: float) -> NDArray[np.bool_]:
    """A mask ``h w`` with its lines followed as far as the likelihood ``h w`` or the picture ``h w 3`` speaks for them.

    Slim pieces that lie on one parabola are one line, and a piece of lines that cross is several. One that is known
    over 30 px is followed along a strip about that parabola by the best path (Viterbi, 1967): a pixel counts for the
    line or against it, by one at most; to begin and to end costs ``patience_px``, and a third of it at the frame's
    edge. So a gap with nothing in it is twice that at most, and one where something can be seen has no limit. The
    picture speaks for it where it stands out from its sides as its pieces do
    (:func:`~interpositive.motion.line_contrast.contrast_speaks`). What is drawn is as broad as the pieces are; the rest
    of the mask stays.
    """
    found = [line for line in lines_of(mask) if line.curve.last - line.curve.first >= _LEAST_PX]
    if not found:
        return mask
    odds = np.asarray(logit(np.clip(likely, 1e-6, 1.0 - 1e-6)), np.float32)
    needed = np.maximum(_ODDS_FLOOR, cv2.blur(odds, (_AROUND_PX, _AROUND_PX)) + _ODDS_MORE)
    evidence = np.clip(odds - needed, -1.0, 1.0).astype(np.float32)
    ground = _Ground(evidence, mask.astype(np.float32), brightness_of(picture))
    paths = _followed(ground, found, patience_px)
    # What was followed says better where it goes on.
    again = [replace(line, curve=fitted(path) or line.curve) for path, line in zip(paths, found, strict=True)]
    paths = _followed(ground, again, patience_px)
    traced = mask.copy()
    for path, line in zip(paths, found, strict=True):
        place = np.rint(path).astype(int)
        place = place[((place >= 0) & (place < mask.shape[::-1])).all(1)]
        if len(place):
            away = np.ones(mask.shape, np.uint8)
            away[place[:, 1], place[:, 0]] = 0
            traced |= cv2.distanceTransform(away, cv2.DIST_L2, 5) < max(0.6, 0.5 * line.width_px)
    return traced


@dataclass(frozen=True)
class _Ground:
    """What lines are followed in, planes ``h w``: what speaks for one, what was found, and brightness."""

    evidence: Plane
    found: Plane
    brightness: Plane

    def along(self, line: Line, strip: NDArray[np.float32]) -> Plane:
        """What speaks for a line, -1 to 1, along its strip."""
        speaks = _sampled(self.evidence, strip, -1.0)
        known = _sampled(self.found, strip, 0.0) > 0.5
        wide = _wider(strip, sides_px(line.width_px))
        contrast = contrast_speaks(_sampled(self.brightness, wide), known, line.width_px)
        if contrast is None:
            return speaks
        # Either is enough: what the finder cannot tell from the scene is where the picture has to.
        both: Plane = np.maximum(speaks, contrast)
        return both


def _followed(ground: _Ground, lines: Sequence[Line], patience_px: float) -> list[Points]:
    """Of each line the places ``n xy`` where there is one."""
    strips = [_strip(line.curve, ground.evidence.shape) for line in lines]
    seen = np.zeros((max(1, max(map(len, strips))), len(strips), 2 * _ASIDE_PX + 1), np.float32)
    for number, (line, strip) in enumerate(zip(lines, strips, strict=True)):
        if len(strip):
            seen[: len(strip), number] = ground.along(line, strip)
    where = _best_paths(seen, patience_px)
    paths = []
    for number, strip in enumerate(strips):
        steps = np.flatnonzero(where[: len(strip), number] >= 0)
        paths.append(strip[steps, where[steps, number]].astype(np.float64))
    return paths


def _sampled(plane: Plane, strip: NDArray[np.float32], beyond: float | None = None) -> Plane:
    """A plane ``h w`` along a strip; beyond the frame a number, or what its border is."""
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    sampled = cv2.remap(
        plane, strip[..., 0], strip[..., 1], cv2.INTER_LINEAR, borderMode=border, borderValue=beyond or 0.0
    )
    return np.asarray(sampled, np.float32)


def _strip(curve: Curve, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Places ``step offset xy`` along a curve and beside it, as far as it is followed and within the frame."""
    reach = max(_REACH_PX, _REACH * (curve.last - curve.first))
    u = np.arange(curve.first - reach, curve.last + reach + 1.0)
    slope = np.polyval(np.polyder(curve.bends), u)[:, None]
    centre = curve.origin + u[:, None] * curve.along + np.polyval(curve.bends, u)[:, None] * curve.aside
    normal = (curve.aside - slope * curve.along) / np.sqrt(1.0 + slope * slope)
    inside = np.flatnonzero(((centre > -1.0) & (centre < (shape[1], shape[0]))).all(1))
    kept = slice(inside[0], inside[-1] + 1) if len(inside) else slice(0)
    offsets = np.arange(-_ASIDE_PX, _ASIDE_PX + 1.0)
    return (centre[kept, None] + offsets[:, None] * normal[kept, None]).astype(np.float32)


def _wider(strip: NDArray[np.float32], more: int) -> NDArray[np.float32]:
    """A strip ``step offset xy`` with as many offsets more on both sides."""
    offsets = np.arange(-more, strip.shape[1] + more, dtype=np.float32)[:, None]
    wider: NDArray[np.float32] = strip[:, :1] + offsets * (strip[:, 1:2] - strip[:, :1])
    return wider


def _best_paths(seen: Plane, patience_px: float) -> NDArray[np.int64]:
    """At which offset lines are, ``step line``, from what speaks for it, ``step line offset``; -1 where none is."""
    num_steps, num, wide = seen.shape
    turn = _TURN * np.abs(np.arange(wide)[:, None] - np.arange(wide))
    came, left = np.full((num_steps, num, wide), -1), np.full((num_steps, num), -1)
    at_edge = _AT_THE_EDGE * patience_px
    on, off = seen[0] - at_edge, np.zeros(num)
    for step in range(1, num_steps):
        ways = on[:, None] - turn
        score, enter = ways.max(2), (off - patience_px)[:, None]
        came[step] = np.where(score >= enter, ways.argmax(2), -1)
        gone = on.max(1) - patience_px
        left[step] = np.where(gone > off, on.argmax(1), -1)
        off, on = np.maximum(off, gone), np.maximum(score, enter) + seen[step]
    at, rows = np.where(on.max(1) - at_edge > off, on.argmax(1), -1), np.arange(num)
    path = np.empty((num_steps, num), np.int64)
    for step in range(num_steps - 1, -1, -1):
        path[step] = at
        at = np.where(at < 0, left[step], came[step, rows, np.maximum(at, 0)])
    return path
