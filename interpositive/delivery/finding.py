"""``mask=auto``: a shot's mask as a finder sees it, in frames that a person can correct and give back as ``mask=``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from interpositive.delivery.restoring import frames_to_values
from interpositive.errors import MaskError
from interpositive.functional.windows import plan_windows
from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.mini_models.finder import frames_to_pictures, together
from interpositive.mini_models.finder_archive import KeptFinder
from interpositive.tasks.contract import Task

MASK_NAME = "mask"
LIKELIHOOD_NAME = "mask_likelihood"
_WINDOW = 16
_GROWN_PX = 1


@dataclass(frozen=True)
class FoundMask:
    """A mask that was found, in a folder for as long as the shot is worked on: what to say of it, and by what."""

    folder: Path
    note: str
    kept: KeptFinder

    @property
    def path(self) -> Path:
        """The mask's frames."""
        return self.folder / MASK_NAME

    def hand_over(self, delivery: Path) -> None:
        """Lay the mask, and how likely each of its pixels was, beside what is delivered."""
        for name in (MASK_NAME, LIKELIHOOD_NAME):
            shutil.copytree(self.folder / name, delivery / name)


def find_mask(
    kept: KeptFinder | None,
    task: Task,
    plate: FrameReader,
    colour: PlateColour,
    folder: Path,
    name: str,
    first_number: int,
    progress: bool = True,
) -> FoundMask:
    """Look for what the task repairs in every frame of a laid-out plate, and write its mask into ``folder``.

    The finder looks at the height that it learned at; what it finds is grown by a pixel there, and brought to the
    plate's raster. Files are named ``name`` and numbered from ``first_number``, as the plate's own are.
    ``MaskError`` if there is no finder: the run trained none, or nothing of this task's kind can be seen.
    """
    if kept is None:
        raise MaskError(
            f"this run has no finder that knows what {task.name} is for",
            found="mask=auto",
            expected="mask=<a movie, a folder of frames, or polylines in JSON>",
            remedy="train it again with finder.max_steps=null" if task.can_be_found else "",
        )
    for part in (MASK_NAME, LIKELIHOOD_NAME):
        (folder / part).mkdir()
    size, num_found = (plate.info.width, plate.info.height), 0
    settling = kept.recipe.settling
    small: dict[int, Tensor] = {}
    with tqdm(total=len(plate), desc=f"find in {name}", unit="frame", disable=not progress) as bar:
        seen = together(_looked(kept, plate, colour, small), settling.num_beside)
        for frame, likelihood in enumerate(seen):
            picture = frames_to_pictures(small[frame])[0]
            mask = _brought_to(_grown(settling.settle(likelihood, picture)), size) > 0
            number = first_number + frame
            num_found += bool(mask.any())
            _write(folder / MASK_NAME / f"{name}.{number:07d}.png", mask.astype(np.float32))
            _write(folder / LIKELIHOOD_NAME / f"{name}.{number:07d}.png", _brought_to(likelihood.max(0), size))
            bar.update()
    note = (
        f"the mask was found by the run's finder ({kept.sha256[:12]}; {kept.recipe.words}): something in {num_found} "
        f"of {len(plate)} frames; correct {MASK_NAME}/ where it is wrong, and apply again with mask=<that folder>"
    )
    return FoundMask(folder, note, kept)


def _looked(
    kept: KeptFinder, plate: FrameReader, colour: PlateColour, small: dict[int, Tensor]
) -> Iterator[NDArray[np.float32]]:
    """How likely each pixel of each frame is, ``2 h w``; ``small`` holds the frames about it, as it looks at them."""
    settling, reach = kept.recipe.settling, kept.finder.reach_frames
    for window in plan_windows(len(plate), _WINDOW, 0, reach):
        # Each frame is read once, by itself: a window of a large raster would not fit into memory.
        for number in range(max(window.first, 1 + max(small, default=-1)), window.last):
            small[number] = _at_height(frames_to_values(plate.window(number, number + 1), colour), kept.recipe.height)
        # Frames that wait for those beside them are still to be settled.
        for number in [n for n in small if n < min(window.first, window.start - settling.num_beside)]:
            del small[number]
        yield from kept.finder.look(torch.cat([small[n] for n in range(window.first, window.last)]), window.keep)


def _at_height(values: Tensor, height: int) -> Tensor:
    lines, columns = values.shape[-2:]
    if lines <= height:
        return values
    return interpolate(values, size=(height, max(8, round(columns * height / lines / 2) * 2)), mode="area")


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    size = 2 * _GROWN_PX + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.dilate(mask.astype(np.uint8), kernel).astype(np.float32)


def _brought_to(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _write(path: Path, plane: NDArray[np.float32]) -> None:
    codes = np.clip(np.rint(plane * 255.0), 0, 255).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", codes)[1].tobytes())
