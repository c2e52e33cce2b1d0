"""A wire that keeps still while its background pans differs from the neighbours; the background itself does not."""

from __future__ import annotations

import numpy as np
from productions import panning_shot

from interpositive.motion.finding_evidence import FindingEvidence, num_channels

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
