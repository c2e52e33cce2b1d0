"""Does ingest stand a folder of hostile files? Every file ends as accepted, ignored or quarantined, with a reason.

    python scripts/check_hostile_media.py FOLDER
    python scripts/check_hostile_media.py --made

FOLDER is ingested file by file, each in a folder of its own (a folder of numbered
frames stays together), so that the time of each is known. ``--made`` makes a
corpus first: torn, zeroed, swapped, mislabelled, oversized, special and linked files.
Exits 1 when a file has no outcome, no reason, a crash for a reason, or takes longer than --seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from interpositive.dailies.ingest import ingest
from interpositive.dailies.report import FileOutcome

OUTCOMES = ("accepted", "ignored", "quarantined", "duplicate")


def ingest_alone(path: Path, scratch: Path) -> tuple[list[FileOutcome], float]:
    """Ingest one file, or one folder, by itself; gives its outcomes and the seconds it took."""
    folder = scratch / "dailies"
    folder.mkdir(parents=True)
    target = folder / path.name
    if path.is_symlink():
        target.symlink_to(os.readlink(path))
    elif path.is_dir():
        shutil.copytree(path, target, symlinks=True)
    elif path.is_file():
        os.link(path, target) if path.stat().st_dev == folder.stat().st_dev else shutil.copy2(path, target)
    else:
        os.mkfifo(target)
    began = time.monotonic()
    report = ingest(folder, scratch / "catalogue.sqlite", num_workers=1, progress=False)
    return report.rows, time.monotonic() - began


def main() -> int:
    """Ingest, print a table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--made", action="store_true", help="make the corpus")
    parser.add_argument("--seconds", type=float, default=30.0, help="the most that one file may take")
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = choices.folder
        files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
        counts: Counter[str] = Counter()
        bad: list[str] = []
        for number, path in enumerate(files):
            rows, seconds = ingest_alone(path, scratch / str(number))
            shown = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
            if not rows:
                bad.append(f"{shown}: no outcome")
            for row in rows:
                counts[row.outcome] += 1
                print(f"{seconds:5.1f} s  {row.outcome:<11}  {shown}  {row.reason}", flush=True)
                if row.outcome not in OUTCOMES or (row.outcome != "accepted" and not row.reason):
                    bad.append(f"{shown}: {row.outcome} without a reason")
            if seconds > choices.seconds:
                bad.append(f"{shown}: {seconds:.0f} seconds")
            shutil.rmtree(scratch / str(number))
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    print("\n".join(bad) or "every file has an outcome, a reason, and was done in time")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
