"""What other frames of a window show beyond the border of one: the camera's motion, measured on what is known."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import CameraPath, Homography, fit_homography, homography_flow
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.motion.window_motion import Boolean, Plane

_ERODED_PX = 5
_LEAST_OVERLAP_PX = 256
_MOST_UNLIKE = 0.5


class BorderMotion:
    """The camera over a window ``t h w 3`` whose ``holes`` (``t h w``) lie along the borders.

    ``lent`` are frames of other takes.
    """

    def __init__(self, frames: Plane, holes: Boolean, lent: LentFrames | None = None) -> None:
        self.holes, self.lent = holes, lent
        self.frames = np.stack([edge_extended(frame, hole) for frame, hole in zip(frames, holes, strict=True)])
        self._luma = [luma_u8(frame) for frame in self.frames]
        height, width = holes.shape[1:]
        self._ys, self._xs = (grid.astype(np.float32) for grid in np.mgrid[0:height, 0:width])
        kernel = np.ones((2 * _ERODED_PX + 1,) * 2, np.uint8)
        inner = [cv2.erode((~hole).astype(np.uint8), kernel) > 0 for hole in holes]
        # Of a frame that has almost nothing, all there is.
        self._trusted = [eroded if eroded.any() else ~hole for eroded, hole in zip(inner, holes, strict=True)]
        steps = [
            fit_homography(dis_flow(self._luma[t], self._luma[t + 1]), self._trusted[t]) for t in range(len(frames) - 1)
        ]
        self._camera = CameraPath(steps)

    def brought(self, target: int, source: int) -> tuple[Plane, Boolean]:
        """Frame ``source`` as the camera of ``target`` would see it, ``h w 3``, and where it is known, ``h w``."""
        # A chain of steps drifts; what is left is measured once more, over the whole way.
        return self.brought_whole(target, source, self.frames[source], self.holes[source])

    def brought_whole(self, target: int, source: int, shown: Plane, hole: Boolean) -> tuple[Plane, Boolean]:
        """Frame ``source`` as ``shown``, with more of it than the window has; see :meth:`brought`."""
        return self._brought(target, shown, hole, self._camera.between(target, source))

    def lent_to(self, target: int) -> dict[int, tuple[Plane, Boolean]]:
        """Frames of other takes as the camera of ``target`` would see them, by number; see :meth:`brought`.

        Those are left out that differ from what ``target`` shows by more than half of its own variance.
        """
        found: dict[int, tuple[Plane, Boolean]] = {}
        if self.lent is None:
            return found
        for number in self.lent.lent_to(target):
            shown = self.lent.frames[number]
            picture, known = self._brought(
                target, shown, np.zeros(shown.shape[:2], bool), self.lent.homography(target, number)
            )
            overlap = known & self._trusted[target]
            if overlap.sum() > _LEAST_OVERLAP_PX:
                own = self.frames[target][overlap]
                if (picture[overlap] - own).var(0).sum() < _MOST_UNLIKE * own.var(0).sum():
                    found[number] = picture, known
        return found

    def _brought(self, target: int, shown: Plane, hole: Boolean, matrix: Homography) -> tuple[Plane, Boolean]:
        picture, known = self._read(shown, hole, matrix)
        luma = np.where(known, luma_u8(picture), self._luma[target]).astype(np.uint8)
        overlap = known & self._trusted[target]
        if overlap.sum() > _LEAST_OVERLAP_PX:
            rest = fit_homography(dis_flow(self._luma[target], luma), overlap)
            picture, known = self._read(shown, hole, matrix @ rest)
        return picture, known

    def _read(self, shown: Plane, hole: Boolean, matrix: Homography) -> tuple[Plane, Boolean]:
        height, width = self._xs.shape
        flow = homography_flow(matrix, height, width)
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        picture = cv2.remap(shown, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        unknown = cv2.remap(
            hole.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1
        )
        return np.asarray(picture, np.float32), np.asarray(unknown <= 0.02)


def smoothly_filled(picture: Plane, known: Boolean) -> Plane:
    """A picture ``h w 3`` whose unknown pixels are interpolated from all that is known, coarser the further off.

    Averages over ever larger cells, and back (the pull and push of Gortler et al., SIGGRAPH 1996).
    """
    weight = known.astype(np.float32)
    if known.all() or not known.any() or min(known.shape) < 2:
        return picture
    height, width = known.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture * weight[..., None], half, interpolation=cv2.INTER_AREA)
    small = small / np.maximum(small_weight, 1e-6)[..., None]
    coarse = smoothly_filled(np.asarray(small, np.float32), np.asarray(small_weight > 0))
    raised = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    filled: Plane = np.where(known[..., None], picture, raised)
    return filled


def edge_extended(picture: Plane, hole: Boolean) -> Plane:
    """A picture ``h w 3`` whose hole takes the nearest known pixel; grey if there is none."""
    if not hole.any():
        return picture
    if hole.all():
        return np.full_like(picture, 0.5)
    _, labels = cv2.distanceTransformWithLabels(hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours: NDArray[np.float32] = np.zeros((int(labels.max()) + 1, picture.shape[2]), np.float32)
    known = ~hole
    colours[labels[known]] = picture[known]
    extended: Plane = np.where(hole[..., None], colours[labels], picture)
    return extended
