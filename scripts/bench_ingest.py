"""How fast is ingest, and how much memory does it take? Makes N tiny movies and brings them in twice.

    python scripts/bench_ingest.py --files 1000 10000 --workers 2

The movies are one 16x16, 3-frame movie with a different number in a trailing
free atom each, so all digests differ and every file is probed for real.
"""

from __future__ import annotations

import argparse
import resource
import struct
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from interpositive.dailies.ingest import ingest
from interpositive.media.movie_writer import MovieWriter


def make_movies(folder: Path, num_files: int) -> None:
    """N movies that differ in one number outside the picture."""
    folder.mkdir()
    first = folder / "first.mov"
    with MovieWriter(first, Fraction(24), 16, 16, codec="h264_intra") as writer:
        writer.write(np.full((3, 16, 16, 3), 90, np.uint8))
    content = first.read_bytes()
    first.unlink()
    for number in range(num_files):
        day = folder / f"day{number // 500 + 1:02d}"
        day.mkdir(exist_ok=True)
        atom = struct.pack(">I4sQ", 16, b"free", number)
        (day / f"{number // 8 + 1}_T{number % 8 + 1}_A.mov").write_bytes(content + atom)


def main() -> None:
    """Measure and print one line for each number of files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    choices = parser.parse_args()
    for num_files in choices.files:
        with tempfile.TemporaryDirectory() as name:
            source, catalogue = Path(name) / "dailies", Path(name) / "c.sqlite"
            make_movies(source, num_files)
            first = ingest(source, catalogue, num_workers=choices.workers)
            again = ingest(source, catalogue, num_workers=choices.workers, progress=False)
            assert len(first.accepted) == len(again.known) == num_files, first.quarantined[:3]
        # Linux counts ru_maxrss in KiB.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{num_files:>7} files  {num_files / first.seconds:8.0f} files/s  {first.seconds:6.1f} s"
            f"  again {again.seconds:5.2f} s  peak {own:.0f} MiB, largest worker {workers:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
