"""Shots to judge: a truth, a plate, and results that miss by a known number of codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from stand_ins import HEIGHT, WIDTH, bar_mask, write_mask, write_png8

from interpositive.delivery.result_measuring import ResultSettings
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.untouched import UntouchedChanged

NUM_FRAMES = 6
SETTINGS = ResultSettings(metrics=(Psnr, LumaFlicker, UntouchedChanged), review_movies=False, progress=False)


def picture(seed: int, num_frames: int = NUM_FRAMES) -> NDArray[np.uint8]:
    """Smooth noise, so that codecs have something to hold on to."""
    random = np.random.default_rng(seed)
    noise = random.uniform(40, 200, (num_frames, HEIGHT, WIDTH, 3)).astype(np.float32)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in noise]).astype(np.uint8)


def lifted(codes: NDArray[np.uint8], by: int, frame: int | None = None) -> NDArray[np.uint8]:
    """A result that misses by some codes, on all frames or on one."""
    result = codes.copy()
    result[slice(None) if frame is None else slice(frame, frame + 1)] += np.uint8(by)
    return result


def make_production(root: Path, errors: Sequence[int] = (2, 4, 8)) -> dict[str, Path]:
    """Folders result, against, reference, plate and mask of as many shots as there are errors."""
    mask = bar_mask(NUM_FRAMES)
    for number, error in enumerate(errors):
        clean = picture(number)
        inside = mask[..., None] > 0
        for role, codes in {
            "reference": clean,
            "plate": np.where(inside, 0, clean),
            "result": np.where(inside, lifted(clean, error), clean),
            "against": np.where(inside, lifted(clean, error + 3), clean),
        }.items():
            write_png8(root / role / f"sh{number:02d}0", codes, first_frame=1001)
        write_mask(root / "mask" / f"sh{number:02d}0", mask)
    return {role: root / role for role in ("result", "against", "reference", "plate", "mask")}


def only(shots: dict[str, Path], *roles: str) -> dict[str, Path]:
    return {role: shots[role] for role in roles}
