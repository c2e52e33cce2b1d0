"""Examples made once from windows of the dailies, and kept on disk for as many steps as training wants.

Aligning frames costs far more than a training step, so it is done ahead, by
worker processes, one file a window. A file appears whole or not at all; a
repeated run makes only what is missing.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

import interpositive._torchvision_guard  # noqa: F401
from interpositive.dailies.windows import TakeWindows, WindowPlace
from interpositive.errors import CatalogueError, MaskError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import frames_to_mask
from interpositive.media.opening import open_reader
from interpositive.records.publishing import write_file_whole

MakeExample = Callable[[Tensor, torch.Generator, Tensor | None], Example]
Prepare = Callable[[Example, torch.Generator], Sequence[Example]]

_FIELDS = ("input", "mask", "target")


@dataclass(frozen=True)
class WindowRecipe:
    """All that a worker needs to make one prepared window; it is pickled to each worker once.

    ``damage_paths`` names, by take, a movie or frame folder whose bright pixels are damage in
    that take's own footage: hidden from the model, and never a target.
    """

    groups: tuple[TakeWindows, ...]
    make_example: MakeExample
    prepare: Prepare
    seed: int
    damage_paths: dict[str, str]


def make_prepared_window(recipe: WindowRecipe, index: int) -> list[Example]:
    """Draw window ``index``, damage it, align it; the same for a seed wherever it runs."""
    windows = recipe.groups[index % len(recipe.groups)]
    place = windows.place(index // len(recipe.groups), 0)
    frames = windows[index // len(recipe.groups)]["frames"]
    damage = known_damage(windows, place, frames, recipe.damage_paths)
    generator = generator_from("example", recipe.seed, windows.takes[place.take].name, place.start, index)
    return list(recipe.prepare(recipe.make_example(frames, generator, damage), generator))


def known_damage(
    windows: TakeWindows, place: WindowPlace, frames: Tensor, damage_paths: Mapping[str, str]
) -> Tensor | None:
    """The damage that a window's own footage is known to have, ``t 1 h w``; None for a take without any."""
    name = windows.takes[place.take].name
    if name not in damage_paths:
        return None
    return read_damage(Path(damage_paths[name]), place.start, windows.span, windows.stride, tuple(frames.shape[-2:]))


def read_damage(path: Path, start: int, span: int, stride: int, size: tuple[int, ...]) -> Tensor:
    """Known damage for a window as ``t 1 h w`` of 0 and 1, at the window's size; any touched pixel counts."""
    reader = open_reader(path)
    try:
        if start + span > len(reader):
            raise MaskError(
                f"{path} is shorter than the take it belongs to",
                found=f"{len(reader)} frames",
                expected=f">= {start + span} frames",
            )
        mask = frames_to_mask(reader.window(start, start + span)[::stride])
    finally:
        reader.close()
    touched = torch.from_numpy((mask > 0).astype("float32"))[:, None]
    height, width = size
    return torch.nn.functional.adaptive_max_pool2d(touched, (height, width))


class PreparedWindows(Dataset[dict[str, Tensor]]):
    """Prepared examples on disk; an item is one example's fields by name, ``condition.`` before a condition's name."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.paths = sorted(self.folder.glob("window_*.safetensors"))
        self._counts = [int(json.loads(p.with_suffix(".json").read_text())["num_examples"]) for p in self.paths]
        self._index = [(f, i) for f, count in enumerate(self._counts) for i in range(count)]
        if not self._index:
            raise CatalogueError(
                "no example could be prepared from these takes",
                found=f"{len(self.paths)} windows without one example in {self.folder}",
                remedy="check that the task draws something within the frame, or prepare more windows",
            )

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        file, row = self._index[index]
        with safe_open(self.paths[file], framework="pt") as stored:
            return {name: stored.get_slice(name)[row] for name in stored.keys()}  # noqa: SIM118


def batch_to_example(batch: dict[str, Tensor]) -> Example:
    """A collated batch of items back to an :class:`Example`."""
    condition = {k.removeprefix("condition."): v for k, v in batch.items() if k.startswith("condition.")}
    return Example(input=batch["input"], mask=batch["mask"], target=batch.get("target"), condition=condition)


def prepare_windows(
    recipe: WindowRecipe, num_windows: int, folder: Path, *, num_workers: int = 2, progress: bool = True
) -> PreparedWindows:
    """Make what is missing of ``num_windows`` prepared windows in ``folder``; workers start by spawn."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [i for i in range(num_windows) if not _path(folder, i).with_suffix(".json").is_file()]
    bar = tqdm(total=len(missing), desc="prepare windows", unit="window", disable=not progress or not missing)
    if num_workers == 0 or len(missing) < 2:
        for index in missing:
            _make_and_write(recipe, index, folder)
            bar.update()
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(num_workers, context, _start_worker, (recipe, folder)) as pool:
            for future in as_completed([pool.submit(_work, index) for index in missing]):
                future.result()
                bar.update()
    bar.close()
    for stale in folder.glob("window_*"):
        if int(stale.stem.split("_")[1]) >= num_windows:
            stale.unlink()
    return PreparedWindows(folder)


_worker_recipe: tuple[WindowRecipe, Path] | None = None


def _start_worker(recipe: WindowRecipe, folder: Path) -> None:
    global _worker_recipe
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _worker_recipe = (recipe, folder)


def _work(index: int) -> None:
    assert _worker_recipe is not None
    _make_and_write(_worker_recipe[0], index, _worker_recipe[1])


def _make_and_write(recipe: WindowRecipe, index: int, folder: Path) -> None:
    examples = make_prepared_window(recipe, index)
    tensors: dict[str, Tensor] = {}
    if examples:
        for name in _FIELDS:
            values = [getattr(example, name) for example in examples]
            if values[0] is not None:
                tensors[name] = torch.stack(values).contiguous()
        for name in examples[0].condition:
            tensors[f"condition.{name}"] = torch.stack([e.condition[name] for e in examples]).contiguous()
    path = _path(folder, index)
    write_file_whole(path, save(tensors))
    write_file_whole(path.with_suffix(".json"), json.dumps({"num_examples": len(examples)}))


def _path(folder: Path, index: int) -> Path:
    return folder / f"window_{index:05d}.safetensors"
