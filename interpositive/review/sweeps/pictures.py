"""The best trials side by side: the same held-out frames, damaged, restored by each of them, and true."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from interpositive.errors import MediaError
from interpositive.media.opening import open_reader
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.sweep_record import trial_folder
from interpositive.review.encoding import encode_whole, resized, to_8_bit
from interpositive.review.sweeps.subject import SweepSubject

# With damaged, before and true they fill two rows of four.
MOST_PICTURED = 5
MOST_WINDOWS = 4
_MOST_WIDTH_PX = 960
_QUALITY = 92
# What two compressions of one frame differ by, on average.
_SAME_FRAME_CODES = 4.0
# A movie lacks an odd last line or column, which a preview has.
_MOVIE_EDGE_PX = 1
_WINDOW = re.compile(r"(?P<take>.*) frames (?P<first>-?\d+)-(?P<last>-?\d+)")

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class HeldOutFrame:
    """One held-out frame of a trial, ``h w 3`` each; ``prior`` is None where no preview shows it."""

    name: str
    damaged: Picture
    trained: Picture
    true: Picture
    prior: Picture | None


@dataclass(frozen=True)
class SheetRow:
    """One held-out frame as base64 JPEGs: what it was, what each trial made of it (by number), what it should be."""

    name: str
    damaged: str
    prior: str | None
    trained: dict[int, str]
    true: str


@dataclass(frozen=True)
class TrialsSheet:
    """The contact sheet, and why trials that belong on it are not there, by number."""

    rows: list[SheetRow] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def numbers(self) -> list[int]:
        """Trials on the sheet, in the order of their columns."""
        return list(self.rows[0].trained) if self.rows else []


def trials_sheet(subject: SweepSubject) -> TrialsSheet:
    """Pictures of the best trials; those that were judged on other frames than the first of them are left out."""
    left_out: dict[int, str] = {}
    shown: dict[int, list[HeldOutFrame]] = {}
    for number in subject.figures.picks(MOST_PICTURED):
        course = subject.courses.get(number)
        try:
            frames = _kept_frames(trial_folder(subject.folder, number), course) if course else []
        except MediaError as error:
            left_out[number] = f"its previews cannot be read: {str(error).splitlines()[0]}"
            continue
        if not frames:
            left_out[number] = "it left no previews"
        elif shown and (why := _other_frames(next(iter(shown.values())), frames)):
            left_out[number] = why
        else:
            shown[number] = frames
    if not shown:
        return TrialsSheet(left_out=left_out)
    num_rows = min(map(len, shown.values()))
    return TrialsSheet([_row({n: frames[at] for n, frames in shown.items()}) for at in range(num_rows)], left_out)


def _kept_frames(folder: Path, course: HeldOutCourse) -> list[HeldOutFrame]:
    """The middle frame of each held-out window at the kept checkpoint, a few windows at most."""
    if course.kept_step is None:
        return []
    stem = folder / "previews" / f"step_{course.kept_step:06d}"
    frames = _movie_frames(stem.with_suffix(".mp4"), course.windows)
    if stem.with_suffix(".png").is_file():
        # Shows the first window's middle frame without loss, and the prior.
        frames[:1] = [_preview(stem.with_suffix(".png"), course.windows[0])]
    return frames


def _preview(path: Path, window: str) -> HeldOutFrame:
    try:
        with Image.open(path) as image:
            strip = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise MediaError(f"{path} is not a picture", found=str(error)[:200]) from None
    damaged, prior, trained, true = np.split(strip, [strip.shape[1] * part // 4 for part in (1, 2, 3)], axis=1)
    return HeldOutFrame(_frame_name(window), damaged, trained, true, prior)


def _movie_frames(path: Path, windows: list[str]) -> list[HeldOutFrame]:
    """Middle frames of a movie of windows one after another; only the first where it holds other windows than named."""
    if not path.is_file():
        return []
    lengths = [_length(window) for window in windows]
    found = []
    with closing(open_reader(path)) as reader:
        if sum(lengths) != len(reader):
            # Windows of another raster than the first are not in it.
            windows, lengths = windows[:1], lengths[:1]
        start = 0
        for window, length in list(zip(windows, lengths, strict=True))[:MOST_WINDOWS]:
            at = start + length // 2
            strip = to_8_bit(reader.window(at, at + 1))[0]
            width = -(-strip.shape[1] // 3)
            damaged, trained, true = strip[:, :width], strip[:, width : 2 * width], strip[:, 2 * width :]
            found.append(HeldOutFrame(_frame_name(window), damaged, trained, true, None))
            start += length
    return found


def _other_frames(first: list[HeldOutFrame], frames: list[HeldOutFrame]) -> str:
    """Why a trial cannot stand beside the first one, empty where it can."""
    for one, other in zip(first, frames, strict=False):
        if one.name != other.name:
            return f"it was judged on {other.name}, not on {one.name}"
        for what in ("damaged", "true"):
            mine, its = getattr(one, what), getattr(other, what)
            if np.abs(np.subtract(mine.shape, its.shape)).max() > _MOVIE_EDGE_PX:
                return f"it was judged at {its.shape[1]} × {its.shape[0]} pixels"
            height, width = np.minimum(mine.shape[:2], its.shape[:2])
            if np.abs(mine[:height, :width].astype(np.int16) - its[:height, :width]).mean() > _SAME_FRAME_CODES:
                return f"the {what} picture of {other.name} is another one"
    return ""


def _row(frames: dict[int, HeldOutFrame]) -> SheetRow:
    first = next(iter(frames.values()))
    prior = next((frame.prior for frame in frames.values() if frame.prior is not None), None)
    return SheetRow(
        name=first.name,
        damaged=_encoded(first.damaged),
        prior=None if prior is None else _encoded(prior),
        trained={number: _encoded(frame.trained) for number, frame in frames.items()},
        true=_encoded(first.true),
    )


def _encoded(picture: Picture) -> str:
    height, width = picture.shape[:2]
    if width > _MOST_WIDTH_PX:
        picture = resized(picture, (_MOST_WIDTH_PX, round(height * _MOST_WIDTH_PX / width)))
    return encode_whole(np.ascontiguousarray(picture), _QUALITY).jpeg


def _length(window: str) -> int:
    told = _WINDOW.fullmatch(window)
    return int(told["last"]) - int(told["first"]) + 1 if told else 1


def _frame_name(window: str) -> str:
    told = _WINDOW.fullmatch(window)
    return f"{told['take']}, frame {int(told['first']) + _length(window) // 2}" if told else window
