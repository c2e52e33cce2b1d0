"""Random windows of frames from takes, the same for a seed wherever and in whatever order they are read."""

from __future__ import annotations

import signal
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

import interpositive._torchvision_guard  # noqa: F401
from interpositive.dailies.opening import open_proxy, open_take, wrong_proxy
from interpositive.dailies.proxies import proxy_lines, resize_frames
from interpositive.dailies.selection import pick_takes, take_columns
from interpositive.dailies.take import Take
from interpositive.dailies.workers import end_with_parent
from interpositive.errors import CatalogueError, ConfigError, IntegrityError, MediaError
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import FrameReader, Frames
from interpositive.media.plate_colour import NATIVE, PlateColour

NUM_OPEN_READERS = 4
_AS_THEY_ARE = PlateColour()


class Window(TypedDict):
    """``frames`` ``t c h w``, index of ``take``, first frame ``start``, crop ``corner`` (y, x)."""

    frames: Tensor
    take: Tensor
    start: Tensor
    corner: Tensor


@dataclass(frozen=True)
class WindowPlace:
    """Where a window lies: take index, first frame, and its crop's corner as two shares in [0, 1)."""

    take: int
    start: int
    top_share: float
    left_share: float


class TakeWindows(Dataset[Window]):
    """Windows of ``num_frames`` frames, every ``stride``-th frame, at random places of the takes.

    The place of window ``index`` depends on ``seed``, the epoch and ``index``
    alone, never on worker, rank or order; all windows of all takes are equally
    likely. Frames are resized whole to ``size`` (height, width), by area, then
    a random ``crop`` (height, width) is cut; None leaves that step out. A take's
    proxy is read where it has one and ``size`` needs no more than its lines.
    ``windows_per_epoch`` is, unless given, as many as cover the takes once.
    Codes become float: ``encoding`` native leaves them in each take's own encoding, over the
    highest code; any other converts them to it, and all takes must have a known one
    (``ColourError``). Light beyond [0, 1] is kept (:class:`~interpositive.media.plate_colour.PlateColour`).

    ``backend`` decord reads proxies by decord. Every byte of an original and a
    proxy is checked (``IntegrityError``). Readers are opened in the
    process that reads, at most four at a time.
    Raises ``CatalogueError`` when no take is long enough, ``ConfigError`` for
    a crop larger than the frames, ``MediaError`` for frames that do not decode.
    """

    def __init__(
        self,
        takes: Sequence[Take],
        num_frames: int,
        *,
        stride: int = 1,
        size: tuple[int, int] | None = None,
        crop: tuple[int, int] | None = None,
        seed: int = 0,
        backend: Literal["decord", "pyav"] = "decord",
        windows_per_epoch: int | None = None,
        encoding: str = NATIVE,
    ) -> None:
        if num_frames < 1 or stride < 1 or (windows_per_epoch is not None and windows_per_epoch < 1):
            raise ConfigError(
                "a window needs frames",
                found=f"num_frames={num_frames}, stride={stride}, windows_per_epoch={windows_per_epoch}",
                expected="each at least 1",
            )
        if backend not in ("decord", "pyav"):
            raise ConfigError("there is no such reader for windows", found=backend, expected="decord or pyav")
        self.takes = takes
        self.num_frames = num_frames
        self.stride = stride
        self.size = size
        self.crop = crop
        self.seed = seed
        self.backend = backend
        self.encoding = encoding
        if encoding != NATIVE:
            for (known,) in set(take_columns(takes, "encoding")):
                PlateColour(known, encoding)
        self.span = (num_frames - 1) * stride + 1
        lengths = np.fromiter((frames for (frames,) in take_columns(takes, "num_frames")), np.int64, len(takes))
        self._places = np.maximum(0, lengths - self.span + 1)
        self._ends = np.cumsum(self._places)
        if not self._places.any():
            raise CatalogueError(
                "no take is long enough for a window",
                found=f"{len(takes)} takes, the longest with {max(lengths, default=0)} frames",
                expected=f"at least {self.span} frames",
                remedy="use fewer frames or a smaller stride, or add takes to this split",
            )
        self._check_crop()
        self._length = windows_per_epoch or max(1, int((lengths // self.span).sum()))
        # Shared, so that workers that outlive an epoch see the next one begin.
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]
        self._readers: OrderedDict[str, FrameReader] = OrderedDict()

    @property
    def too_short(self) -> Sequence[Take]:
        """The takes with fewer frames than a window spans; they are never read."""
        return pick_takes(self.takes, np.flatnonzero(self._places == 0))

    def _check_crop(self) -> None:
        if self.crop is None:
            return
        rasters = {self.size} if self.size else set(take_columns(self.takes, "height", "width"))
        for raster in rasters:
            if self.crop[0] > raster[0] or self.crop[1] > raster[1]:
                raise ConfigError(
                    "the crop is larger than the frames (height, width)",
                    found=self.crop,
                    expected=f"<= {raster}",
                )

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Move on to other windows, in running workers too; call it between epochs."""
        self._epoch.fill_(epoch)

    def place(self, index: int, epoch: int) -> WindowPlace:
        """Where window ``index`` of an epoch lies: the pure function behind ``self[index]``."""
        generator = generator_from("take window", self.seed, epoch, index)
        position = int(torch.randint(int(self._ends[-1]), (), generator=generator))
        take = int(np.searchsorted(self._ends, position, side="right"))
        start = position - int(self._ends[take] - self._places[take])
        top, left = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        return WindowPlace(take, start, top, left)

    def __getitem__(self, index: int) -> Window:
        window = self.coded(index)
        window["frames"] = code_values(window["frames"])
        return window

    def coded(self, index: int) -> Window:
        """Window ``index`` with its codes as integers where no other encoding is asked for: see :func:`code_values`."""
        if not 0 <= index < self._length:
            raise IndexError(f"window {index} of {self._length}")
        place = self.place(index, int(self._epoch))
        take = self.takes[place.take]
        frames = self._read(take, place.start)
        if self.size is not None:
            frames = resize_frames(frames, *self.size)
        top, left = 0, 0
        if self.crop is not None:
            height, width = self.crop
            top = int(place.top_share * (frames.shape[1] - height + 1))
            left = int(place.left_share * (frames.shape[2] - width + 1))
            frames = frames[:, top : top + height, left : left + width]
        return Window(
            frames=_planes(frames, self._colour(take)),
            take=torch.tensor(place.take),
            start=torch.tensor(place.start),
            corner=torch.tensor([top, left]),
        )

    def _read(self, take: Take, start: int) -> Frames:
        try:
            return self._read_checked(take, start)
        except IntegrityError as error:
            path = self._path(take)
            # What is restored meanwhile is opened anew.
            if (reader := self._readers.pop(path, None)) is not None:
                reader.close()
            if path == take.path:
                raise
            raise wrong_proxy(take, error) from error

    def _read_checked(self, take: Take, start: int) -> Frames:
        reader = self._reader(take)
        if len(reader) != take.num_frames:
            raise MediaError(
                f"{take.name} is not what was ingested",
                found=f"{len(reader)} frames in {reader.info.path}",
                expected=f"{take.num_frames} frames",
                remedy="ingest the footage again",
            )
        return reader.window(start, start + self.span)[:: self.stride]

    def _reader(self, take: Take) -> FrameReader:
        path = self._path(take)
        if path in self._readers:
            self._readers.move_to_end(path)
            return self._readers[path]
        while len(self._readers) >= NUM_OPEN_READERS:
            self._readers.popitem(last=False)[1].close()
        self._readers[path] = open_take(take) if path == take.path else open_proxy(take, self.backend)
        return self._readers[path]

    def _path(self, take: Take) -> str:
        if take.proxy_path is None or self.size is None:
            return take.path
        return take.proxy_path if self.size[0] <= proxy_lines(take.proxy_path) else take.path

    def _colour(self, take: Take) -> PlateColour:
        if not take.proxy_encoding or self._path(take) == take.path:
            return PlateColour(take.encoding, self.encoding)
        return PlateColour(take.proxy_encoding, take.encoding if self.encoding == NATIVE else self.encoding)

    def close(self) -> None:
        """Close the readers of this process."""
        while self._readers:
            self._readers.popitem()[1].close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": OrderedDict()}


def frames_to_tensor(frames: Frames, colour: PlateColour = _AS_THEY_ARE) -> Tensor:
    """Codes ``t h w c`` (uint8, uint16 or float) to the values ``t c h w`` that a mini-model works on."""
    return code_values(_planes(frames, colour))


def code_values(frames: Tensor) -> Tensor:
    """Frames of a window or a batch as float values: integers over their highest code, floats as they are."""
    top = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(frames.dtype)
    if top is None:
        return frames
    if frames.device.type == "cpu":
        # numpy makes floats of bytes three times as quickly as torch does.
        return torch.from_numpy(np.divide(frames.numpy(), np.float32(top)))
    return frames.to(torch.float32).div_(top)


def _planes(frames: Frames, colour: PlateColour) -> Tensor:
    """Frames ``t h w c`` as ``t c h w``: integer codes where nothing is converted, else float values."""
    if frames.dtype.kind == "f" or colour.converts:
        return torch.from_numpy(np.ascontiguousarray(colour.to_values(frames).transpose(0, 3, 1, 2)))
    num_frames, height, width, num_channels = frames.shape
    planes = np.empty((num_frames, num_channels, height, width), frames.dtype)
    for codes, room in zip(frames, planes, strict=True):
        cv2.split(codes, list(room))
    return torch.from_numpy(planes)


class EpochOrder(Sampler[int]):
    """Indices in order, handing the epoch on: Lightning calls ``set_epoch`` on a loader's sampler."""

    def __init__(self, windows: TakeWindows) -> None:
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._windows)))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose windows come next."""
        self._windows.set_epoch(epoch)


def make_loader(
    windows: TakeWindows,
    batch_size: int,
    num_workers: int = 0,
    *,
    start_method: Literal["forkserver", "spawn"] = "forkserver",
    pin_memory: bool = False,
    prefetch_factor: int = 2,
    drop_last: bool = False,
) -> DataLoader[Window]:
    """Read windows in batches: ``frames`` become ``b t c h w``.

    Integer codes that nothing converts travel as they are, a quarter of the bytes of values;
    :func:`code_values` makes values of them wherever the batch ends up, on a GPU as well.

    Worker processes persist over epochs and start by forkserver or spawn;
    fork is refused with ``ConfigError``, because the threads of a decoder or
    of CUDA do not survive it.
    """
    if start_method not in ("forkserver", "spawn"):
        raise ConfigError(
            "workers that read video must not be forked",
            found=start_method,
            expected="forkserver or spawn",
            remedy="leave start_method at its default",
        )
    workers: dict[str, Any] = {}
    if num_workers > 0:
        workers = {
            "multiprocessing_context": start_method,
            "persistent_workers": True,
            "prefetch_factor": prefetch_factor,
            "worker_init_fn": calm_worker,
        }
    return DataLoader(
        _Coded(windows),
        batch_size=batch_size,
        sampler=EpochOrder(windows),
        num_workers=num_workers,
        pin_memory=pin_memory,
        drop_last=drop_last,
        collate_fn=_batch,
        **workers,
    )


class _Coded(Dataset[Window]):
    """The same windows, with their codes as integers."""

    def __init__(self, windows: TakeWindows) -> None:
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Window:
        return self._windows.coded(index)


def _batch(windows: list[Window]) -> Window:
    """Windows one above the other; a single one is not copied for it, and it may be a gigabyte."""
    if len({window["frames"].dtype for window in windows}) > 1:
        # Takes of different depths have nothing in common but their values.
        windows = [cast(Window, {**window, "frames": code_values(window["frames"])}) for window in windows]
    if len(windows) > 1:
        return cast(Window, default_collate(windows))
    (window,) = windows
    return cast(Window, {name: cast(Tensor, value)[None] for name, value in window.items()})


def calm_worker(worker: int) -> None:
    """One thread for each library in a worker: the workers themselves are the parallelism. It ends with its parent.

    A scheduler signals every process of a job, and means the trainer, which needs its batches until it has saved: what
    ends a worker is the second SIGTERM, which is its trainer's own.
    """
    end_with_parent()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))
