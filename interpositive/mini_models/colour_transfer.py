"""Ways of taking on a reference's colours that learn nothing: the baselines that a fitted grade must beat.

Each compares what the two pictures hold, whatever it shows: where their contents differ, so do their colours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.color import lab2rgb, rgb2lab

Colours = NDArray[np.float32]
Transfer = Callable[[Colours, Colours], Callable[[Colours], Colours]]

_NUM_QUANTILES = 128


def identity(shot: Colours, reference: Colours) -> Callable[[Colours], Colours]:
    """Nothing."""
    del shot, reference
    return lambda colours: colours


def reinhard(shot: Colours, reference: Colours) -> Callable[[Colours], Colours]:
    """Mean and deviation of each L*a*b* channel (Reinhard et al., IEEE CG&A 21(5), 2001); codes read as sRGB."""
    mine, theirs = rgb2lab(shot.clip(0, 1)), rgb2lab(reference.clip(0, 1))
    gain = (theirs.std(0) + 1e-4) / (mine.std(0) + 1e-4)

    def moved(colours: Colours) -> Colours:
        lab = (rgb2lab(colours.clip(0, 1)) - mine.mean(0)) * gain + theirs.mean(0)
        return np.asarray(lab2rgb(lab), np.float32)

    return moved


def histogram_match(shot: Colours, reference: Colours) -> Callable[[Colours], Colours]:
    """Each channel's quantiles brought to the reference's."""
    levels = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
    mine = np.quantile(shot, levels, axis=0) + 1e-7 * np.arange(_NUM_QUANTILES)[:, None]
    theirs = np.quantile(reference, levels, axis=0)

    def moved(colours: Colours) -> Colours:
        channels = [
            colours[..., c] + np.interp(colours[..., c], mine[:, c], theirs[:, c] - mine[:, c]) for c in range(3)
        ]
        return np.stack(channels, -1).astype(np.float32)

    return moved


TRANSFERS: dict[str, Transfer] = {"identity": identity, "reinhard": reinhard, "histogram_match": histogram_match}
