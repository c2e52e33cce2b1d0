"""The pictures a page carries: which frames, at what size, within what budget of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from interpositive.errors import MediaError
from interpositive.media.contract import FrameReader
from interpositive.media.opening import open_reader
from interpositive.records.measures import ShotMeasures
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode
from interpositive.review.encoding import (
    Patch,
    Picture,
    encode_mask,
    encode_patch,
    encode_whole,
    mask_centre,
    resized,
    resized_mask,
    to_8_bit,
)
from interpositive.review.subjects import Subject

PLATE, MATTE = "plate", "matte"
_FRAMES_AT_ONCE = 8
_PROBED_FRAMES = 3
_RUN_BYTES = 10


@dataclass(frozen=True)
class Rung:
    """One compromise between size, quality and number of frames."""

    width: int
    quality: int
    num_frames: int


# A wire is a pixel or two wide, so size is given up last.
LADDER = (
    Rung(1920, 90, 120),
    Rung(1920, 85, 96),
    Rung(1920, 80, 72),
    Rung(1280, 88, 120),
    Rung(1280, 82, 120),
    Rung(1280, 80, 72),
    Rung(1280, 78, 48),
    Rung(960, 80, 96),
    Rung(960, 80, 56),
    Rung(640, 80, 72),
    Rung(640, 75, 40),
    Rung(480, 75, 24),
    Rung(480, 70, 12),
    Rung(320, 65, 8),
)


@dataclass
class ShotPictures:
    """What a page embeds of one shot.

    ``frames`` are frame numbers, rising; ``playable`` is the half-open range
    of them that follows without a gap. ``tracks`` has each role's pictures in
    the order of ``frames``, ``matte`` the masks as base64 PNG. ``centres`` has
    the middle of each mask in picture widths and heights, None for an empty one.
    """

    width: int
    height: int
    source_width: int
    source_height: int
    frames: list[int]
    playable: tuple[int, int]
    tracks: dict[str, list[Patch]] = field(default_factory=dict)
    matte: list[str] = field(default_factory=list)
    centres: list[tuple[float, float] | None] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        """Bytes that the pictures take in the page."""
        patches = [patch for track in self.tracks.values() for patch in track]
        runs = sum(len(patch.runs or ()) for patch in patches)
        return sum(map(len, self.matte)) + sum(len(patch.jpeg) for patch in patches) + runs * _RUN_BYTES


def choose_frames(num_frames: int, worst: Sequence[int], length: int) -> tuple[list[int], tuple[int, int]]:
    """Indices to embed, and the range of them that plays.

    ``length`` frames around the worst one play, and every worst frame is
    embedded; it is the whole shot when that is no longer than ``length``.
    """
    if num_frames <= length:
        return list(range(num_frames)), (0, num_frames)
    middle = worst[0] if worst else num_frames // 2
    start = min(max(middle - length // 2, 0), num_frames - length)
    stop = start + length
    return sorted({*range(start, stop), *worst}), (start, stop)


def frame_timecode(shot: ShotMeasures, frame: int) -> str | None:
    """The timecode of a frame number, None where the shot has none."""
    if shot.start_timecode is None:
        return None
    rate = Fraction(shot.rate)
    start = timecode_to_frame(shot.start_timecode, rate)
    return wrapped_timecode(start + frame - shot.first_frame, rate, is_drop_frame(shot.start_timecode))


def embed_shot(subject: Subject, shot: ShotMeasures, budget_bytes: int) -> ShotPictures:
    """Decode a shot's movies and encode what fits ``budget_bytes`` of page, at the best rung that does.

    ``MediaError`` if a movie is unreadable, shorter than the measures say or of another raster.
    """
    worst = [frame - shot.first_frame for frame in shot.worst_frames]
    with ExitStack() as stack:
        readers = {
            role: stack.enter_context(closing(_open(subject.picture_path(path), shot)))
            for role, path in shot.pictures.items()
        }
        _require_one_raster(readers, shot)
        probed, _ = choose_frames(shot.num_frames, worst, LADDER[0].num_frames)
        probed = [probed[len(probed) * (2 * part + 1) // (2 * _PROBED_FRAMES)] for part in range(_PROBED_FRAMES)]
        decoded = list(_frames(readers, probed))
        for rung in LADDER[:-1]:
            chosen, playable = choose_frames(shot.num_frames, worst, rung.num_frames)
            probe = _embed(decoded, readers, shot, probed, playable, rung)
            if probe.num_bytes * len(chosen) > budget_bytes * len(probed):
                continue
            pictures = _embed(_frames(readers, chosen), readers, shot, chosen, playable, rung)
            if pictures.num_bytes <= budget_bytes:
                return pictures
        chosen, playable = choose_frames(shot.num_frames, worst, LADDER[-1].num_frames)
        return _embed(_frames(readers, chosen), readers, shot, chosen, playable, LADDER[-1])


def _open(path: Path, shot: ShotMeasures) -> FrameReader:
    reader = open_reader(path)
    if len(reader) < shot.num_frames:
        reader.close()
        raise MediaError(
            f"{path} is shorter than {shot.name}",
            found=f"{len(reader)} frames",
            expected=f"{shot.num_frames} frames",
        )
    return reader


def _require_one_raster(readers: dict[str, FrameReader], shot: ShotMeasures) -> None:
    rasters = {role: (reader.info.width, reader.info.height) for role, reader in readers.items()}
    if len(set(rasters.values())) > 1:
        raise MediaError(
            f"the pictures of {shot.name} are not of one size",
            found=", ".join(f"{role} {width}x{height}" for role, (width, height) in rasters.items()),
            expected="one raster for all of them",
        )


def _embed(
    frames: Iterable[dict[str, Picture]],
    readers: dict[str, FrameReader],
    shot: ShotMeasures,
    chosen: Sequence[int],
    playable: tuple[int, int],
    rung: Rung,
) -> ShotPictures:
    source = next(((reader.info.width, reader.info.height) for reader in readers.values()), (0, 0))
    size = _size(*source, rung)
    numbers = [shot.first_frame + index for index in chosen]
    found = ShotPictures(*size, *source, numbers, (playable[0] + shot.first_frame, playable[1] + shot.first_frame))
    found.tracks.update({role: [] for role in readers if role != MATTE})
    for pictures in frames:
        mask = np.zeros(size[::-1], bool)
        if MATTE in pictures:
            mask = resized_mask(pictures[MATTE], size)
            found.matte.append(encode_mask(mask))
        found.centres.append(mask_centre(mask))
        plate = resized(pictures[PLATE], size) if PLATE in pictures else None
        for role, track in found.tracks.items():
            if plate is None or role == PLATE:
                track.append(encode_whole(resized(pictures[role], size), rung.quality))
            else:
                track.append(encode_patch(resized(pictures[role], size), plate, mask, rung.quality))
    return found


def _frames(readers: dict[str, FrameReader], chosen: Sequence[int]) -> Iterator[dict[str, Picture]]:
    """The chosen frames of all movies together, decoded a few at a time where they follow each other."""
    at = 0
    while at < len(chosen):
        stop = at + 1
        while stop < len(chosen) and chosen[stop] == chosen[stop - 1] + 1 and stop - at < _FRAMES_AT_ONCE:
            stop += 1
        windows = {role: to_8_bit(reader.window(chosen[at], chosen[stop - 1] + 1)) for role, reader in readers.items()}
        for offset in range(stop - at):
            yield {role: window[offset] for role, window in windows.items()}
        at = stop


def _size(width: int, height: int, rung: Rung) -> tuple[int, int]:
    if width <= rung.width:
        return width, height
    return rung.width, max(1, round(height * rung.width / width))
