"""How quickly movies are read, each reader beside the bare library it stands on, in turns within one run.

    python scripts/bench_readers.py [--rounds 5] [--frames 256]

1. In order: the PyAV reader beside bare PyAV that puts the same RGB into the same windows, beside one that keeps no
   frame, and beside PyAV's own, less exact, conversion; the decord reader beside bare decord. Frame sequences beside
   bare OpenImageIO that fills the same windows, and beside one that keeps none. Bar: 0.9 of the bare decoder that
   fills the same windows.
2. At random: 16-frame windows of proxies as ingest makes them, beside 16-frame windows of the long-GOP original
   through bare decord. Bar: 5 times.
3. Windows as training takes them, tensors included, beside the bare reader reading the same windows. Bar: 0.85.

Frames a second, medians of the rounds. ``--save`` writes them as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import interpositive._torchvision_guard  # noqa: F401  isort: skip
import av
import cv2
import numpy as np
import OpenImageIO as oiio

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.windows import TakeWindows, make_loader
from interpositive.media.decord_reader import _import_decord
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.rgb_codes import RgbConverter
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameFormat

HEIGHT, WIDTH = 1080, 1920
WINDOW = 16
MOVIES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"codec": "h264", "gop": 250},
    "prores.mov": {"codec": "prores"},
    "dnxhr.mxf": {"codec": "dnxhr"},
}

SEQUENCES: tuple[FrameFormat, ...] = ("exr", "dpx10", "tiff16", "png16")


def make_movies(folder: Path, num_frames: int) -> None:
    """A slow pan over a textured picture, with grain."""
    chance = np.random.default_rng(0)
    noise = chance.normal(0, 1, (HEIGHT + 2 * num_frames, WIDTH + 3 * num_frames, 3)).astype(np.float32)
    picture = sum(cv2.GaussianBlur(noise, (0, 0), size) * size**1.5 for size in (1, 4, 16, 64))
    picture = (picture - picture.min()) / (picture.max() - picture.min())
    for name, settings in MOVIES.items():
        # A group of pictures as long as cameras make it; the others only need to be timed.
        count = num_frames if "gop" in settings else num_frames // 4
        with MovieWriter(folder / name, Fraction(24), WIDTH, HEIGHT, **settings) as writer:
            for n in range(count):
                seen = picture[2 * n : 2 * n + HEIGHT, 3 * n : 3 * n + WIDTH]
                grain = chance.normal(0, 0.012, seen.shape).astype(np.float32)
                writer.write((np.clip(seen + grain, 0, 1) * 65535).astype(np.uint16)[None])


@dataclass(frozen=True)
class Speed:
    """Frames a second by the clock, and by the processor time of this process and all its threads."""

    wall: float
    cpu: float


def in_turns(rounds: int, sides: dict[str, Callable[[], int]]) -> dict[str, Speed]:
    """Run all sides in turn, ``rounds`` times; medians of each."""
    speeds: dict[str, list[Speed]] = {name: [] for name in sides}
    for turn in range(rounds):
        # Whoever goes first in a round goes last in the next.
        for name, side in list(sides.items())[:: 1 if turn % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            num_frames = side()
            speeds[name].append(
                Speed(num_frames / (time.perf_counter() - wall), num_frames / (time.process_time() - cpu))
            )
    return {
        name: Speed(statistics.median(one.wall for one in found), statistics.median(one.cpu for one in found))
        for name, found in speeds.items()
    }


def in_order(path: Path) -> dict[str, Callable[[], int]]:
    with closing(PyAVReader(path)) as reader:
        info, num_frames = reader.info, len(reader)
        converter = RgbConverter(info.colour, info.pixel_format)
    default = "rgb24" if info.bits == 8 else "rgb48le"

    def bare(convert: Callable[[av.VideoFrame], object]) -> int:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "NONE"
            for frame in container.decode(stream):
                convert(frame)
        return num_frames

    def same(frame: av.VideoFrame) -> None:
        converter.write_rgb(frame, np.empty((info.height, info.width, 3), converter.dtype))

    room: list[Any] = []

    def into_windows(frame: av.VideoFrame) -> None:
        if not room:
            room.extend(np.empty((8, info.height, info.width, 3), converter.dtype))
        converter.write_rgb(frame, room.pop())

    opened = PyAVReader(path)
    len(opened)
    sides = {
        "reader": lambda: read_in_order(opened),
        "bare, into windows": lambda: bare(into_windows),
        "bare, same conversion": lambda: bare(same),
        "bare, default conversion": lambda: bare(lambda frame: frame.to_ndarray(format=default)),
    }
    if info.bits == 8:
        decord, quick = _import_decord(), open_reader(path, "decord")
        read_in_order(quick)
        handle = decord.VideoReader(str(path), num_threads=1)
        sides["decord reader"] = lambda: read_in_order(quick)
        sides["bare decord"] = lambda: sum(
            len(handle.get_batch(range(start, min(start + 8, num_frames))).asnumpy())
            for start in range(0, num_frames, 8)
        )
    return sides


def make_sequence(folder: Path, format: FrameFormat, movie: Path) -> Path:
    """The first frames of a movie as single files."""
    folder.mkdir()
    with closing(PyAVReader(movie)) as reader:
        codes = reader.window(0, min(WINDOW, len(reader)))
    frames = codes / np.float32(65535) if format == "exr" else codes
    settings: dict[str, Any] = {"first_frame": 1, "rate": Fraction(24), "start_timecode": "01:00:00:00", "bits": 10}
    with SequenceWriter(folder, "shot", format=format, **settings) as writer:
        writer.write(frames.astype(np.float16).astype(np.float32) if format == "exr" else frames)
    return folder


def frames_in_order(folder: Path) -> dict[str, Callable[[], int]]:
    reader = SequenceReader(folder)
    paths = sorted(folder.iterdir())
    kind = oiio.FLOAT if paths[0].suffix == ".exr" else oiio.UINT16
    dtype = reader.window(0, 1).dtype

    def decode(path: Path) -> Any:
        picture = oiio.ImageInput.open(str(path))
        pixels = picture.read_image(0, 0, 0, 3, kind)
        picture.close()
        return pixels

    def into_windows() -> int:
        for start in range(0, len(paths), 8):
            chosen = paths[start : start + 8]
            window = np.empty((len(chosen), HEIGHT, WIDTH, 3), dtype)
            for place, path in enumerate(chosen):
                window[place] = decode(path)
        return len(paths)

    return {
        "reader": lambda: read_in_order(reader),
        "bare, into windows": into_windows,
        "bare, nothing kept": lambda: sum(decode(path) is not None for path in paths),
    }


def read_in_order(reader: Any) -> int:
    for start in range(0, len(reader), 8):
        reader.window(start, min(start + 8, len(reader)))
    return len(reader)


def at_random(original: Path, proxy: Path, num_windows: int) -> dict[str, Callable[[], int]]:
    handle = _import_decord().VideoReader(str(original), num_threads=1)
    reader = open_reader(proxy, "decord")
    starts = [random.Random(n).randrange(len(reader) - WINDOW) for n in range(num_windows)]

    def windows(read: Callable[[int], object]) -> int:
        for start in starts:
            read(start)
        return WINDOW * num_windows

    return {
        "proxy": lambda: windows(lambda start: reader.window(start, start + WINDOW)),
        "original, bare decord": lambda: windows(
            lambda start: handle.get_batch(range(start, start + WINDOW)).asnumpy()
        ),
    }


def for_training(windows: TakeWindows, num_windows: int) -> dict[str, Callable[[], int]]:
    # By decord where the windows are read by it: proxies of 8-bit takes.
    readers = {
        take.name: open_reader(Path(take.proxy_path), "decord" if take.bits == 8 else "pyav") for take in windows.takes
    }

    def bare() -> int:
        for index in range(num_windows):
            place = windows.place(index, 0)
            readers[windows.takes[place.take].name].window(place.start, place.start + WINDOW)
        return WINDOW * num_windows

    def loaded(loader: Any) -> int:
        return sum(batch["frames"].shape[0] * batch["frames"].shape[1] for batch in loader)

    alone, helped = (make_loader(windows, 1, num_workers) for num_workers in (0, 2))
    # Workers start, and readers open, before anything is measured.
    for warm in (bare, lambda: loaded(alone), lambda: loaded(helped)):
        warm()
    return {
        "bare reader": bare,
        "0 workers": lambda: loaded(alone),
        "2 workers": lambda: loaded(helped),
    }


def show(title: str, speeds: dict[str, Speed], ratios: list[tuple[str, str, float]]) -> list[dict[str, Any]]:
    print(f"\n{title}")
    for name, speed in speeds.items():
        # What workers do is not in the processor time of this process.
        cpu = "" if "workers" in name and not name.startswith("0") else f"{speed.cpu:8.1f} a processor second"
        print(f"  {name:<26} {speed.wall:8.1f} frames/s {cpu}")
    found = []
    for one, other, bar in ratios:
        ratio, cpu_ratio = speeds[one].wall / speeds[other].wall, speeds[one].cpu / speeds[other].cpu
        verdict = f"bar {bar}: {'held' if ratio >= bar else 'MISSED'}" if bar else "no bar"
        print(f"  {one} / {other}: {ratio:.2f}, by processor time {cpu_ratio:.2f} ({verdict})")
        found.append({"case": title, "of": one, "to": other, "ratio": ratio, "cpu_ratio": cpu_ratio, "bar": bar})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--proxy-height", type=int, default=540)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(0)
    found: list[dict[str, Any]] = []
    print(f"{os.cpu_count()} cores, {platform.machine()}, PyAV {av.__version__}; {options.rounds} rounds in turns")
    with tempfile.TemporaryDirectory() as name:
        dailies = Path(name) / "dailies"
        dailies.mkdir()
        make_movies(dailies, options.frames)
        for movie in MOVIES:
            speeds = in_turns(options.rounds, in_order(dailies / movie))
            ratios = [
                ("reader", "bare, into windows", 0.9),
                ("reader", "bare, same conversion", 0.0),
                ("reader", "bare, default conversion", 0.0),
            ]
            if "bare decord" in speeds:
                ratios.append(("decord reader", "bare decord", 0.9))
            found += show(f"in order, 1080p, {movie}", speeds, ratios)
        for format in SEQUENCES:
            folder = make_sequence(Path(name) / format, format, dailies / "prores.mov")
            speeds = in_turns(options.rounds, frames_in_order(folder))
            found += show(
                f"in order, 1080p, {format} frames",
                speeds,
                [("reader", "bare, into windows", 0.9), ("reader", "bare, nothing kept", 0.9)],
            )
            shutil.rmtree(folder)
        catalogue_path = Path(name) / "catalogue.sqlite"
        ingest(dailies, catalogue_path, proxy_height=options.proxy_height, num_workers=0, progress=False)
        with Catalogue(catalogue_path) as catalogue:
            takes = list(catalogue.takes())
        (proxy,) = (take.proxy_path for take in takes if take.path.endswith("h264.mp4"))
        speeds = in_turns(options.rounds, at_random(dailies / "h264.mp4", Path(proxy), options.windows))
        found += show("at random, windows of 16", speeds, [("proxy", "original, bare decord", 5.0)])
        width = takes[0].width * options.proxy_height // takes[0].height
        windows = TakeWindows(takes, WINDOW, size=(options.proxy_height, width), windows_per_epoch=2 * options.windows)
        speeds = in_turns(options.rounds, for_training(windows, 2 * options.windows))
        found += show(
            "windows for training", speeds, [("0 workers", "bare reader", 0.85), ("2 workers", "bare reader", 0.85)]
        )
    if options.save:
        options.save.write_text(json.dumps(found, indent=1))
    return 0 if all(one["ratio"] >= one["bar"] for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
