"""Mini-models whose mistakes are known, and plates whose codes are known; importable from fresh processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.delivery.accounting import DeliverySource
from interpositive.delivery.deliver import DeliverySettings
from interpositive.delivery.gate import GatePlan
from interpositive.delivery.restoring import WindowPlan
from interpositive.functional.examples import Example
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameTags
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.tasks.contract import Task

GREY = 0.5
ERRORS = {"telea": 0.2, "flow": 0.1, "prior": 0.05, "trained": 0.02}
RATE = Fraction(24)
WIDTH, HEIGHT = 40, 32
SOURCE = DeliverySource("tiny", "wire_removal", Path("run/archive"), "a" * 64, "c" * 64, ["10A_01"], {"torch": "2"})
FEW = GatePlan(num_trials=2, num_frames=3, reach=2, shift_share=(0.3, 0.3))


class KnownErrors(MiniModel):
    """Fills the hole with grey plus a method's own error; counts what it was asked."""

    trained_method = "trained"

    def __init__(self, errors: Mapping[str, float] | None = None, reach_frames: int = 3) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.errors = dict(ERRORS if errors is None else errors)
        self.methods = tuple(self.errors)
        self.reach_frames = reach_frames
        self.asked: list[tuple[int, range, tuple[str, ...]]] = []
        self.masks: list[Tensor] = []

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        raise NotImplementedError

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError

    def fill(self, example: Example, keep: range) -> Tensor:
        return torch.full_like(example.input[keep.start : keep.stop], GREY)

    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        wanted = tuple(methods if methods is not None else self.methods)
        self.asked.append((example.input.shape[0], keep, wanted))
        self.masks.append(example.mask.clone())
        frames = example.input[keep.start : keep.stop]
        hole = example.mask[keep.start : keep.stop] > 0
        sure = torch.ones_like(hole, dtype=torch.float32)
        fill = self.fill(example, keep)
        return {m: Restored(torch.where(hole, fill + self.errors[m], frames), sure) for m in wanted}


class WindowMean(KnownErrors):
    """Fills with the mean of its window, so that windows disagree and have to be faded."""

    def fill(self, example: Example, keep: range) -> Tensor:
        return torch.full_like(example.input[keep.start : keep.stop], float(example.input.mean()))


class Meddler(KnownErrors):
    """Changes the plate beside the hole, as no mini-model may."""

    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        return {m: Restored(1.0 - r.frames, r.confidence) for m, r in super().restore(example, keep, methods).items()}


class NothingDamaged(Task):
    """Asks for nothing, and damages nothing."""

    name = "nothing_damaged"

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        return Example(frames, torch.zeros_like(frames[:, :1]), frames)


TASK = NothingDamaged()


def settings(**changes: Any) -> DeliverySettings:
    given: dict[str, Any] = {"method": "trained", "compare": 0, "progress": False, "gate": FEW}
    return DeliverySettings(**{**given, "windows": WindowPlan(6, 2, 2), **changes})


def noise_codes(
    num_frames: int, dtype: type[np.generic] = np.uint8, height: int = HEIGHT, width: int = WIDTH
) -> NDArray[Any]:
    """Noise over all codes: no pixel is like its neighbour."""
    random = np.random.default_rng(num_frames)
    if dtype is np.float32:
        return (random.random((num_frames, height, width, 3)) * 4.0 - 0.5).astype(np.float32)
    return random.integers(0, int(np.iinfo(dtype).max) + 1, (num_frames, height, width, 3)).astype(dtype)


def write_movie(
    path: Path, codes: NDArray[Any], codec: str = "ffv1", rate: Fraction = RATE, timecode: str | None = None
) -> Path:
    with MovieWriter(path, rate, codes.shape[2], codes.shape[1], codec=codec, start_timecode=timecode) as movie:
        movie.write(codes)
    return path


def write_sequence(
    folder: Path,
    codes: NDArray[Any],
    frame_format: Any = "png16",
    first_frame: int = 0,
    rate: Fraction = RATE,
    timecode: str | None = None,
    bits: int = 16,
) -> Path:
    folder.mkdir(parents=True)
    SequenceWriter(
        folder,
        "plate",
        format=frame_format,
        first_frame=first_frame,
        rate=rate,
        start_timecode=timecode,
        bits=bits,
        tags=FrameTags(transfer="bt709"),
    ).write(codes)
    return folder


def write_png8(folder: Path, codes: NDArray[np.uint8], first_frame: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(codes, first_frame):
        cv2.imwrite(str(folder / f"frame.{number:04d}.png"), frame[..., ::-1])
    return folder


def bar_mask(num_frames: int, height: int = HEIGHT, width: int = WIDTH, empty: Sequence[int] = ()) -> NDArray[np.uint8]:
    """A bar four pixels wide that moves a pixel a frame, as 8-bit codes ``t h w``; some frames may be empty."""
    mask = np.zeros((num_frames, height, width), np.uint8)
    for t in range(num_frames):
        if t not in empty:
            mask[t, :, 6 + t % 8 : 10 + t % 8] = 255
    return mask


def write_mask(folder: Path, mask: NDArray[np.uint8]) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(mask):
        cv2.imwrite(str(folder / f"mask.{number:04d}.png"), frame)
    return folder


def write_drawing(path: Path, frames: Mapping[Any, Any], width: int = WIDTH, height: int = HEIGHT) -> Path:
    path.write_text(json.dumps({"width": width, "height": height, "frames": frames}))
    return path
