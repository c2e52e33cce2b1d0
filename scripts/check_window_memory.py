"""Does reading windows leak? Draws 10,000 windows from tiny takes and prints the slope of resident memory.

    python scripts/check_window_memory.py --windows 10000 --backend decord --workers 0

More takes than readers are open, so that opening and closing is measured too.
Exits 1 when memory grows by more than --limit KiB a window after the warm-up.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.windows import TakeWindows, make_loader
from interpositive.media.movie_writer import MovieWriter


def make_takes(folder: Path, num_takes: int, num_frames: int, height: int, width: int) -> None:
    """Takes of moving noise."""
    folder.mkdir()
    for number in range(num_takes):
        frames = np.random.default_rng(number).integers(0, 256, (num_frames, height, width, 3), np.uint8)
        path = folder / f"{number + 1}_T1_A.mov"
        with MovieWriter(path, Fraction(24), width, height, codec="h264", gop=12) as writer:
            writer.write(frames)


def resident_kib() -> int:
    """Resident memory of this process and its children."""
    pids = ["self", *(str(child.pid) for child in multiprocessing.active_children())]
    return sum(int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) for pid in pids)


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--takes", type=int, default=8)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--backend", choices=["decord", "pyav"], default="decord")
    parser.add_argument("--limit", type=float, default=1.0, help="KiB a window")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_takes(folder / "dailies", choices.takes, 48, 48, 64)
        rule = SplitRule(val_fraction=0, test_fraction=0)
        ingest(folder / "dailies", folder / "c.sqlite", split_rule=rule, num_workers=0, progress=False)
        with Catalogue(folder / "c.sqlite") as catalogue:
            takes = catalogue.takes("train")
        windows = TakeWindows(
            takes,
            choices.num_frames,
            size=(48, 64),
            backend=choices.backend,
            windows_per_epoch=choices.windows,
        )
        loader = make_loader(windows, batch_size=4, num_workers=choices.workers)
        seen, resident = [], []
        began = time.monotonic()
        for number, _ in enumerate(loader, 1):
            if number % 25 == 0:
                seen.append(number * 4)
                resident.append(resident_kib())
            if number % 500 == 0:
                print(f"{number * 4:>7} windows  {resident[-1] / 1024:8.1f} MiB", flush=True)
        seconds = time.monotonic() - began
    settled = len(seen) // 5
    slope = float(np.polyfit(seen[settled:], resident[settled:], 1)[0])
    print(f"{choices.windows / seconds:.0f} windows/s, {slope:+.3f} KiB a window after the first fifth")
    return int(slope > choices.limit)


if __name__ == "__main__":
    sys.exit(main())
