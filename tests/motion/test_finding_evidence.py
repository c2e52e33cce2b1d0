"""A wire that keeps still while its background pans differs from the neighbours; the background itself does not."""

from __future__ import annotations

import numpy as np
import torch
from productions import panning_shot

from interpositive.motion.finding_evidence import FindingEvidence, negative_evidence, num_channels

OFFSETS = (1, 2)
UNLIKE_TYPICAL = slice(6, 9)


def test_what_does_not_move_with_the_background_stands_out() -> None:
    frames = panning_shot(5, num_frames=7, speed_px=(2.0, 0.0), actor=False)
    frames[:, :, 40:42] = 0.05
    channels = FindingEvidence(frames, OFFSETS).channels(3)
    assert channels.shape == (num_channels(OFFSETS), *frames.shape[1:3]) and np.isfinite(channels).all()
    unlike = np.abs(channels[UNLIKE_TYPICAL]).mean(0)
    beside = np.delete(unlike, np.r_[:8, 34:48, 84:96], axis=1)
    assert unlike[:, 40:42].mean() > 8.0 * beside.mean()


def test_a_window_of_one_frame_has_evidence_too() -> None:
    frames = panning_shot(5, num_frames=1)
    channels = FindingEvidence(frames, OFFSETS).channels(0)
    assert not channels[UNLIKE_TYPICAL].any(), "it is its own neighbour"
    assert channels.std() > 0.05


def test_a_negative_has_the_evidence_of_its_frames_in_negative() -> None:
    frames = panning_shot(5, num_frames=5, speed_px=(0.0, 0.0), actor=False)
    frames[2, 20:22, 10:60] = 0.05
    frames[2, 40, 30] = 1.0
    positive, negative = (FindingEvidence(each, OFFSETS).channels(2) for each in (frames, 1.0 - frames))
    turned = negative_evidence(torch.from_numpy(positive), OFFSETS).numpy()
    # Flow and medians see codes of 8 bits, which round.
    assert np.abs(turned - negative).max() < 0.05 and np.abs(positive - negative).max() > 1.0
