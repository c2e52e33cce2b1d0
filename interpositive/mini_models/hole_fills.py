"""What was found for the pixels of holes, held still along the flow and put into their frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.functional.threads import in_turn
from interpositive.mini_models.contract import Restored
from interpositive.motion.window_motion import WindowMotion, channel_mean

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Blend:
    """How much of its flow-warped neighbour a result takes: ``weight`` times ``exp(-difference / tolerance)``.

    ``copied`` is ``(weight, tolerance)`` where real pixels were copied with certainty, ``guessed`` where the
    fill is a guess; in between they are mixed. Differences are in [0, 1] code values.
    """

    copied: tuple[float, float] = (0.5, 0.05)
    guessed: tuple[float, float] = (0.8, 0.3)


class Chosen(NamedTuple):
    """What a method puts into a frame's hole (``n 3``), and how surely (``n``).

    ``lent`` (``m``) is how many pixels each frame of other takes gives.
    """

    picture: Picture
    sure: Picture
    lent: Tensor

    @classmethod
    def nothing(cls, num_pixels: int, num_lent: int) -> Self:
        """Nothing yet."""
        return cls(np.zeros((num_pixels, 3), np.float32), np.zeros(num_pixels, np.float32), torch.zeros(num_lent))


class Filled(NamedTuple):
    """A window's holes filled by a method: pixels ``m 3`` of each, and how surely (``m``).

    Of what looks at views: how many pixels of each hole none shows, and how many each frame of other takes gives each
    frame, ``t m``.
    """

    pictures: Sequence[Picture]
    certainty: Sequence[Picture]
    num_unseen: Sequence[int] | None = None
    lent: Tensor | None = None


def blend_along_flow(
    motion: WindowMotion,
    keep: range,
    fills: list[Picture],
    certainty: list[Picture],
    blend: Blend,
) -> list[Picture]:
    """Blend the fill ``m 3`` of each hole with its flow-warped neighbour's, forward and then backward in time.

    Where real pixels were copied with certainty (``m``) only what agrees is blended, and edges stay; a guess
    takes more of its neighbour, for it must at least hold still.
    """
    blended = list(fills)
    passes = (range(1, len(fills)), range(len(fills) - 2, -1, -1))
    for order, step in zip(passes, (-1, 1), strict=True):
        for index in order:
            frame, other = keep[index], keep[index] + step
            if not len(blended[index]):
                continue
            x, y, consistent = motion.from_hole(frame, other)
            neighbour = motion.pixels(other).filling(motion.frames[other], blended[index + step])
            brought = motion.read_at(neighbour, x, y, cubic=True)
            difference = channel_mean(np.abs(brought - blended[index])[None])[0]
            weight, tolerance = (
                copied + (guessed - copied) * (1.0 - certainty[index])
                for copied, guessed in zip(blend.copied, blend.guessed, strict=True)
            )
            share = weight * np.exp(-difference / tolerance) * consistent
            mixed = blended[index] + share[:, None] * (brought - blended[index])
            blended[index] = mixed.astype(np.float32)
    return blended


def composed(motion: WindowMotion, keep: range, fills: Sequence[Picture], certainty: Sequence[Picture]) -> Restored:
    """Frames with their holes' pixels ``m 3`` put in, and how sure these are, ``m``."""
    shape = (len(keep), motion.height, motion.width)
    frames = np.empty((shape[0], 3, *shape[1:]), np.float32)
    confidence = np.ones((shape[0], 1, *shape[1:]), np.float32)

    def compose(place: int) -> None:
        hole = motion.holes[keep[place]]
        frames[place] = rearrange(np.asarray(motion.frames[keep[place]]), "h w c -> c h w")
        frames[place][:, hole] = fills[place].T
        confidence[place, 0][hole] = certainty[place]

    deque(in_turn(compose, range(len(keep))), maxlen=0)
    return Restored(torch.from_numpy(frames).clamp_(*motion.value_range), torch.from_numpy(confidence))
