"""A shot to rehearse on: a clean take damaged by a task, with its mask and its truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from interpositive.dailies.prepared_windows import MakeExample
from interpositive.delivery.evaluation import to_codes
from interpositive.delivery.restoring import frames_to_float
from interpositive.errors import MediaError
from interpositive.functional.seeds import generator_from
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.records.publishing import publish_folder


def rehearse(
    take_path: Path,
    make_example: MakeExample,
    folder: Path,
    *,
    start: int = 0,
    num_frames: int | None = None,
    height: int | None = None,
    seed: int = 0,
) -> Path:
    """Damage a stretch of a clean take; publishes ``shot.mkv`` (lossless), ``mask/`` and ``truth.mkv``.

    ``num_frames`` None goes to the end of the take; ``height`` scales it down first.
    """
    reader = open_reader(take_path)
    info = reader.info
    stop = info.num_frames if num_frames is None else start + num_frames
    if not 0 <= start < stop <= info.num_frames:
        raise MediaError(
            f"{take_path} does not have these frames",
            found=f"frames {start} to {stop}",
            expected=f"within 0 to {info.num_frames}",
        )
    codes = reader.window(start, stop)
    reader.close()
    if height is not None and height < info.height:
        size = (round(info.width * height / info.height / 2) * 2, height)
        codes = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])
    truth = frames_to_float(codes)
    example = make_example(truth, generator_from("rehearsal", seed, take_path.name), None)
    with publish_folder(folder) as scratch:
        for name, frames in (("shot", example.input), ("truth", truth)):
            pictures = to_codes(frames)
            with MovieWriter(
                scratch / f"{name}.mkv",
                info.rate,
                pictures.shape[2],
                pictures.shape[1],
                codec="ffv1",
                start_timecode=info.start_timecode,
                reel=info.reel,
            ) as movie:
                movie.write(pictures)
        (scratch / "mask").mkdir()
        for number, mask in enumerate(example.mask[:, 0].numpy()):
            encoded = cv2.imencode(".png", np.rint(mask * 255.0).astype(np.uint8))[1]
            (scratch / "mask" / f"mask.{number:07d}.png").write_bytes(encoded.tobytes())
    return folder
