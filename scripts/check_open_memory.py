"""Does opening leak? Opens tiny takes 10,000 times and prints the slope of resident memory.

    python scripts/check_open_memory.py --opens 10000

Movies and frame sequences, plain and with digests, and movies that are refused, are opened,
read and closed in turns; every seventh is dropped without being closed, as a careless caller does.
Exits 1 when memory grows by more than --limit KiB an open after the warm-up, or a file handle, child
or piece of shared memory is left over.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.opening import open_take
from interpositive.errors import MediaError
from interpositive.media.contract import FrameReader
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.sequence_writer import SequenceWriter

MOVIES = {"a.mp4": "h264", "b.mov": "prores", "c.mkv": "ffv1", "d.mxf": "dnxhr"}
SEQUENCES = ("dpx10", "exr", "png16")


def make_takes(folder: Path) -> None:
    """Small takes of noise, each different, of every kind that is read differently."""
    folder.mkdir()
    for number, (name, codec) in enumerate(MOVIES.items()):
        frames = np.random.default_rng(number).integers(0, 65536, (8, 128, 256, 3), np.uint16)
        codes = (frames >> 8).astype(np.uint8) if codec == "h264" else frames
        with MovieWriter(folder / name, Fraction(24), 256, 128, codec=codec) as writer:
            writer.write(codes)
    for kind in SEQUENCES:
        (folder / kind).mkdir()
        frames = np.random.default_rng(9).integers(0, 65536, (3, 48, 64, 3), np.uint16)
        pixels = (frames / 65535).astype(np.float16) if kind == "exr" else frames
        bits = 10 if kind == "dpx10" else 16
        with SequenceWriter(
            folder / kind, "f", format=kind, first_frame=1, rate=Fraction(24), start_timecode=None, bits=bits
        ) as writer:
            writer.write(pixels)


def readers(folder: Path) -> Iterator[FrameReader]:
    """Readers of all takes for ever: by path, by path through decord, by the catalogue, and of a torn movie."""
    path = folder / "catalogue.sqlite"
    ingest(folder / "dailies", path, num_workers=0, progress=False)
    with Catalogue(path) as catalogue:
        takes = list(catalogue.takes())
    torn = folder / "torn.mov"
    torn.write_bytes((folder / "dailies" / "b.mov").read_bytes()[:-500])
    for round_of in cycle(range(2)):
        for take in takes:
            yield open_take(take) if round_of else open_reader(Path(take.path))
        yield open_reader(folder / "dailies" / "a.mp4", "decord") if round_of else open_reader(torn)


def resident_kib() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])


def left_over() -> dict[str, int]:
    """What a process can leave lying about."""
    return {
        "file handles": len(os.listdir("/proc/self/fd")),
        "children": len(multiprocessing.active_children()),
        "pieces of shared memory": len(os.listdir("/dev/shm")),
    }


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opens", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=1.0, help="KiB an open")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_takes(Path(name) / "dailies")
        seen, resident = [], []
        began, before = time.monotonic(), {}
        step = max(1, choices.opens // 200)
        for number, reader in enumerate(islice(readers(Path(name)), choices.opens), 1):
            with suppress(MediaError):
                reader.window(0, 2)
                reader.window(len(reader) - 1, len(reader))
            if number % 7:
                reader.close()
            del reader
            if number == choices.opens // 5:
                gc.collect()
                before = left_over()
            if number % step == 0:
                seen.append(number)
                resident.append(resident_kib())
            if number % (20 * step) == 0:
                print(f"{number:>7} opens  {resident[-1] / 1024:8.1f} MiB", flush=True)
        seconds = time.monotonic() - began
        gc.collect()
        after = left_over()
    settled = len(seen) // 5
    slope = float(np.polyfit(seen[settled:], resident[settled:], 1)[0])
    more = {what: count - before[what] for what, count in after.items() if count > before[what]}
    print(f"{choices.opens / seconds:.0f} opens/s, {slope:+.3f} KiB an open after the first fifth")
    print(f"left over: {more or 'nothing'}")
    return int(slope > choices.limit or bool(more))


if __name__ == "__main__":
    sys.exit(main())
