"""A small production made in a moment: a few panning takes in H.264, ingested and split."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.take import Take
from interpositive.media.contract import ColourTags, Frames, MediaInfo, check_window
from interpositive.media.movie_writer import MovieWriter

RATE = Fraction(24)
WIDTH, HEIGHT, NUM_FRAMES = 96, 64, 24
TAKES = ("10A_T01_A_R01", "10A_T02_A_R01", "11B_T01_A_R01", "12C_T01_A_R01")
SPLIT_OF_SCENE = {"10A_*": "train", "11B_*": "val", "12C_*": "test"}

PRODUCTION_YAML = "defaults: [default, _self_]\nname: tiny\nworkspace: {folder}\ntraining_height: 64\n"
SMALL_TRAINING = [
    "dailies.window_frames=8",
    "dailies.num_windows=2",
    "dailies.num_val_windows=1",
    "dailies.batch_size=2",
    "dailies.num_prepare_workers=0",
    "finder.max_steps=0",
    "trainer.max_steps=2",
    "trainer.warmup_steps=1",
    "trainer.validate_every=2",
    "trainer.checkpoint_every=2",
    "trainer.held_out_windows=1",
    "trainer.held_out_frames=1",
    "mini_model.scorer_width=4",
    "mini_model.residual_widths=[4,4,4]",
    "mini_model.flow_offsets=[1]",
    "mini_model.camera_offsets=[2]",
]
"""What ``interpositive train`` is told to take two steps on the tiny production; crops of 32 px fit its frames."""


@dataclass(frozen=True)
class TinyProduction:
    """``folder`` is the workspace; ``source`` holds the dailies; ``takes`` are in path order with their split."""

    folder: Path
    catalogue_path: Path
    takes: list[Take]
    source: Path

    def takes_of(self, split: str) -> list[Take]:
        return [take for take in self.takes if take.split == split]


def textured_wall(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Smooth colour with detail at several scales, ``h w 3`` in [0.1, 0.9]: something that flow can hold on to."""
    wall = np.zeros((height, width, 3), np.float32)
    for sigma, strength in ((1.2, 0.5), (3.0, 0.8), (9.0, 1.0), (24.0, 1.0)):
        noise = cv2.GaussianBlur(random.normal(0, 1, (height, width, 3)).astype(np.float32), (0, 0), sigma)
        wall += strength * noise / noise.std()
    low, high = wall.min(), wall.max()
    return (0.1 + 0.8 * (wall - low) / (high - low)).astype(np.float32)


def panning_shot(
    seed: int,
    num_frames: int = NUM_FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
    speed_px: tuple[float, float] = (1.0, 0.0),
    actor: bool = True,
) -> NDArray[np.float32]:
    """``t h w 3``: a camera that pans over a wall by ``speed_px`` (x, y) a frame; an actor may cross it.

    Whole-pixel speeds repeat the wall's pixels exactly from frame to frame.
    """
    random = np.random.default_rng(seed)
    reach = [int(np.ceil(abs(speed) * num_frames)) + 4 for speed in speed_px]
    wall = textured_wall(random, height + reach[1], width + reach[0])
    coat = textured_wall(random, 20, 12) * 0.6
    frames = []
    for t in range(num_frames):
        x, y = (2 + s * t if s >= 0 else r - 2 + s * t for s, r in zip(speed_px, reach, strict=True))
        if float(x).is_integer() and float(y).is_integer():
            frame = wall[int(y) : int(y) + height, int(x) : int(x) + width].copy()
        else:
            matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            frame = cv2.warpAffine(wall, matrix, (width, height), flags=flags)
        if actor:
            left = 8 + t
            frame[height - 24 : height - 4, left : left + 12] = coat[:, : max(0, min(12, width - left))]
        frames.append(frame)
    return np.stack(frames).astype(np.float32)


def write_shot(path: Path, frames: NDArray[np.float32]) -> Path:
    """Frames in [0, 1] as an intra-frame movie."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with MovieWriter(path, RATE, frames.shape[2], frames.shape[1], codec="h264_intra", quality=4) as writer:
        writer.write(np.rint(frames * 255).clip(0, 255).astype(np.uint8))
    return path


class HeldFrames:
    """A reader of codes ``t h w 3`` that are in memory."""

    def __init__(self, codes: Frames, start_timecode: str | None = None) -> None:
        self.codes, self.start_timecode = codes, start_timecode

    @property
    def info(self) -> MediaInfo:
        num_frames, height, width = self.codes.shape[:3]
        tags = ColourTags("rgb", "full", "bt709", "bt709", "rgb")
        bits = 8 * self.codes.dtype.itemsize
        return MediaInfo(
            Path("held"), "sequence", num_frames, RATE, width, height, "png", "rgb", bits, tags, self.start_timecode
        )

    def __len__(self) -> int:
        return len(self.codes)

    def window(self, start: int, stop: int) -> Frames:
        check_window(self.info.path, start, stop, len(self))
        return self.codes[start:stop]

    def close(self) -> None:
        pass


def make_production(root: Path) -> TinyProduction:
    """Write four takes below ``root/dailies`` and ingest them into ``root/production``."""
    source, folder = root / "dailies", root / "production"
    for number, name in enumerate(TAKES):
        write_shot(source / f"{name}.mov", panning_shot(number, speed_px=(1.0 + 0.5 * (number % 2), 0.0)))
    catalogue_path = folder / "catalogue.sqlite"
    folder.mkdir(parents=True)
    rule = SplitRule(val_fraction=0.2, test_fraction=0.2, explicit=SPLIT_OF_SCENE)
    report = ingest(source, catalogue_path, split_rule=rule, num_workers=0, progress=False)
    assert report.num_takes == len(TAKES), [(row.path, row.reason) for row in report.rows]
    with Catalogue(catalogue_path) as catalogue:
        takes = catalogue.takes()
    return TinyProduction(folder, catalogue_path, takes, source)
