"""Film to learn from: stretches laid on the plate, with holes that none of their frames shows."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.plate_film import bridge, read_through
from interpositive.motion.camera_motion import CameraPath
from interpositive.motion.window_motion import Boolean, WindowMotion

_NUM_PLACES_TRIED = 8


def film_tensors(
    example: Example, motion: WindowMotion, size_px: int, num_frames: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """A stretch of a window with a target: ``film`` and ``film_target`` ``t 3 h w``, ``film_hole``, ``film_weight``.

    The true picture is seen outside the hole. What is itself damaged in the footage is part of the hole, and has no
    weight. Frames are laid on the middle one's raster; beyond a frame its border repeats, and has no weight either.
    """
    assert example.target is not None
    if min(motion.height, motion.width) < size_px or motion.num_frames < num_frames:
        raise ConfigError(
            "windows are smaller than the film to learn from",
            found=f"{motion.num_frames} frames of {motion.width}x{motion.height} px",
            expected=f"at least {num_frames} frames of {size_px}x{size_px} px",
            remedy="lower mini_model.film_px or film_frames, or raise the training height or dailies.window_frames",
        )
    random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    first = int(random.integers(0, motion.num_frames - num_frames + 1))
    frames = range(first, first + num_frames)
    middle = num_frames // 2
    steps = [motion.step(t) for t in frames[:-1]]
    path = CameraPath(steps)
    judged = example.condition.get("judged", example.mask)
    real = ((example.mask > 0) & (judged <= 0))[first : first + num_frames, 0].numpy()
    truth = rearrange(example.target[first : first + num_frames], "t c h w -> t h w c").numpy().astype(np.float32)
    top, left = _place(truth[middle], real[middle], size_px, random)
    rows, columns = range(top, top + size_px), range(left, left + size_px)
    own = _holes(size_px, num_frames, random)
    pictures, films, holes, weights = [], [], [], []
    for place in range(num_frames):
        homography = path.between(middle, place)
        picture = read_through(truth[place], homography, rows, columns, cv2.INTER_LANCZOS4)
        damaged = read_through(real[place].astype(np.float32), homography, rows, columns, cv2.INTER_LINEAR) > 0.01
        inside = _inside(homography, rows, columns, *real.shape[1:])
        hole = own[place] | damaged
        pictures.append(picture)
        films.append(bridge(picture, hole))
        holes.append(hole)
        weights.append(own[place] & ~damaged & inside)
    return {
        "film": _stacked(films).half(),
        "film_target": _stacked(pictures).half(),
        "film_hole": torch.from_numpy(np.stack(holes)[:, None]),
        "film_weight": torch.from_numpy(np.stack(weights)[:, None]),
    }


def _inside(homography: NDArray[np.float64], rows: range, columns: range, height: int, width: int) -> Boolean:
    ys, xs = np.meshgrid(np.asarray(rows, np.float64), np.asarray(columns, np.float64), indexing="ij")
    x, y, w = (homography[i, 0] * xs + homography[i, 1] * ys + homography[i, 2] for i in range(3))
    x, y = x / w, y / w
    inside: Boolean = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside


def _place(picture: NDArray[np.float32], real: Boolean, size_px: int, random: np.random.Generator) -> tuple[int, int]:
    """Where to learn: of a few places, one with little damage; more often one with more detail."""
    height, width = real.shape
    places = [
        (int(random.integers(0, height - size_px + 1)), int(random.integers(0, width - size_px + 1)))
        for _ in range(_NUM_PLACES_TRIED)
    ]
    detail = np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 3.0)).mean(-1)
    shares = np.asarray(
        [
            detail[top : top + size_px, left : left + size_px].mean()
            * max(0.0, 1.0 - 4.0 * real[top : top + size_px, left : left + size_px].mean())
            for top, left in places
        ]
    )
    shares = shares + 1e-6
    return places[int(random.choice(len(places), p=shares / shares.sum()))]


def _holes(size_px: int, num_frames: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """A few blobs and bars that stay where they are on the plate, ``t h w``; some breathe a little."""
    ys, xs = np.mgrid[0:size_px, 0:size_px].astype(np.float32)
    holes = np.zeros((num_frames, size_px, size_px), bool)
    ragged = np.asarray(cv2.GaussianBlur(random.standard_normal((size_px, size_px)), (0, 0), 4.0), np.float64)
    ragged = ragged * 0.25 / max(float(ragged.std()), 1e-6)
    for _ in range(int(random.integers(1, 3))):
        y, x = random.uniform(0.2, 0.8, 2) * size_px
        turn = random.uniform(0, np.pi)
        along, across = (
            (xs - x) * np.cos(turn) + (ys - y) * np.sin(turn),
            (ys - y) * np.cos(turn) - (xs - x) * np.sin(turn),
        )
        short = random.uniform(3.0, 0.28 * size_px)
        long = short * random.choice((1.0, 1.5, 6.0))
        breath = random.choice((0.0, 0.1))
        for place in range(num_frames):
            size = 1.0 + breath * random.standard_normal()
            holes[place] |= np.hypot(along / long, across / short) + ragged < size
    if not holes.any():
        holes[:, size_px // 3 : size_px // 2, size_px // 3 : size_px // 2] = True
    return holes


def _stacked(frames: list[NDArray[np.float32]]) -> Tensor:
    return rearrange(torch.from_numpy(np.stack(frames)), "t h w c -> t c h w").contiguous()
