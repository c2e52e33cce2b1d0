"""Test footage that tells its own frame number: sixteen big black or white squares across the top."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

NUM_BITS = 16
SQUARE_PX = 8
WIDTH, HEIGHT = NUM_BITS * SQUARE_PX, 64


def numbered_frames(start: int, stop: int, dtype: type = np.uint8, scale: int = 1) -> NDArray[Any]:
    """Frames ``start <= n < stop`` as ``t h w 3`` codes: the number above, a moving smooth gradient below.

    They are ``scale`` times as wide and high as usual, for codecs that need it.
    """
    top = np.iinfo(dtype).max
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    frames = np.empty((stop - start, HEIGHT, WIDTH, 3), dtype)
    for place, n in enumerate(range(start, stop)):
        waves = np.stack([np.sin((x + 3 * n) / 23), np.cos((y - 2 * n) / 17), np.sin((x + y + n) / 31)], axis=-1)
        frames[place] = np.rint((0.5 + 0.35 * waves) * top).astype(dtype)
        for bit in range(NUM_BITS):
            code = top if n >> bit & 1 else 0
            frames[place, : 2 * SQUARE_PX, bit * SQUARE_PX : (bit + 1) * SQUARE_PX] = code
    return frames.repeat(scale, axis=1).repeat(scale, axis=2) if scale > 1 else frames


def read_number(frame: NDArray[Any]) -> int:
    """Read the number back from the squares' middles."""
    values = frame.astype(np.float64)
    middle = (values.max() + values.min()) / 2
    square = frame.shape[1] // NUM_BITS
    edge, rows = square // 4, slice(square // 2, 3 * square // 2)
    return sum(
        int(values[rows, bit * square + edge : (bit + 1) * square - edge].mean() > middle) << bit
        for bit in range(NUM_BITS)
    )


def write_raw_movie(
    path: Path,
    num_frames: int,
    *,
    encoder: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    rate: Fraction = Fraction(24),
    pts: list[int] | None = None,
    tagged: bool = True,
    matrix: Colorspace = Colorspace.ITU709,
    full_range: bool = False,
    rotation: int = 0,
    frames: NDArray[Any] | None = None,
) -> None:
    """Write a movie without the package's own writer, timestamps, tags and range as the test wants."""
    frames = numbered_frames(0, num_frames) if frames is None else frames
    code_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixel_format
        if rotation:
            stream.set_display_rotation(rotation)
        context = stream.codec_context
        context.thread_count = 1
        if tagged:
            context.colorspace = 1 if matrix == Colorspace.ITU709 else 6
        if tagged or full_range:
            context.color_range = code_range
        for n, codes in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(codes, format="rgb24").reformat(
                format=pixel_format,
                dst_colorspace=matrix,
                dst_color_range=code_range,
                src_color_range=ColorRange.JPEG,
            )
            picture.colorspace = context.colorspace
            picture.color_range = context.color_range
            picture.pts = n if pts is None else pts[n]
            picture.time_base = 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
