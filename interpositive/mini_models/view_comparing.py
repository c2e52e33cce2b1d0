"""How well a view fits a frame around its hole, and what brings it to the frame's level."""

from __future__ import annotations

import cv2
import numpy as np

from interpositive.motion.flow_completion import complete_flow
from interpositive.motion.pooling import pooled_by_gaussian
from interpositive.motion.window_motion import Boolean, Plane, channel_mean

_POOL_SIGMA_OF_HEIGHT = 4.0 / 216.0
_SMALLEST_POOL_SIGMA_PX = 3.0
MAX_LEVEL_SHIFT = 0.08
ERROR_WHERE_UNKNOWN = 0.05
GRAIN_SIGMA_PX = 1.5
LEAST_DETAIL = 0.03
_MOST_LEFT = 0.6
_KNOWN_AROUND = 0.2
_CARRIED_STEP_PX = 8


def level_and_compare(
    candidate: Plane, target: Plane, known: Boolean, sigma_px: float | None = None
) -> tuple[Plane, Plane]:
    """Match a candidate's level to the frame around the hole, and say how well it fits there.

    The difference outside the hole is Gaussian-pooled (sigma 1/54 of the shorter side, at least 3 px, or as given)
    into the hole and added (at most 0.08 a channel), which takes exposure drift and slow shading out.
    Returns the levelled candidate ``h w 3`` and its pooled error ``h w``.
    """
    error, shift, confidence = _compare(candidate, target, known, sigma_px)
    error = np.where(confidence > _KNOWN_AROUND, error, ERROR_WHERE_UNKNOWN).astype(np.float32)
    levelled = candidate + np.clip(shift, -MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT) * confidence[..., None]
    return levelled.astype(np.float32), error


def level_and_compare_throughout(
    candidate: Plane, target: Plane, known: Boolean, sigma_px: float | None = None
) -> tuple[Plane, Plane]:
    """As :func:`level_and_compare`, for views that lie right in the middle of a large hole if they do around it.

    A camera's motion holds for the whole frame: level and error are carried in from the hole's edge.
    """
    error, shift, confidence = _compare(candidate, target, known, sigma_px)
    carried = _carried_in(np.dstack((error, shift)), confidence)
    levelled = candidate + np.clip(carried[..., 1:], -MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT)
    return levelled.astype(np.float32), np.ascontiguousarray(carried[..., 0])


def shows_the_same(candidate: Plane, target: Plane, known: Boolean, sigma_px: float | None = None) -> Boolean:
    """Where a candidate, at the frame's level already, shows what the frame does around the hole, ``h w``.

    What is left between the two, grain aside, is little beside the picture's own detail.
    """
    weight = known.astype(np.float32)
    sigma = pool_sigma_px(min(known.shape)) if sigma_px is None else sigma_px
    pooled = pooled_by_gaussian(np.dstack((target * weight[..., None], weight)), sigma)
    support = pooled[..., 3] + 1e-3
    left = np.asarray(cv2.GaussianBlur((target - candidate) * weight[..., None], (0, 0), GRAIN_SIGMA_PX), np.float32)
    detail = target - pooled[..., :3] / support[..., None]
    left, detail = (pooled_by_gaussian(channel_mean(np.abs(each)) * weight, sigma) / support for each in (left, detail))
    misfit = left / np.maximum(LEAST_DETAIL, _MOST_LEFT * detail)
    fits: Boolean = _carried_in(np.dstack((misfit, misfit)), np.clip(support / 0.05, 0.0, 1.0))[..., 0] < 1.0
    return fits


def _carried_in(planes: Plane, confidence: Plane) -> Plane:
    """Planes ``h w c`` (two to four) where they are known, and carried in from around there where they are not."""
    known = np.clip(confidence / _KNOWN_AROUND, 0.0, 1.0)[..., None]
    if known.min() >= 1.0:
        return planes
    height, width = confidence.shape
    size = (max(1, width // _CARRIED_STEP_PX), max(1, height // _CARRIED_STEP_PX))
    sure = np.where(confidence > _KNOWN_AROUND, confidence, 0.0).astype(np.float32)
    share = cv2.resize(sure, size, interpolation=cv2.INTER_AREA)
    weighted = np.asarray(cv2.resize(planes * sure[..., None], size, interpolation=cv2.INTER_AREA), np.float32)
    coarse = weighted / np.maximum(share, 1e-6)[..., None]
    completed = complete_flow(np.asarray(coarse, np.float32), share < 1e-3)
    carried = np.asarray(cv2.resize(completed, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(planes * known + carried * (1.0 - known), np.float32)


def _compare(candidate: Plane, target: Plane, known: Boolean, sigma_px: float | None) -> tuple[Plane, Plane, Plane]:
    """Error ``h w``, the level's shift ``h w 3``, and how well both are known, ``h w`` in [0, 1]."""
    weight = known.astype(np.float32)
    sigma = pool_sigma_px(min(known.shape)) if sigma_px is None else sigma_px
    apart = target - candidate
    # By channels: numpy is several times slower along an axis of three.
    weighted = cv2.merge([*(cv2.multiply(each, weight) for each in cv2.split(apart)), weight])
    pooled = pooled_by_gaussian(np.asarray(weighted, np.float32), sigma)
    *shifts, support = cv2.split(pooled)
    support = np.asarray(support, np.float32) + np.float32(1e-3)
    shift = np.asarray(cv2.merge([each / support for each in shifts]), np.float32)
    remaining = pooled_by_gaussian(channel_mean(np.asarray(cv2.absdiff(apart, shift))) * weight, sigma) / support
    error = remaining + 0.25 * channel_mean(np.abs(shift))
    return error, shift, np.clip(support / 0.05, 0.0, 1.0)


def pool_sigma_px(shorter_side: int) -> float:
    """How wide the surroundings of a hole are that a view is compared in."""
    return max(_SMALLEST_POOL_SIGMA_PX, _POOL_SIGMA_OF_HEIGHT * shorter_side)
