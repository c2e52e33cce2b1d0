"""What was chosen for a large frame's hole, kept for the next window, which restores some of the same frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from interpositive.mini_models.candidate_bank import BankBuilder
from interpositive.mini_models.fusing import network_factor
from interpositive.mini_models.hole_fills import Chosen
from interpositive.motion.motion_memory import ShotMemory

Choice = tuple[dict[str, Chosen], NDArray[np.bool_]]
"""By each method, and where nothing shows the hole, ``h w``."""
Choose = Callable[[BankBuilder, int, Sequence[str], int], Choice]


def chosen_once(
    choose: Choose, networks: nn.Module, builder: BankBuilder, methods: Sequence[str], num_lent: int, memory: ShotMemory
) -> Callable[[int], Choice]:
    """``choose`` for the frames of a window; what a window before chose by the same networks is taken from memory.

    A frame is the same if all that may lend it pixels directly are. Only what was carried on from frame to frame may
    have come from farther in the other window. Of frames that networks see as they are, and where other takes lend,
    each window chooses for itself.
    """
    motion = builder.motion
    if num_lent or not motion.is_shared or network_factor(motion.height) == 1:
        return lambda frame: choose(builder, frame, methods, num_lent)
    asked = weights_digest(networks), tuple(methods), builder.recipe

    def find(frame: int) -> tuple[NDArray[Any], ...]:
        found, never_seen = choose(builder, frame, methods, num_lent)
        parts: list[NDArray[Any]] = [never_seen]
        for name in methods:
            parts += [found[name].picture, found[name].sure]
        return tuple(parts)

    def choice(frame: int) -> Choice:
        reach = builder.recipe.reach_frames
        key = *asked, motion.names_around(frame, reach), min(frame, reach)
        never_seen, *parts = memory.choices.of(key, lambda: find(frame))
        each = zip(methods, parts[0::2], parts[1::2], strict=True)
        return {name: Chosen(picture, sure, torch.zeros(0)) for name, picture, sure in each}, never_seen

    return choice


def weights_digest(networks: nn.Module) -> bytes:
    """Of networks' weights: the same if these are."""
    parts = (each.detach().cpu().numpy().tobytes() for each in networks.state_dict().values())
    return hashlib.sha256(b"".join(parts)).digest()
