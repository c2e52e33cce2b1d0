"""Stretches of film laid on the plate: the same place of the scene at the same pixel of every frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import Homography
from interpositive.motion.line_pull import pull_along_lines
from interpositive.motion.spatial_fill import thin_plate_values
from interpositive.motion.window_motion import SLACK_TENSION, STIFF_TENSION, Boolean, Plane, WindowMotion

_LARGEST_CHANGE = 1.3
_SHOTS_KEPT = 4


@dataclass(frozen=True)
class PlateBox:
    """A part of the plate, in its pixels."""

    rows: range
    columns: range

    def read(self, picture: NDArray[np.float32], to_plate: Homography, interpolation: int) -> NDArray[np.float32]:
        """A frame ``h w (c)`` as this part shows it; beyond the frame its border repeats."""
        return read_through(
            picture, np.asarray(np.linalg.inv(to_plate), np.float64), self.rows, self.columns, interpolation
        )

    @classmethod
    def around(cls, areas: Sequence[Boolean], to_plate: Sequence[Homography], margin_px: int) -> PlateBox:
        """The smallest part that shows the areas ``h w`` of all frames, with a margin."""
        corners = []
        for area, homography in zip(areas, to_plate, strict=True):
            if area.any():
                ys, xs = np.nonzero(area)
                box = [(x, y) for x in (xs.min(), xs.max()) for y in (ys.min(), ys.max())]
                corners.append(cv2.perspectiveTransform(np.asarray([box], np.float64), homography)[0])
        low, high = (bound(np.concatenate(corners), axis=0) for bound in (np.min, np.max))
        (left, top), (right, bottom) = np.floor(low) - margin_px, np.ceil(high) + margin_px + 1
        return cls(range(int(top), int(bottom)), range(int(left), int(right)))


def read_through(
    picture: NDArray[np.float32], homography: Homography, rows: range, columns: range, interpolation: int
) -> NDArray[np.float32]:
    """Pixels at ``rows`` and ``columns``, each read from ``picture`` where the homography says."""
    ys, xs = np.meshgrid(np.asarray(rows, np.float64), np.asarray(columns, np.float64), indexing="ij")
    x, y, w = (homography[i, 0] * xs + homography[i, 1] * ys + homography[i, 2] for i in range(3))
    w = np.where(np.abs(w) < 1e-9, 1e-9, w)
    # Rounded, so that a camera that stands still reads whole pixels and leaves the picture as it is.
    at_x, at_y = (np.round(v / w, 3).clip(-1e4, 1e5).astype(np.float32) for v in (x, y))
    return np.asarray(cv2.remap(picture, at_x, at_y, interpolation, borderMode=cv2.BORDER_REPLICATE), np.float32)


class Placed(NamedTuple):
    """Where a frame lies: on which of its shot's plates, counted from 0, and the way from its pixels to that one's."""

    plate: int
    homography: Homography


def on_one_plate(placed: Sequence[Placed]) -> list[slice]:
    """The stretches of consecutive frames that lie on one plate."""
    begins = [t for t in range(len(placed)) if t == 0 or placed[t].plate != placed[t - 1].plate]
    return [slice(begin, end) for begin, end in zip(begins, [*begins[1:], len(placed)], strict=True)]


class CameraTracks:
    """From frames to the plates of their shots, remembered from window to window.

    A shot's plate is its first frame's raster, carried on through the camera's steps. Where the camera has come so
    near or gone so far that the plate's pixels are another size than the frame's, a new plate is begun.
    """

    def __init__(self) -> None:
        self._shots: OrderedDict[int, dict[int, Placed]] = OrderedDict()

    def follow(self, shot: int, first: int, motion: WindowMotion) -> list[Placed]:
        """Where each frame of a window lies, which begins at the shot's frame ``first``."""
        if first == 0:
            self._shots.pop(shot, None)
        track = self._shots.setdefault(shot, {})
        self._shots.move_to_end(shot)
        while len(self._shots) > _SHOTS_KEPT:
            self._shots.popitem(last=False)
        if first not in track:
            track.clear()
            track[first] = Placed(0, np.eye(3))
        for place in range(motion.num_frames - 1):
            number = first + place
            if number + 1 not in track:
                step = motion.step(place)
                track[number + 1] = _carried(track[number], step, motion.width, motion.height)
        return [track[first + place] for place in range(motion.num_frames)]


def _carried(placed: Placed, step: Homography, width: int, height: int) -> Placed:
    """Where the next frame lies, given the camera's step to it."""
    carried = placed.homography @ np.linalg.inv(step)
    carried = carried / carried[2, 2]
    corners = np.asarray([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    x, y = cv2.perspectiveTransform(corners, carried)[0].T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / (width * height)
    sides = np.hypot(x - np.roll(x, 1), y - np.roll(y, 1)) / np.asarray([height, width, height, width])
    if max(area, *sides) <= _LARGEST_CHANGE and min(area, *sides) >= 1.0 / _LARGEST_CHANGE:
        return Placed(placed.plate, np.asarray(carried, np.float64))
    # Somewhere else on the endless field, so that a new plate is not the old one's noise again.
    fresh = np.eye(3)
    fresh[:2, 2] = np.rint(carried[:2, 2]) + np.asarray((8.0 * width, 0.0))
    return Placed(placed.plate + 1, fresh)


def bridge(picture: Plane, hole: Boolean) -> Plane:
    """A picture ``h w 3`` with its hole bridged midway between a stiff and a slack surface."""
    if not hole.any():
        return picture
    ys, xs = np.nonzero(hole)
    near = (
        slice(max(0, int(ys.min()) - 8), int(ys.max()) + 9),
        slice(max(0, int(xs.min()) - 8), int(xs.max()) + 9),
    )
    filled = picture.copy()
    tensions = pull_along_lines(picture, hole, STIFF_TENSION)[near], SLACK_TENSION
    filled[hole] = 0.5 * sum(thin_plate_values(np.ascontiguousarray(picture[near]), hole[near], tensions))
    return filled
