"""Everything that moves in one window of a damaged shot: prefilled frames, flows, camera.

Flow is computed on frames whose hole was bridged first, completed inside the
hole from around it, and kept in a small cache so that a window of any raster
needs bounded memory.
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import MaskError
from interpositive.motion.camera_motion import CameraPath, Homography, fit_homography, homography_flow
from interpositive.motion.flow_completion import complete_flow
from interpositive.motion.optical_flow import Preset, dis_flow, luma_u8
from interpositive.motion.spatial_fill import thin_plate_fill

Plane = NDArray[np.float32]
Boolean = NDArray[np.bool_]


STIFF_TENSION = 0.02
SLACK_TENSION = 2.0


def channel_mean(picture: Plane) -> Plane:
    """Mean over the channels of ``h w c``; far faster than a numpy reduction over a short last axis."""
    channels = picture.shape[-1]
    return np.asarray(cv2.transform(picture, np.full((1, channels), 1.0 / channels, np.float32)), np.float32)


def value_range(frames: Plane) -> tuple[float, float]:
    """Lowest and highest value that a fill of these frames may have: [0, 1], and as far beyond as they go."""
    return min(0.0, float(frames.min())), max(1.0, float(frames.max()))


class WindowMotion:
    """Flows and camera motion of a window, computed when first asked for.

    ``frames`` is ``t h w 3`` float RGB; flow is found in [0, 1], light beyond is
    carried along. ``masks`` is ``t h w``, above zero where the picture must not be trusted.
    """

    def __init__(self, frames: Plane, masks: Plane, *, preset: Preset = "medium", cached_flows: int = 64) -> None:
        if frames.shape[:3] != masks.shape:
            raise MaskError("masks do not fit their frames", found=masks.shape, expected=frames.shape[:3])
        self.frames = frames
        self.holes: Boolean = masks > 0
        self.num_frames, self.height, self.width = masks.shape
        self._preset: Preset = preset
        self._cached_flows = cached_flows
        self._flows: OrderedDict[tuple[int, int], Plane] = OrderedDict()
        self._consistent: OrderedDict[tuple[int, int], Boolean] = OrderedDict()
        self._bridged: dict[int, tuple[Plane, Plane]] = {}
        self._luma: dict[int, NDArray[np.uint8]] = {}
        self._camera: CameraPath | None = None
        ys, xs = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        self._xs, self._ys = xs, ys
        self.value_range = value_range(frames)
        kernel = np.ones((3, 3), np.uint8)
        self.distrusted: Boolean = np.stack([cv2.dilate(h.astype(np.uint8), kernel) > 0 for h in self.holes])

    def prefilled(self, frame: int) -> Plane:
        """The frame with its hole bridged midway between a stiff and a slack surface, ``h w 3``."""
        stiff, slack = self.bridged(frame)
        return 0.5 * (stiff + slack) if self.holes[frame].any() else stiff

    def bridged(self, frame: int) -> tuple[Plane, Plane]:
        """The hole bridged by a stiff surface, good on smooth picture, and by a slack one, good on texture."""
        if frame not in self._bridged:
            picture, hole = self.frames[frame], self.holes[frame]
            self._bridged[frame] = (
                thin_plate_fill(picture, hole, STIFF_TENSION),
                thin_plate_fill(picture, hole, SLACK_TENSION),
            )
        return self._bridged[frame]

    def flow(self, target: int, source: int) -> Plane:
        """Flow on the grid of ``target`` pointing into ``source``, completed inside the target's hole."""
        key = (target, source)
        if key not in self._flows:
            flow = dis_flow(self._luma_of(target), self._luma_of(source), self._preset)
            self._flows[key] = complete_flow(flow, self.distrusted[target])
            if len(self._flows) > self._cached_flows:
                self._flows.popitem(last=False)
        self._flows.move_to_end(key)
        return self._flows[key]

    def read(self, picture: Plane, flow: Plane, *, cubic: bool = False) -> Plane:
        """Read a picture or plane of this raster through a flow field; borders repeat."""
        mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        return np.asarray(cv2.remap(picture, x, y, mode, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def inside(self, flow: Plane) -> Boolean:
        """Where a read through the flow stays inside the frame."""
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        inside: Boolean = (x >= 0) & (x <= self.width - 1) & (y >= 0) & (y <= self.height - 1)
        return inside

    def consistent(self, target: int, source: int) -> Boolean:
        """Inside the frame and passing the forward-backward test (Sundaram et al., ECCV 2010, eq. 5)."""
        key = (target, source)
        if key not in self._consistent:
            there = self.flow(target, source)
            back = self.read(self.flow(source, target), there)
            gap = channel_mean(np.square(there + back))
            size = channel_mean(np.square(there)) + channel_mean(np.square(back))
            self._consistent[key] = self.inside(there) & (gap <= 0.01 * size + 0.25)
            if len(self._consistent) > self._cached_flows:
                self._consistent.popitem(last=False)
        return self._consistent[key]

    def clear(self, source: int, flow: Plane) -> Boolean:
        """Where a read of ``source`` through the flow touches no hole."""
        touched = self.read(self.holes[source].astype(np.float32), flow)
        clear: Boolean = touched <= 0.05
        return clear

    def camera(self, target: int, source: int) -> Homography:
        """The camera alone: from pixels of ``target`` to those of ``source``, by chained homographies."""
        if self._camera is None:
            steps = [fit_homography(self.flow(t, t + 1), ~self.distrusted[t]) for t in range(self.num_frames - 1)]
            self._camera = CameraPath(steps)
        return self._camera.between(target, source)

    def camera_flow(self, target: int, source: int) -> Plane:
        """Flow of the camera alone from ``target`` to ``source``."""
        return homography_flow(self.camera(target, source), self.height, self.width)

    def refined_camera_flow(self, target: int, source: int) -> Plane:
        """Camera flow plus what it leaves: parallax, lens, moving things; completed inside the target's hole.

        The source, brought over by the camera's motion, is aligned once more by dense flow.
        """
        camera = self.camera_flow(target, source)
        brought = self.read(self.prefilled(source), camera)
        luma = luma_u8(brought)
        inside = self.inside(camera)
        luma[~inside] = self._luma_of(target)[~inside]
        rest = dis_flow(self._luma_of(target), luma, self._preset)
        rest = complete_flow(rest, self.distrusted[target])
        return rest + self.read(camera, rest)

    def _luma_of(self, frame: int) -> NDArray[np.uint8]:
        if frame not in self._luma:
            self._luma[frame] = luma_u8(self.prefilled(frame))
        return self._luma[frame]
