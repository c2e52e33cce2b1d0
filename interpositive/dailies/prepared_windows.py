"""Examples made once from windows of the dailies, and kept on disk for as many steps as training wants.

Aligning frames costs far more than a training step, so it is done ahead, by
worker processes, one file a window. A file appears whole or not at all; a
repeated run makes only what is missing, or has changed since it was written.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import blake3
import cv2
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

import interpositive._torchvision_guard  # noqa: F401
from interpositive.dailies.windows import TakeWindows, WindowPlace
from interpositive.dailies.workers import end_with_parent
from interpositive.errors import CatalogueError, MaskError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import frames_to_mask
from interpositive.media.opening import open_reader
from interpositive.records.base import Record
from interpositive.records.digests import hash_file
from interpositive.records.publishing import remove_scratch, write_file_whole

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


def window_frames(recipe: WindowRecipe, index: int) -> tuple[str, int]:
    """The take that window ``index`` is cut from, and its first frame there."""
    windows = recipe.groups[index % len(recipe.groups)]
    place = windows.place(index // len(recipe.groups), 0)
    return windows.takes[place.take].name, place.start


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


class WindowNote(Record):
    """What lies beside a prepared window: its frames' take and first frame, and how many examples it gave.

    ``blake3`` is over these and the window's bytes: a note of 6 examples that came to say 2 is found as well.
    """

    take: str
    first_frame: int
    num_examples: int
    blake3: str = ""

    def vouching(self, path: Path) -> WindowNote:
        """The same with its digest, for the window at ``path``."""
        digest = blake3.blake3(self.model_dump_json(exclude={"blake3"}).encode())
        hash_file(path, [digest])
        return self.model_copy(update={"blake3": digest.hexdigest()})


class PreparedWindows(Dataset[dict[str, Tensor]]):
    """Prepared examples of the first ``num_windows`` windows of a folder.

    An item is one example's fields by name, ``condition.`` before a condition's name, and its ``number``.
    """

    def __init__(self, folder: Path, num_windows: int) -> None:
        self.folder = Path(folder)
        self.paths = [prepared_path(self.folder, index) for index in range(num_windows)]
        missing = [path.name for path in self.paths if not path.with_suffix(".json").is_file()]
        if missing:
            raise CatalogueError(
                f"windows are missing in {self.folder}",
                found=f"{len(missing)} of {num_windows} not there, such as {missing[0]}",
                remedy="prepare them first; training does so itself",
            )
        self.notes = [WindowNote.model_validate_json(p.with_suffix(".json").read_text()) for p in self.paths]
        self._index = [(window, row) for window, note in enumerate(self.notes) for row in range(note.num_examples)]
        if not self._index:
            raise CatalogueError(
                "no example could be prepared from these takes",
                found=f"{len(self.paths)} windows without one example in {self.folder}",
                remedy="check that the task draws something within the frame, or prepare more windows",
            )

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        window, row = self._index[number]
        with safe_open(self.paths[window], framework="pt") as stored:
            fields = {name: stored.get_slice(name)[row] for name in stored.keys()}  # noqa: SIM118
        return fields | {"number": torch.tensor(number)}

    def window_of(self, number: int) -> int:
        """The window, as :attr:`notes` counts them, that an example was cut from."""
        return self._index[number][0]


def batch_to_example(batch: dict[str, Tensor]) -> Example:
    """A collated batch of items back to an :class:`Example`."""
    condition = {k.removeprefix("condition."): v for k, v in batch.items() if k.startswith("condition.")}
    return Example(batch["input"], batch["mask"], batch.get("target"), condition, batch["number"])


def prepare_windows(
    recipe: WindowRecipe, num_windows: int, folder: Path, *, num_workers: int = 2, progress: bool = True
) -> PreparedWindows:
    """Make what is missing or damaged of ``num_windows`` prepared windows in ``folder``; workers start by spawn.

    More windows, which another run prepared, stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        _make_missing(recipe, num_windows, folder, num_workers, progress)
    return PreparedWindows(folder, num_windows)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait while another process prepares here, so that none makes what the other is making.

    The lock is gone with its holder, and what a killed one left half written goes then. Where a file system has no
    locks, both make the same files.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _is_locked(handle):
            remove_scratch(folder)
        yield
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _make_missing(recipe: WindowRecipe, num_windows: int, folder: Path, num_workers: int, progress: bool) -> None:
    missing = [index for index in range(num_windows) if not is_whole(prepared_path(folder, index))]
    bar = tqdm(total=len(missing), desc="prepare windows", unit="window", disable=not progress or not missing)
    if num_workers == 0 or len(missing) < 2:
        for index in missing:
            _make_and_write(recipe, index, folder)
            bar.update()
    else:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(num_workers, context, _start_worker, (recipe, folder)) as pool:
            try:
                for future in as_completed([pool.submit(_work, index) for index in missing]):
                    future.result()
                    bar.update()
            finally:
                # One who is told to stop, or meets an error, does not wait for all that was still to be made.
                pool.shutdown(cancel_futures=True)
    bar.close()


def is_whole(path: Path) -> bool:
    """Whether a prepared window and the note beside it are as they were written."""
    try:
        note = WindowNote.model_validate_json(path.with_suffix(".json").read_bytes())
        return note == note.vouching(path)
    except (FileNotFoundError, ValidationError):
        return False


_worker_recipe: tuple[WindowRecipe, Path] | None = None


def _start_worker(recipe: WindowRecipe, folder: Path) -> None:
    global _worker_recipe
    end_with_parent()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    _worker_recipe = (recipe, folder)


def _work(index: int) -> None:
    assert _worker_recipe is not None
    _make_and_write(_worker_recipe[0], index, _worker_recipe[1])


def _make_and_write(recipe: WindowRecipe, index: int, folder: Path) -> None:
    examples = make_prepared_window(recipe, index)
    path = prepared_path(folder, index)
    write_file_whole(path, window_content(examples))
    take, first_frame = window_frames(recipe, index)
    note = WindowNote(take=take, first_frame=first_frame, num_examples=len(examples)).vouching(path)
    write_file_whole(path.with_suffix(".json"), note.model_dump_json())


def window_content(examples: Sequence[Example]) -> bytes:
    """What a prepared window is on disk."""
    tensors: dict[str, Tensor] = {}
    if examples:
        for name in _FIELDS:
            values = [getattr(example, name) for example in examples]
            if values[0] is not None:
                tensors[name] = torch.stack(values).contiguous()
        for name in examples[0].condition:
            tensors[f"condition.{name}"] = torch.stack([e.condition[name] for e in examples]).contiguous()
    return save(tensors)


def prepared_path(folder: Path, index: int) -> Path:
    """Where a window of a store lies; its note is beside it."""
    return folder / f"window_{index:05d}.safetensors"
