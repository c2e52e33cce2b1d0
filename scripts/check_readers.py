"""The reader contract over every movie that can be written: codec by container by group by depth by first time.

    python scripts/check_readers.py [--codec hevc] > cells.md

Each cell is written, read in order and at random by every reader that is installed, and read again in a spawned
worker. Prints a table of what was read and, with the encoder's or container's own words, what cannot be written.
A reader that breaks its promise ends the script with status 1 and the cell's name.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "media"))
from movie_matrix import (
    GOPS,
    Cell,
    NotWritten,
    all_cells,
    check_cell,
    digests_elsewhere,
    eight_bit_backends,
    write_cell,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", help="only this codec")
    codec = parser.parse_args().codec
    read: list[Cell] = []
    unwritten: Counter[str] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as worker:
        for cell in all_cells():
            if codec not in (None, cell.codec):
                continue
            try:
                path = write_cell(cell, Path(folder))
                assert check_cell(cell, path) == worker.apply(digests_elsewhere, (path,)), "differs in a worker"
                path.unlink()
                read.append(cell)
            except NotWritten as reason:
                unwritten[str(reason)] += 1
            except Exception as failure:
                broken.append(f"{cell}: {type(failure).__name__} {failure}")
    readers = ", ".join(["pyav", *eight_bit_backends()])
    print(f"{len(read)} cells read by {readers}; {sum(unwritten.values())} cannot be written\n")
    print_table(read)
    print("\n| cells | why they cannot be written |\n| ---: | --- |")
    for reason, count in unwritten.most_common():
        print(f"| {count} | {reason} |")
    for failure in broken:
        print("BROKEN", failure, file=sys.stderr)
    return 1 if broken else 0


def print_table(read: list[Cell]) -> None:
    """One column for each group of pictures; pixel formats that are read from the same cells share a row."""
    places: dict[tuple[str, str], dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(dict))
    for cell in read:
        places[cell.codec, cell.pixel_format][cell.gop].setdefault(cell.container[1:], []).append(cell.first_time)
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (codec, pixel_format), gops in places.items():
        cells = (", ".join(f"{name} {_marks(times)}" for name, times in gops[gop].items()) or "–" for gop in GOPS)
        rows[codec, *cells].append(pixel_format)
    print("| codec | pixel formats |", " | ".join(GOPS), "|")
    print("| --- " * (2 + len(GOPS)) + "|")
    for (codec, *cells), pixel_formats in rows.items():
        print(f"| {codec} | {', '.join(pixel_formats)} |", " | ".join(cells), "|")


def _marks(times: list[str]) -> str:
    return "".join({"zero": "0", "late": "+", "hidden": "−"}[time] for time in times)


if __name__ == "__main__":
    sys.exit(main())
