"""In which encoding frames are measured: fidelity in codes, all that an eye judges as a screen shows it."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.media.colour_management import GRADING_SPACE, convert, display_view
from interpositive.media.encodings import REVIEW_DISPLAY, find_encoding


def measured_encoding(encoding: str) -> str:
    """The encoding that fidelity is measured in: the frames' own; ACEScct for linear light, which has no peak."""
    return GRADING_SPACE if encoding and find_encoding(encoding).kind == "linear" else encoding


def as_measured(frames: Tensor, encoding: str) -> Tensor:
    """Frames ``t c h w`` of an encoding (empty: not known) as codes in [0, 1] that fidelity is measured on.

    What is beyond is cut off.
    """
    measured = measured_encoding(encoding)
    if measured != encoding and frames.shape[1] == 3:
        frames = _tensor(convert(_pictures(frames), encoding, measured)).to(frames.device)
    return frames.clamp(0.0, 1.0)


def as_shown(frames: Tensor, encoding: str) -> Tensor:
    """Frames ``t c h w`` as the review display shows them, codes in [0, 1]; as they are where nothing is known."""
    if encoding in ("", REVIEW_DISPLAY) or frames.shape[1] != 3:
        return frames.clamp(0.0, 1.0)
    return _tensor(display_view(_pictures(frames), encoding)).to(frames.device)


def _pictures(frames: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return rearrange(frames.detach().float().cpu(), "t c h w -> t h w c").contiguous().numpy()


def _tensor(pictures: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Tensor:
    return rearrange(torch.from_numpy(pictures), "t h w c -> t c h w").contiguous()
