"""A cheap task and a cheap alignment, importable from spawned workers; and a process that dies while it prepares."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.prepared_windows import WindowRecipe, prepare_windows
from interpositive.dailies.take import Take
from interpositive.dailies.windows import TakeWindows
from interpositive.functional.examples import Example


def blotch(frames: Tensor, generator: torch.Generator, damage: Tensor | None) -> Example:
    """Grey noise in a random box."""
    top, left = (int(torch.randint(0, limit, (), generator=generator)) for limit in (40, 60))
    mask = torch.zeros(frames.shape[0], 1, *frames.shape[-2:])
    mask[..., top : top + 16, left : left + 24] = 1
    noise = torch.rand(frames.shape, generator=generator)
    known = torch.zeros_like(mask) if damage is None else damage
    return Example(
        torch.where(mask > 0, noise, frames),
        torch.maximum(mask, known),
        frames,
        {"judged": mask * (1 - known), "shown": torch.tensor([top, left])},
    )


def middle_frames(example: Example, generator: torch.Generator) -> Sequence[Example]:
    """Two single frames of the window."""
    picks = torch.randperm(example.input.shape[0], generator=generator)[:2].tolist()
    assert example.target is not None
    return [
        Example(
            example.input[i : i + 1],
            example.mask[i : i + 1],
            example.target[i : i + 1],
            {"judged": example.condition["judged"][i : i + 1], "shown": example.condition["shown"]},
        )
        for i in picks
    ]


def recipe_for(takes: list[Take], damage_paths: dict[str, str] | None = None, seed: int = 0) -> WindowRecipe:
    windows = TakeWindows(takes, 4, size=(64, 96), seed=seed, windows_per_epoch=1 << 20)
    return WindowRecipe((windows,), blotch, middle_frames, seed, damage_paths or {})


def die_at(index: int, catalogue_path: Path, folder: Path) -> None:
    """Prepare six windows; die without a word in the middle of number ``index``."""
    count = 0

    def deadly(example: Example, generator: torch.Generator) -> Sequence[Example]:
        nonlocal count
        if count == index:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        return middle_frames(example, generator)

    with Catalogue(catalogue_path) as catalogue:
        recipe = recipe_for([take for take in catalogue.takes() if take.split == "train"])
    recipe = WindowRecipe(recipe.groups, recipe.make_example, deadly, recipe.seed, {})
    prepare_windows(recipe, 6, folder, num_workers=0, progress=False)


def very_slowly(example: Example, generator: torch.Generator) -> Sequence[Example]:
    """Say which process this is, and do not come back for a minute."""
    print(os.getpid(), flush=True)
    time.sleep(60)
    return []


def hang(catalogue_path: Path, folder: Path) -> None:
    """Prepare six windows in a worker that hangs in the first."""
    with Catalogue(catalogue_path) as catalogue:
        recipe = recipe_for([take for take in catalogue.takes() if take.split == "train"])
    recipe = WindowRecipe(recipe.groups, recipe.make_example, very_slowly, recipe.seed, {})
    prepare_windows(recipe, 6, folder, num_workers=1, progress=False)


if __name__ == "__main__":
    if sys.argv[1] == "hang":
        # By its name, for a worker imports what it is to do.
        importlib.import_module("preparing").hang(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        die_at(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
