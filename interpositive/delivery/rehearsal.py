"""A shot to rehearse on: a clean take damaged by a task, with its mask and its truth."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from einops import rearrange
from torch import Tensor

from interpositive.dailies.prepared_windows import MakeExample
from interpositive.delivery.evaluation import to_codes
from interpositive.delivery.restoring import frames_to_values
from interpositive.errors import MediaError
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import Frames, MediaInfo
from interpositive.media.encoding_tags import encoding_of_movie
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import AS_STORED
from interpositive.media.range_reader import RangeReader
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_colour import UNKNOWN
from interpositive.media.still_tags import FrameTags
from interpositive.records.publishing import publish_folder


def rehearse(
    take_path: Path,
    make_example: MakeExample,
    folder: Path,
    *,
    start: int = 0,
    num_frames: int | None = None,
    height: int | None = None,
    encoding: str = "",
    layer: str | None = None,
    rate: Fraction | None = None,
    seed: int = 0,
) -> Path:
    """Damage a stretch of a clean take; publishes ``mask/`` and, without loss, the shot and its truth.

    Those are movies ``shot.mkv`` and ``truth.mkv``, or for floating-point takes folders ``shot`` and
    ``truth`` of EXR, with the take's colour tags. ``num_frames`` None goes to the end of the take;
    ``height`` scales it down first. ``encoding`` names the take's over what its file says;
    ``layer`` and ``rate`` are for a take of frames that leave these open.
    """
    with closing(open_reader(take_path, layer=layer, rate=rate)) as reader:
        info = reader.info
        stop = info.num_frames if num_frames is None else start + num_frames
        if not 0 <= start < stop <= info.num_frames:
            raise MediaError(
                f"{take_path} does not have these frames",
                found=f"frames {start} to {stop}",
                expected=f"within 0 to {info.num_frames}",
            )
        stretch = RangeReader(reader, start, stop)
        info, codes = stretch.info, stretch.window(0, len(stretch))
    if encoding and encoding != info.encoding:
        info = replace(info, encoding=encoding, colour=replace(info.colour, primaries=UNKNOWN, transfer=UNKNOWN))
    if height is not None and height < info.height:
        size = (round(info.width * height / info.height / 2) * 2, height)
        codes = cast(Frames, np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes]))
    truth = frames_to_values(codes, AS_STORED)
    example = make_example(truth, generator_from("rehearsal", seed, take_path.name), None)
    with publish_folder(folder) as scratch:
        for name, frames in (("shot", example.input), ("truth", truth)):
            _write(scratch / name, frames, codes.dtype, info)
        (scratch / "mask").mkdir()
        for number, mask in enumerate(example.mask[:, 0].numpy()):
            encoded = cv2.imencode(".png", np.rint(mask * 255.0).astype(np.uint8))[1]
            (scratch / "mask" / f"mask.{number:07d}.png").write_bytes(encoded.tobytes())
    return folder


def _write(path: Path, frames: Tensor, stored: np.dtype[Any], info: MediaInfo) -> None:
    """Frames ``t 3 h w`` in codes of the take's own type, tagged as the take is."""
    if stored.kind == "f":
        path.mkdir()
        SequenceWriter(
            path,
            path.name,
            format="exr",
            first_frame=0,
            rate=info.rate,
            start_timecode=info.start_timecode,
            bits=info.bits,
            tags=FrameTags.of(info, info.encoding),
        ).write(np.ascontiguousarray(rearrange(frames, "t c h w -> t h w c").numpy()))
        return
    pictures = to_codes(frames, stored)
    with MovieWriter(
        path.with_suffix(".mkv"),
        info.rate,
        pictures.shape[2],
        pictures.shape[1],
        codec="ffv1",
        pixel_format=None if stored == np.uint8 else "gbrp16le",
        start_timecode=info.start_timecode,
        reel=info.reel,
        primaries=info.colour.primaries,
        transfer=info.colour.transfer,
        encoding="" if _tags_say(info) else info.encoding,
    ) as movie:
        movie.write(pictures)


def _tags_say(info: MediaInfo) -> bool:
    return encoding_of_movie(info.colour, {}) == info.encoding
