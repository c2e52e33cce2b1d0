"""Ways of taking flicker out that learn nothing: the baselines that a learned one must beat.

Each is a tone curve a frame and channel, the same for the whole frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Frames = NDArray[np.float32]
Equalise = Callable[[Frames, range, float], Frames]

_NUM_QUANTILES = 64
_LARGEST_SIDE = 256


def identity(frames: Frames, keep: range, track_frames: float) -> Frames:
    """The frames as they are."""
    del track_frames
    return frames[keep.start : keep.stop]


def mean_variance(frames: Frames, keep: range, track_frames: float) -> Frames:
    """Mean and deviation of each frame brought to their own smoothed courses (after Roosmalen et al., 1999)."""
    seen = _thinned(frames)
    means, deviations = seen.mean(1), seen.std(1) + 1e-6
    wanted_means, wanted_deviations = _smooth(means, track_frames), _smooth(deviations, track_frames)
    made = [(frames[t] - means[t]) * (wanted_deviations[t] / deviations[t]) + wanted_means[t] for t in keep]
    return np.stack(made).astype(np.float32)


def histogram_track(frames: Frames, keep: range, track_frames: float) -> Frames:
    """Each frame's histogram brought to the histograms' own smoothed course (Delon, J. Math. Imaging Vis. 25, 2006)."""
    levels = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
    quantiles = np.quantile(_thinned(frames), levels, axis=1).transpose(1, 0, 2)
    wanted = _smooth(quantiles, track_frames)
    made = []
    for t in keep:
        frame = np.empty_like(frames[t])
        for channel in range(frame.shape[-1]):
            # Curves must rise for a value to have one partner; beyond the outermost quantiles they go on level.
            found = quantiles[t, :, channel] + 1e-7 * np.arange(_NUM_QUANTILES)
            change = np.interp(frames[t, ..., channel], found, wanted[t, :, channel] - found)
            frame[..., channel] = frames[t, ..., channel] + change
        made.append(frame)
    return np.stack(made)


EQUALISERS: dict[str, Equalise] = {
    "identity": identity,
    "mean_variance": mean_variance,
    "histogram_track": histogram_track,
}


def _smooth(track: NDArray[np.floating], track_frames: float) -> NDArray[np.floating]:
    return np.asarray(gaussian_filter1d(track, track_frames, axis=0, mode="nearest"))


def _thinned(frames: Frames) -> Frames:
    """Pixels of each frame, ``t n 3``, no more than are needed for its statistics."""
    step = max(1, max(frames.shape[1:3]) // _LARGEST_SIDE)
    return frames[:, ::step, ::step].reshape(len(frames), -1, frames.shape[-1])
