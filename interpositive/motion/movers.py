"""What moves further than its own size between two frames: a ball that is thrown, found by how it looks.

Dense flow goes from coarse to fine, and what is smaller than it moves is gone where flow looks first. Here a region
that moves as one against the camera, which the frame further out shows, is looked for on the other side, among what
flow leaves unexplained there. It is believed if what is found returns to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import fit_homography, homography_flow
from interpositive.motion.window_motion import Boolean, Plane

# Of the frame's height: how far it goes over the gap at least, how wide it is, and how far it is looked for.
_LEAST_TRAVEL, _LEAST_SIDE, _REACH = 1 / 40, 1 / 27, 0.5
_LARGEST_AREA = 0.1
# A region's speeds are within this share of its fastest, and as many pixels over the gap.
_ALIKE, _ALIKE_PX = 0.35, 2.0
_MOST_REGIONS, _MOST_FILLS = 24, 100
# Flow does not explain what it misses by more than its usual miss this many times, and in code values.
_NOISES, _LEAST_MISS = 4.0, 0.04
_LEAST_UNEXPLAINED = 0.3
# What is found fits with this share of flow's miss at most, and lies this far within what is unexplained there.
_BETTER, _LEAST_MET = 0.6, 0.6
# Steps are the same within this share of the height, and shapes if they share as much of the larger.
_AS_FAR, _LEAST_SHARED = 1 / 48, 0.4
_BENDS_ALIKE = 0.5
# Of the root of a shape's area: gaps that are closed, specks that go.
_BRIDGED, _SPECK = 0.3, 0.1


@dataclass(frozen=True)
class Side:
    """A frame ``h w 3`` beside a gap.

    ``leaving``, ``h w 2``, is where the frame further out has its pixels, over as long a time as the gap's.
    ``missed`` is what the other side, read through flow, leaves of it: ``h w 3``, differences of code values.
    """

    picture: Plane
    leaving: Plane
    missed: Plane


@dataclass(frozen=True)
class Mover:
    """What lies in ``before`` on one side of a gap and in ``after`` on the other, both ``h w``.

    ``shape``, ``h w``, is what both sides show of it, where the first does. Of a gap from 0 to 1 it has come ``moved``
    at its end, (x, y) in pixels, and lags behind a steady motion by ``bend`` times ``share - share**2``.
    """

    before: Boolean
    after: Boolean
    shape: Boolean
    moved: NDArray[np.float32]
    bend: NDArray[np.float32]

    def come(self, share: float) -> NDArray[np.float32]:
        """How far it has come, (x, y)."""
        return np.asarray(share * self.moved - (share - share * share) * self.bend, np.float32)

    def at(self, share: float) -> Boolean:
        """Where its shape is by then, ``h w``."""
        place: Boolean = _shifted(self.shape, self.come(share)) > 0.5
        return place


@dataclass(frozen=True)
class _Found:
    region: Boolean
    core: Boolean
    moved: tuple[int, int]
    speed: NDArray[np.float32]


def find_movers(before: Side, after: Side) -> list[Mover]:
    """What moves between two frames further than dense flow finds, and is found from either."""
    unexplained = _unexplained(before.missed), _unexplained(after.missed)
    going = _seek(before, after, *unexplained)
    coming = _seek(after, before, *unexplained[::-1])
    pairs = [(one, other) for one in going for other in coming if _return(one, other)]
    # What turns as it goes is found in parts; the largest leads.
    together: list[list[tuple[_Found, _Found]]] = []
    for pair in sorted(pairs, key=lambda pair: -int(pair[0].core.sum())):
        for group in together:
            if _is_as_far(group[0][0].moved, pair[0].moved, len(pair[0].core)):
                group.append(pair)
                break
        else:
            together.append([pair])
    return [_mover(_joined([one for one, _ in group]), _joined([other for _, other in group])) for group in together]


def _joined(parts: list[_Found]) -> _Found:
    region, core = (np.logical_or.reduce(masks) for masks in zip(*((p.region, p.core) for p in parts), strict=True))
    return replace(parts[0], region=region, core=core)


def _is_as_far(one: tuple[int, int], other: tuple[int, int], height: int) -> bool:
    return bool(np.abs(np.subtract(one, other)).max() <= _AS_FAR * height)


def _mover(one: _Found, other: _Found) -> Mover:
    moved = np.asarray(np.subtract(one.moved, other.moved) / 2, np.float32)
    both = ((_shifted(other.core, -moved) > 0.5) & one.core).astype(np.uint8)
    # What one side hides, or shows otherwise, is bridged.
    for operation, part in ((cv2.MORPH_CLOSE, _BRIDGED), (cv2.MORPH_OPEN, _SPECK)):
        size = 2 * round(part * float(np.sqrt(both.sum()))) + 1
        both = np.asarray(cv2.morphologyEx(both, operation, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size,) * 2)))
    shape = both > 0
    # x(0) = 0, x(1) = moved: the speed that it leaves with gives the bend, and so does the one that it arrives with.
    bends = moved - one.speed, -other.speed - moved
    sizes = [float(np.linalg.norm(bend)) for bend in bends]
    is_steady = float(np.linalg.norm(bends[0] - bends[1])) > _BENDS_ALIKE * sum(sizes)
    bend = np.zeros(2, np.float32) if is_steady else np.asarray((bends[0] + bends[1]) / 2, np.float32)
    return Mover(one.region, other.region, shape, moved, bend)


def _shifted(region: Boolean, by: NDArray[np.float32]) -> Plane:
    across = np.array([[1.0, 0.0, by[0]], [0.0, 1.0, by[1]]])
    return np.asarray(cv2.warpAffine(region.astype(np.float32), across, region.shape[::-1]), np.float32)


def _unexplained(missed: Plane) -> Boolean:
    smooth = cv2.GaussianBlur(missed, (0, 0), 1.0)
    miss = np.sqrt(np.square(smooth).mean(-1))
    much: Boolean = miss > max(_LEAST_MISS, _NOISES * float(np.median(miss)))
    return much


def _seek(here: Side, there: Side, is_lost: Boolean, is_new: Boolean) -> list[_Found]:
    """Regions that move as one, each where the other side shows it best: only what fits far better than flow does."""
    found = []
    for region in _moving_regions(here.leaving):
        # What is behind a region's border is explained as it is.
        core = region & is_lost
        area = int(core.sum())
        if area < max(0.6 * (_LEAST_SIDE * len(region)) ** 2, _LEAST_UNEXPLAINED * region.sum()):
            continue
        miss = float(np.sqrt(np.square(here.missed[core]).mean()))
        moved, left = _best_fit(here.picture, there.picture, core, is_new)
        if left < _BETTER * miss:
            found.append(_Found(region, core, moved, np.asarray(-np.median(here.leaving[core], axis=0), np.float32)))
    return found


def _moving_regions(leaving: Plane) -> list[Boolean]:
    """Regions that move alike against the camera, the fastest first."""
    height, width = leaving.shape[:2]
    camera = homography_flow(fit_homography(leaving, np.ones((height, width), bool)), height, width)
    motion = np.dstack((leaving - camera, np.zeros((height, width, 1), np.float32)))
    speed = np.linalg.norm(motion, axis=-1)
    is_fast = (speed > _LEAST_TRAVEL * height).astype(np.uint8)
    left = cv2.morphologyEx(is_fast, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    regions: list[Boolean] = []
    smallest, largest = (_LEAST_SIDE * height) ** 2, _LARGEST_AREA * height * width
    for _ in range(_MOST_FILLS):
        if len(regions) == _MOST_REGIONS or not left.any():
            break
        y, x = np.unravel_index(int(np.where(left, speed, -1.0).argmax()), left.shape)
        walls = np.ones((height + 2, width + 2), np.uint8)
        walls[1:-1, 1:-1] = ~left
        apart = (float(_ALIKE * speed[y, x] + _ALIKE_PX),) * 3
        filled = 4 | (2 << 8) | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY
        cv2.floodFill(motion, walls, (int(x), int(y)), 0, apart, apart, filled)
        region: Boolean = walls[1:-1, 1:-1] == 2
        left &= ~region
        if smallest <= region.sum() < largest:
            regions.append(region)
    return regions


def _best_fit(picture: Plane, other: Plane, core: Boolean, allowed: Boolean) -> tuple[tuple[int, int], float]:
    """Where ``core`` of a picture fits the other best, mostly within ``allowed``; and the RMS of what is left."""
    reach, area = int(_REACH * len(core)), float(core.sum())
    ys, xs = np.nonzero(core)
    rows, columns = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    window = slice(rows.start, rows.stop + 2 * reach), slice(columns.start, columns.stop + 2 * reach)
    borders = (reach,) * 4
    around = cv2.copyMakeBorder(other, *borders, cv2.BORDER_CONSTANT, value=(-1.0,) * 3)[window]
    within = cv2.copyMakeBorder(allowed.astype(np.float32), *borders, cv2.BORDER_CONSTANT, value=0.0)[window]
    shape = np.ascontiguousarray(core[rows, columns], np.float32)
    weights = np.repeat(shape[..., None], 3, 2)
    squares = cv2.matchTemplate(
        np.ascontiguousarray(around), np.ascontiguousarray(picture[rows, columns]), cv2.TM_SQDIFF, mask=weights
    )
    met = cv2.matchTemplate(np.ascontiguousarray(within), shape, cv2.TM_CCORR)
    left = np.where(met > _LEAST_MET * area, np.sqrt(np.maximum(squares, 0.0) / (3 * area)), np.inf)
    row, column = np.unravel_index(int(left.argmin()), left.shape)
    return (int(column) - reach, int(row) - reach), float(left[row, column])


def _return(one: _Found, other: _Found) -> bool:
    """Whether what was found is what finds its way back, and much the same of it."""
    if not _is_as_far(one.moved, (-other.moved[0], -other.moved[1]), len(one.core)):
        return False
    met = (_shifted(one.core, np.asarray(one.moved, np.float32)) > 0.5) & other.core
    return bool(met.sum() > _LEAST_SHARED * max(one.core.sum(), other.core.sum()))
