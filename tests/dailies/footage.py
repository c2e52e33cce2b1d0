"""Tiny footage and cheap probes for the tests of this room; importable from spawned workers."""

from __future__ import annotations

import os
import signal
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from interpositive.errors import MediaError
from interpositive.media.contract import ColourTags, MediaInfo
from interpositive.media.movie_writer import MovieWriter

RATE = Fraction(24)


def make_movie(
    path: Path, num_frames: int = 6, height: int = 32, width: int = 48, seed: int = 0, rate: Fraction = RATE
) -> Path:
    """A movie whose frame n is grey ``16 + 4 n`` with a little texture: frames can be told apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texture = np.random.default_rng(seed).integers(0, 3, (height, width, 3))
    frames = np.stack([(texture + 16 + 4 * n).clip(0, 255) for n in range(num_frames)]).astype(np.uint8)
    with MovieWriter(path, rate, width, height, codec="h264_intra", start_timecode="01:00:00:00") as writer:
        writer.write(frames)
    return path


def write_stereo(folder: Path, reel: str = "", rate: tuple[int, int] | None = None) -> None:
    """Three EXR frames of two parts: ``left`` is 0.25 everywhere, ``right`` 0.5."""
    folder.mkdir(parents=True)
    for number in range(1001, 1004):
        path = str(folder / f"{folder.name}.{number}.exr")
        specs = [oiio.ImageSpec(64, 32, 3, oiio.HALF) for _ in range(2)]
        for spec, part in zip(specs, ("left", "right"), strict=True):
            spec.attribute("oiio:subimagename", part)
            if reel:
                spec.attribute("reelName", reel)
            if rate:
                spec.attribute("framesPerSecond", oiio.TypeRational, rate)
        output = oiio.ImageOutput.create(path)
        assert output.open(path, tuple(specs)), output.geterror()
        assert output.write_image(np.full((32, 64, 3), 0.25, np.float16))
        assert output.open(path, specs[1], "AppendSubimage"), output.geterror()
        assert output.write_image(np.full((32, 64, 3), 0.5, np.float16)) and output.close()


def cheap_info(path: Path, num_frames: int = 24) -> MediaInfo:
    """What a probe says about a file that nobody decodes."""
    tags = ColourTags("bt709", "limited", "bt709", "bt709", "tagged")
    return MediaInfo(path, "movie", num_frames, RATE, 64, 32, "h264", "yuv420p", 8, tags, intra_only=True)


def moody_probe(path: Path) -> MediaInfo:
    """Does to the process what the file's name says."""
    if "crash" in path.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in path.name:
        time.sleep(600)
    if "leave" in path.name:
        os._exit(3)
    if "raise" in path.name:
        raise RuntimeError("a library's own\nerror")
    if "damaged" in path.name:
        raise MediaError("it is cut short", found="3 of 9 frames")
    if "wavering" in path.name:
        return MediaInfo(**{**cheap_info(path).__dict__, "variable_rate": True})
    return cheap_info(path)


def slow_probe(path: Path) -> MediaInfo:
    """Leaves time for a kill."""
    time.sleep(0.004)
    return cheap_info(path)


def write_bytes(path: Path, content: bytes) -> Path:
    """A file of these bytes, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
