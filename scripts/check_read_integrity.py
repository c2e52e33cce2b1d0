"""What does checking every read cost, and does it find every flipped bit?

    python scripts/check_read_integrity.py
    python scripts/check_read_integrity.py --frames 8 --rounds 3 --flips 15 --lines 270

Cost: the same frames of the same files are read plain and checked, in turns within
one run, from opening to closing; the table gives processor time (all threads) and what checking
adds to it and to the time on the clock. Flips: single bits at random places of five codecs, each
of which must be named by file and byte range before one frame is given. Exits 1 when checking adds more than --limit
per cent of processor time, or a flip was missed, misplaced or decoded.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np

from interpositive.errors import IntegrityError
from interpositive.media.contract import Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.sequence_reader import list_frames
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.records.digests import CHUNK_BYTES
from interpositive.records.take_digests import TakeDigests, digest_file

COST_FORMATS = ("h264.mp4", "prores.mov", "dnxhr.mxf", "dpx10", "exr", "png16")
FLIP_FORMATS = ("h264.mp4", "prores.mov", "dnxhr.mxf", "ffv1.mkv", "dpx10")


def moving_frames(num_frames: int, lines: int) -> Frames:
    """A graded background with grain, moving; 16-bit codes."""
    width = lines * 16 // 9 // 2 * 2
    chance = np.random.default_rng(0)
    ramp = np.linspace(0.1, 0.8, width, dtype=np.float32)[None, :, None] * np.array([1.0, 0.9, 0.7], np.float32)
    frames = np.empty((num_frames, lines, width, 3), np.uint16)
    for n in range(num_frames):
        grain = chance.normal(0, 0.01, (lines, width, 3)).astype(np.float32)
        frames[n] = np.clip((np.roll(ramp, 4 * n, 1) + grain) * 65535, 0, 65535)
    return frames


def write_take(folder: Path, name: str, frames: Frames) -> Path:
    """The frames as a movie or a sequence of the named kind."""
    codec, _, extension = name.partition(".")
    path = folder / name
    if extension:
        codes = (frames >> 8).astype(np.uint8) if codec == "h264" else frames
        with MovieWriter(path, Fraction(24), frames.shape[2], frames.shape[1], codec=codec) as writer:
            writer.write(codes)
    else:
        path.mkdir()
        pixels = (frames / 65535).astype(np.float16) if codec == "exr" else frames
        bits = {"dpx10": 10}.get(codec, 16)
        with SequenceWriter(
            path, "f", format=codec, first_frame=1, rate=Fraction(24), start_timecode=None, bits=bits
        ) as writer:
            writer.write(pixels)
    return path


def digest_take(path: Path) -> TakeDigests:
    """The digests ingest would keep."""
    if path.is_dir():
        return TakeDigests(files=tuple(digest_file(frame, frame.name) for frame in list_frames(path)))
    return TakeDigests(files=(digest_file(path),))


def measure_cost(path: Path, rounds: int) -> tuple[float, float, float, float]:
    """Median seconds a frame to open and read all: plain and checked processor time, plain and checked clock."""
    digests = digest_take(path)
    processor: tuple[list[float], list[float]] = ([], [])
    clock: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        # Who goes first changes, so that warmth favours neither; the first turn warms up.
        for side in (0, 1) if turn % 2 else (1, 0):
            began, spent = time.perf_counter(), time.process_time()
            with closing(open_reader(path, digests=digests if side else None)) as reader:
                num_frames = len(reader)
                reader.window(0, num_frames)
            if turn:
                processor[side].append((time.process_time() - spent) / num_frames)
                clock[side].append((time.perf_counter() - began) / num_frames)
    return median(processor[0]), median(processor[1]), median(clock[0]), median(clock[1])


def count_found(path: Path, num_flips: int, chance: random.Random) -> int:
    """Flip single bits, one at a time, and count those that are named before a frame is given."""
    digests = digest_take(path)
    found = 0
    for _ in range(num_flips):
        file = chance.choice(list_frames(path)) if path.is_dir() else path
        content = file.read_bytes()
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        try:
            with closing(open_reader(path, digests=digests)) as reader:
                reader.window(0, len(digests.files) if path.is_dir() else len(reader))
            print(f"MISSED  {file}, bit {bit}")
        except IntegrityError as error:
            start, stop = map(int, re.findall(r"bytes (\d+) to (\d+)", str(error))[0])
            named = str(file) in str(error) and start <= bit // 8 < stop <= start + CHUNK_BYTES
            found += named
            if not named:
                print(f"MISPLACED  {file}, bit {bit}: {error}")
        file.write_bytes(content)
    return found


def main() -> int:
    """Measure, flip, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--lines", type=int, default=1080)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--flips", type=int, default=150)
    parser.add_argument("--limit", type=float, default=5.0, help="per cent of processor time")
    choices = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as name:
        frames = moving_frames(choices.frames, choices.lines)
        print(f"{'format':<12} {'MB a frame':>10} {'plain':>10} {'checked':>10} {'adds':>8} {'on the clock':>13}")
        for kind in COST_FORMATS:
            path = write_take(Path(name), kind, frames)
            size = sum(file.num_bytes for file in digest_take(path).files) / len(frames) / 1e6
            plain, checked, plain_clock, checked_clock = measure_cost(path, choices.rounds)
            adds, adds_clock = 100 * (checked / plain - 1), 100 * (checked_clock / plain_clock - 1)
            failed |= adds > choices.limit
            print(
                f"{kind:<12} {size:>10.2f} {1000 * plain:>7.1f} ms {1000 * checked:>7.1f} ms"
                f" {adds:>+7.1f}% {adds_clock:>+12.1f}%",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as name:
        frames = moving_frames(12, 144)
        each = -(-choices.flips // len(FLIP_FORMATS))
        chance = random.Random(1)
        print(f"\n{'flips in':<12} {'found and named':>16}")
        for kind in FLIP_FORMATS:
            found = count_found(write_take(Path(name), kind, frames), each, chance)
            failed |= found != each
            print(f"{kind:<12} {found:>9} of {each}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
