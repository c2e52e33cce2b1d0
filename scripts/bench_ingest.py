"""Does a take cost the same in a folder of 10,000 as in one of 100? Makes N tiny movies and brings them in twice.

    python scripts/bench_ingest.py --files 100 1000 10000 --workers 2 --plot docs/pictures/ingest_cost.svg

The movies are one 16x16, 3-frame movie with a different number in a trailing
free atom each, so all digests differ and every file is probed for real. The slope is that of
log cost per take over log number of takes, fitted to all numbers: 0 is flat, 1 is a cost that grows as
their square. What starting the workers costs is measured by itself, with two files a worker, and taken off.
"""

from __future__ import annotations

import argparse
import resource
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from interpositive.dailies.ingest import ingest
from interpositive.media.movie_writer import MovieWriter

matplotlib.use("agg")


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


@dataclass(frozen=True)
class Cost:
    """Seconds of one ingest of ``num_files`` and of its repetition."""

    num_files: int
    first_seconds: float
    again_seconds: float


def measure(num_files: int, num_workers: int) -> Cost:
    """Bring in a folder of new files, then bring it in again."""
    with tempfile.TemporaryDirectory() as name:
        source, catalogue = Path(name) / "dailies", Path(name) / "workspace" / "c.sqlite"
        make_movies(source, num_files)
        first = ingest(source, catalogue, num_workers=num_workers)
        again = ingest(source, catalogue, num_workers=num_workers, progress=False)
        assert len(first.accepted) == len(again.known) == num_files, first.quarantined[:3]
    return Cost(num_files, first.seconds, again.seconds)


def slope(numbers: Sequence[int], seconds_per_take: Sequence[float]) -> float:
    """How cost per take grows with the number of takes: the exponent."""
    return float(np.polyfit(np.log(numbers), np.log(seconds_per_take), 1)[0])


def draw(path: Path, numbers: Sequence[int], courses: dict[str, Sequence[float]]) -> None:
    """Cost per take over the number of takes, both logarithmic."""
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for label, seconds in courses.items():
        text = f"{label}, slope {slope(numbers, seconds):+.2f}"
        axes.plot(numbers, [1000 * second for second in seconds], marker="o", label=text)
    axes.set(xscale="log", yscale="log", xlabel="takes in the folder", ylabel="milliseconds a take")
    axes.set_ylim(0.1, 100)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Measure, print one line for each number of files, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plot", type=Path, help="SVG or PNG")
    choices = parser.parse_args()
    start = measure(2 * choices.workers, choices.workers).first_seconds
    print(f"starting {choices.workers} workers: {start:.2f} s, taken off below")
    costs = []
    for num_files in choices.files:
        cost = measure(num_files, choices.workers)
        costs.append(cost)
        # Linux counts ru_maxrss in KiB.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{num_files:>7} files  {1000 * (cost.first_seconds - start) / num_files:6.2f} ms a take"
            f"  again {1000 * cost.again_seconds / num_files:6.3f} ms"
            f"  peak {own:.0f} MiB, largest worker {workers:.0f} MiB",
            flush=True,
        )
    courses = {
        "new": [max(1e-6, cost.first_seconds - start) / cost.num_files for cost in costs],
        "known": [cost.again_seconds / cost.num_files for cost in costs],
    }
    if len(costs) > 1:
        for label, seconds in courses.items():
            print(f"slope of {label} takes: {slope(choices.files, seconds):+.3f}")
    if choices.plot:
        draw(choices.plot, choices.files, courses)


if __name__ == "__main__":
    main()
