"""Does a catalogue of a million takes open and select at once? Builds one, and times what the program asks of it.

    python scripts/bench_catalogue.py --takes 1000000 --folder /tmp/big

The takes are invented (eight to a setup, two cameras, reels of fifty takes with running
timecode), the catalogue is real: they go in through ``Catalogue.put_new``. With
``--folder`` it is kept and used again. Bars: open < 2 s, every selection < 1 s.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import torch

from interpositive.dailies.catalogue import Catalogue, FileState
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule, format_splits, plan_splits
from interpositive.dailies.take import Take
from interpositive.dailies.windows import TakeWindows
from interpositive.records.slates import Slate

OPEN_BAR, SELECT_BAR, DIGEST_BAR = 2.0, 1.0, 5.0


def invented_takes(num_takes: int) -> Iterator[tuple[Take, FileState]]:
    """Takes as a long production has them; every value differs as much as real ones do."""
    frames = 240
    for number in range(num_takes):
        scene, take, camera = str(number // 16 + 1), str(number % 16 // 2 + 1), "AB"[number % 2]
        roll = f"{camera}{number // 100 + 1:05d}"
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        yield (
            Take(
                name=f"{scene}_{take}_{camera}",
                path=f"/dailies/day{number // 5000 + 1:03d}/{roll}/{roll}C{number % 100 + 1:03d}_240611_R2EC.mov",
                sha256=digest,
                blake3=digest[::-1],
                slate=Slate(scene=scene, take=take, camera=camera, roll=roll),
                num_frames=frames + number % 97,
                rate="24/1",
                width=3840,
                height=2160,
                codec="prores",
                pixel_format="yuv422p10le",
                bits=10,
                start_frame=number % 50 * 400,
                reel=f"{camera}{number // 50 + 1:05d}_240611",
                matrix="bt709",
                range="limited",
                primaries="bt709",
                transfer="bt709",
                colour_source="tagged",
                kind="movie",
                intra_only=True,
                split="val" if number % 160 < 16 else "test" if number % 160 < 32 else "train",
            ),
            FileState(10_000_000 + number, 1_700_000_000_000_000_000 + number),
        )


class Table:
    """Prints each measurement as it is taken."""

    def measure(self, what: str, act: Callable[[], object], bar: float | None = None) -> object:
        """Time ``act`` once, cold as it comes; the memory is the process's peak so far."""
        began = time.perf_counter()
        result = act()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = f"{len(result):>9}" if hasattr(result, "__len__") and not isinstance(result, str) else " " * 9
        verdict = "" if bar is None else f"  bar {bar:g} s: {'holds' if seconds < bar else 'BROKEN'}"
        print(f"{what:<52}{seconds:9.3f} s {size}  peak {peak:6.0f} MiB{verdict}", flush=True)
        return result


def main() -> None:
    """Build, open, select, look, digest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the catalogue here and use it again")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = choices.folder or Path(name)
        path = folder / f"catalogue_{choices.takes}.sqlite"
        table = Table()
        if not path.exists():
            with Catalogue(path, writable=True) as catalogue:
                table.measure("build", lambda: catalogue.put_new(invented_takes(choices.takes)))
        print(f"{path.stat().st_size / 2**20:.0f} MiB on disk")
        measure_catalogue(table, path)
        measure_training(table, path)
        measure_ingest(table, path, folder / "a_day")


def measure_catalogue(table: Table, path: Path) -> None:
    """What every verb asks."""
    catalogue = table.measure("open", lambda: Catalogue(path), OPEN_BAR)
    assert isinstance(catalogue, Catalogue)
    middle = str(len(catalogue) // 32)
    some = catalogue.take(f"{middle}_1_A")
    start = some.start_frame or 0
    selections: dict[str, Callable[[], object]] = {
        "select()": catalogue.select,
        "select(split='train')": lambda: catalogue.select(split="train"),
        "select(split='val')": lambda: catalogue.select(split="val"),
        "select(scene=)": lambda: catalogue.select(scene=middle),
        "select(scene=, take=, camera=)": lambda: catalogue.select(scene=middle, take="1", camera="A"),
        "select(scene=, split=)": lambda: catalogue.select(scene=middle, split=some.split),
        "select(take=)": lambda: catalogue.select(take="3"),
        "select(roll=)": lambda: catalogue.select(roll=some.slate.roll),
        "select(reel=)": lambda: catalogue.select(reel=some.reel),
        "select(reel=, rate=, frames=)": lambda: catalogue.select(
            reel=some.reel, rate=Fraction(24), frames=(start + 10, start + 20)
        ),
        "select(name='123*_1_A')": lambda: catalogue.select(name=f"{middle[:-2]}*_1_A"),
        "select(name='*7_2_B')": lambda: catalogue.select(name="*7_2_B"),
        "take(name)": lambda: catalogue.take(some.name),
    }
    for what, act in selections.items():
        assert table.measure(what, act, SELECT_BAR)
    train = catalogue.select(split="train")
    table.measure("one take of the middle", lambda: train[len(train) // 2], SELECT_BAR)
    table.measure("500 takes at random", lambda: [train[7919 * n % len(train)] for n in range(500)], SELECT_BAR)
    table.measure("digest()", catalogue.digest, DIGEST_BAR)
    table.measure("plan_splits", lambda: plan_splits(catalogue.marked_takes(), SplitRule()).splits)
    table.measure("format_splits", lambda: format_splits(catalogue.takes()))
    catalogue.close()


def measure_training(table: Table, path: Path) -> None:
    """What training asks before its first window."""
    with Catalogue(path) as catalogue:
        takes = catalogue.select(split="train")
    windows = table.measure("windows over the train split", lambda: TakeWindows(takes, 16, size=(216, 384)))
    assert isinstance(windows, TakeWindows)
    table.measure("place 1000 windows", lambda: [windows.place(n, 0) for n in range(1000)])
    torch.set_num_threads(1)


def measure_ingest(table: Table, path: Path, day: Path) -> None:
    """A day without footage brought into the full catalogue: what an ingest costs whatever it finds."""
    day.mkdir(exist_ok=True)
    table.measure(
        "ingest of an empty day", lambda: ingest(day, path, num_workers=0, progress=False, split_rule=SplitRule())
    )


if __name__ == "__main__":
    main()
