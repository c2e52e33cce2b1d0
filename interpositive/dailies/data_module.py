"""One production's dailies as training sees them: takes, windows, prepared examples, loaders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

import interpositive._torchvision_guard  # noqa: F401  isort: skip
import pytorch_lightning as lightning

from interpositive._version import __version__
from interpositive.dailies.prepared_windows import (
    MakeExample,
    Prepare,
    PreparedWindows,
    WindowRecipe,
    batch_to_example,
    prepare_windows,
)
from interpositive.dailies.selection import pick_takes, take_columns
from interpositive.dailies.take import Take
from interpositive.dailies.windows import TakeWindows, calm_worker
from interpositive.errors import CatalogueError, ColourError, ConfigError, MaskError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.encodings import find_encoding
from interpositive.media.plate_colour import NATIVE
from interpositive.records.digests import sha256_of_path, sha256_of_value


class ProductionDataModule(lightning.LightningDataModule):
    """Windows of one production's takes, damaged by a task and aligned by a mini-model.

    ``takes`` must carry their split; ``height`` is the training height in
    lines (the width follows each take's raster). ``damage_paths`` marks takes
    that are themselves damaged. Training sees ``num_batches`` batches in all; a resumed
    run sets ``start_batch``. ``recipe_digest`` tells prepared windows of
    different tasks and mini-models apart. Takes are converted to ``encoding``, unless it
    is native; ``ColourError`` for those whose own is not known. Batches are :class:`Example`;
    one of several processes is told its part of them by :meth:`share`.
    """

    def __init__(
        self,
        takes: Sequence[Take],
        make_example: MakeExample,
        prepare: Prepare,
        *,
        folder: Path,
        recipe_digest: str,
        height: int = 216,
        window_frames: int = 24,
        num_windows: int = 32,
        num_val_windows: int = 6,
        num_batches: int = 1000,
        batch_size: int = 6,
        num_workers: int = 0,
        num_prepare_workers: int = 2,
        seed: int = 0,
        damage_paths: Mapping[str, str] | None = None,
        encoding: str = NATIVE,
        progress: bool = True,
    ) -> None:
        super().__init__()
        self.takes = takes
        self.make_example = make_example
        self.prepare_example = prepare
        self.folder = Path(folder)
        self.recipe_digest = recipe_digest
        self.height = height
        self.window_frames = window_frames
        self.num_windows = {"train": num_windows, "val": num_val_windows}
        self.num_batches = num_batches
        self.start_batch = 0
        self.rank, self.num_ranks = 0, 1
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_prepare_workers = num_prepare_workers
        self.seed = seed
        self.damage_paths = dict(damage_paths or {})
        for name, path in self.damage_paths.items():
            # A device or a pipe has no end.
            if not (Path(path).is_file() or Path(path).is_dir()):
                raise MaskError(
                    f"the known damage of {name} is not there", found=path, expected="a mask movie or folder of frames"
                )
        self.encoding = encoding
        self._refuse_unknown_encodings()
        self.progress = progress
        self.prepared: dict[str, PreparedWindows] = {}
        self._stores: dict[str, Path] = {}
        self._damage_digests: dict[str, str] | None = None
        # All machines share the folder: Lightning would have the first process of each prepare into it.
        self.prepare_data_per_node = False

    def _refuse_unknown_encodings(self) -> None:
        if self.encoding == NATIVE:
            return
        find_encoding(self.encoding)
        unknown = [name for name, known in take_columns(self.takes, "name", "encoding") if not known]
        if unknown:
            raise ColourError(
                f"training in {self.encoding} needs to know how every take's codes become light",
                found=f"no encoding for {', '.join(unknown[:8])}"
                + (f" and {len(unknown) - 8} more" * (len(unknown) > 8)),
                expected="an encoding for every take",
                remedy="name theirs in production.encodings and ingest again, or say training_encoding: native",
            )

    @property
    def encodings(self) -> set[str]:
        """The colour encodings of the takes; an empty one is not known."""
        return {known for (known,) in take_columns(self.takes, "encoding")}

    def takes_of(self, split: str) -> Sequence[Take]:
        """The takes of one split; a production too small for a val split validates on its training takes."""
        marks = take_columns(self.takes, "split")
        takes = pick_takes(self.takes, [position for position, (given,) in enumerate(marks) if given == split])
        return takes or (self.takes_of("train") if split == "val" else [])

    def window_groups(self, split: str) -> tuple[TakeWindows, ...]:
        """Windows of a split, grouped by the takes' shape, whole frames at the training height."""
        takes = self.takes_of(split)
        groups: dict[tuple[int, int], _ShapeGroup] = defaultdict(_ShapeGroup)
        columns = take_columns(takes, "height", "width", "num_frames", "bits", "kind")
        for position, (lines, width, num_frames, bits, kind) in enumerate(columns):
            height = min(self.height, lines)
            group = groups[height, max(8, round(width * height / lines / 2) * 2)]
            group.positions.append(position)
            group.longest = max(group.longest, num_frames)
            group.is_8_bit &= bits == 8 and kind == "movie"
        if not groups:
            raise CatalogueError(
                f"no take is in the {split} split",
                found=f"{len(self.takes)} takes",
                remedy="ingest more takes, or change the split rule",
            )
        return tuple(
            TakeWindows(
                pick_takes(takes, group.positions),
                min(self.window_frames, group.longest),
                size=size,
                seed=self.seed + (split == "val"),
                windows_per_epoch=1 << 20,
                backend="decord" if group.is_8_bit else "pyav",
                encoding=self.encoding,
            )
            for size, group in sorted(groups.items())
        )

    def store_path(self, split: str) -> Path:
        """Where a split's prepared windows lie: named by everything they depend on, as it was when first asked for.

        A catalogue that is ingested again while a run trains does not take its windows away.
        """
        if split not in self._stores:
            self._stores[split] = self._named_store(split)
        return self._stores[split]

    def _named_store(self, split: str) -> Path:
        # Native codes are the same whatever they stand for.
        seen = ("name", "sha256", "layer") if self.encoding == NATIVE else ("name", "sha256", "layer", "encoding")
        digest = sha256_of_value(
            {
                "version": __version__,
                "recipe": self.recipe_digest,
                "takes": sorted(take_columns(self.takes_of(split), *seen)),
                "damage": self.damage_digests(),
                "height": self.height,
                "frames": self.window_frames,
                "seed": self.seed,
                "encoding": self.encoding,
            }
        )
        return self.folder / f"{split}_{digest[:16]}"

    def damage_digests(self) -> dict[str, str]:
        """SHA-256 of each take's known damage, as it was when first asked for."""
        if self._damage_digests is None:
            self._damage_digests = {
                name: sha256_of_path(Path(path)) for name, path in sorted(self.damage_paths.items())
            }
        return self._damage_digests

    def prepared_facts(self, split: str) -> dict[str, Any]:
        """What training saw of a split: its store's name, how many windows and examples, and a digest over all.

        The digest is over the notes beside the windows, which :meth:`prepare_data` found true of the windows' bytes.
        """
        if not self.prepared:
            # Nothing was left to train, and since then windows may have been cleared away.
            self.prepare_data()
            self.setup("fit")
        prepared = self.prepared[split]
        return {
            "store": prepared.folder.name,
            "num_windows": len(prepared.paths),
            "num_examples": len(prepared),
            "sha256": sha256_of_value([note.model_dump() for note in prepared.notes]),
        }

    def recipe(self, split: str) -> WindowRecipe:
        """How a window of the split is prepared."""
        return WindowRecipe(
            self.window_groups(split), self.make_example, self.prepare_example, self.seed, self.damage_paths
        )

    def prepare_data(self) -> None:
        """Make the prepared windows of both splits, where they are missing."""
        for split in ("train", "val"):
            prepare_windows(
                self.recipe(split),
                self.num_windows[split],
                self.store_path(split),
                num_workers=self.num_prepare_workers,
                progress=self.progress,
            )

    def setup(self, stage: str) -> None:
        """Open what :meth:`prepare_data` made."""
        del stage
        for split in ("train", "val"):
            self.prepared[split] = PreparedWindows(self.store_path(split), self.num_windows[split])

    def share(self, rank: int, num_ranks: int) -> None:
        """Read one of ``num_ranks`` equal parts of every batch; ``ConfigError`` if there are none."""
        _refuse_unequal_parts(self.batch_size, num_ranks)
        self.rank, self.num_ranks = rank, num_ranks

    def order(self) -> SeededOrder:
        """The whole run's batches, as one process would see them."""
        return SeededOrder(len(self.prepared["train"]), self.batch_size, self.seed, self.num_batches, self.start_batch)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """This process's part of ``num_batches`` batches, from ``start_batch`` on, in an order of the seed alone."""
        workers: dict[str, Any] = {}
        if self.num_workers > 0:
            workers = {
                "multiprocessing_context": "spawn",
                "persistent_workers": True,
                "worker_init_fn": calm_worker,
            }
        order = self.order().part(self.rank, self.num_ranks)
        return DataLoader(self.prepared["train"], batch_sampler=order, num_workers=self.num_workers, **workers)

    def held_out_batches(self) -> Iterator[Example]:
        """The held-out examples, always all, in order; they are few, and this process reads them itself."""
        return map(batch_to_example, DataLoader(self.prepared["val"], self.batch_size))

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, Tensor]:
        """Move a batch, but not the examples' numbers: to ask a GPU for them would make every step wait for it."""
        number = batch["number"]
        moved: dict[str, Tensor] = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return {**moved, "number": number}

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> Example:
        """Hand the batch on as an example."""
        del dataloader_idx
        return batch_to_example(batch)


@dataclass
class _ShapeGroup:
    """Takes of one shape: where they lie in the split, the longest's frames, and whether all are 8-bit movies."""

    positions: list[int] = field(default_factory=list)
    longest: int = 0
    is_8_bit: bool = True


class SeededOrder(Sampler[list[int]]):
    """Batches number ``start`` to ``num_batches`` of an endless run of permutations drawn from (seed, pass).

    Batch k depends on (seed, k) alone, so that a resumed run goes on with the batch it would have seen; each of
    ``num_ranks`` processes reads an equal stretch of it, so that together they see the same on any number.
    """

    def __init__(
        self,
        num_examples: int,
        batch_size: int,
        seed: int,
        num_batches: int,
        start: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        self.num_examples = num_examples
        self.batch_size = min(batch_size, num_examples)
        self.seed = seed
        self.num_batches = num_batches
        self.start = start
        self.rank = rank
        self.num_ranks = num_ranks
        _refuse_unequal_parts(self.batch_size, num_ranks)

    def __len__(self) -> int:
        return self.num_batches

    def batch(self, number: int) -> list[int]:
        """The examples of one batch, of all processes."""
        per_pass = self.num_examples // self.batch_size
        permutation = _order_of_pass(self.num_examples, self.seed, number // per_pass)
        first = number % per_pass * self.batch_size
        return [int(i) for i in permutation[first : first + self.batch_size]]

    def part(self, rank: int, num_ranks: int) -> SeededOrder:
        """The same order as one of several processes reads it."""
        return SeededOrder(self.num_examples, self.batch_size, self.seed, self.num_batches, self.start, rank, num_ranks)

    @property
    def stretch(self) -> slice:
        """Where in each batch this process's part lies."""
        size = self.batch_size // self.num_ranks
        return slice(self.rank * size, (self.rank + 1) * size)

    def __iter__(self) -> Iterator[list[int]]:
        return (self.batch(number)[self.stretch] for number in range(self.start, self.num_batches))


# A pass is asked for at every step, by the loader and by the log of windows; a large store's takes a while to draw.
@lru_cache(2)
def _order_of_pass(num_examples: int, seed: int, number: int) -> Tensor:
    return torch.randperm(num_examples, generator=generator_from("order", seed, number))


def _refuse_unequal_parts(batch_size: int, num_ranks: int) -> None:
    if batch_size % num_ranks:
        raise ConfigError(
            f"a batch of {batch_size} examples has no equal parts for {num_ranks} processes",
            found=f"dailies.batch_size={batch_size}",
            expected=f"a multiple of {num_ranks}, and no more than there are prepared examples",
        )
