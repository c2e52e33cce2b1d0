"""Shots with a known truth and a small mini-model, for the tests of this room."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.functional.examples import Example
from interpositive.mini_models.candidate_fusion import CandidateFusion

SMALL: dict[str, Any] = {
    "flow_offsets": (1, 2),
    "camera_offsets": (2, 4),
    "scorer_width": 4,
    "residual_widths": (4, 4, 4),
    "crop_px": 32,
    "crops_per_frame": 2,
    "frames_per_window": 2,
    "candidates_per_step": 5,
}
NUM_FRAMES, LEFT, RIGHT = 8, 46, 50


def small_model(seed: int = 0, **changes: Any) -> CandidateFusion:
    torch.manual_seed(seed)
    return CandidateFusion(**{**SMALL, **changes})


def waken(model: CandidateFusion, seed: int = 1) -> CandidateFusion:
    """Random last layers, so that the model no longer does what its prior does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (model.scorer.last, model.residual.last, model.keeper.judge.last):
            layer.weight.copy_(0.2 * torch.randn(layer.weight.shape, generator=generator))
        assert model.keeper.judge.last.bias is not None
        model.keeper.judge.last.bias[0] = 0.45  # sure enough that it is clean, so that some of the plate is kept
    return model


def wired_shot(
    seed: int = 2, num_frames: int = NUM_FRAMES, actor: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A panning wall ``t h w 3``, and the mask ``t h w`` of an upright wire that hangs on the frame."""
    truth = panning_shot(seed, num_frames=num_frames, speed_px=(2.0, 0.0), actor=actor)
    masks = np.zeros(truth.shape[:3], np.float32)
    masks[:, :, LEFT:RIGHT] = 1.0
    return truth, masks


def tensor(frames: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))


def wired_example(seed: int = 2, num_frames: int = NUM_FRAMES, hidden: float = 0.05) -> Example:
    """An example whose input shows ``hidden`` under the mask."""
    truth, masks = wired_shot(seed, num_frames)
    mask = torch.from_numpy(masks)[:, None]
    clean = tensor(truth)
    return Example(torch.where(mask > 0, hidden, clean), mask, clean, {"judged": mask.clone()})
