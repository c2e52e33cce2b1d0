"""Does ingest stand a folder of hostile files? Every file ends as accepted, ignored or quarantined, with a reason.

    python tests/dailies/hostile_footage.py /tmp/hostile     # makes one
    python scripts/check_hostile_media.py /tmp/hostile

Each file is ingested in a folder of its own, so that the time it takes is known. A file whose first bytes are those
of a still picture is ingested once more as a sequence of two frames: alone it would only be refused for
being alone. Exits 1 when a file has no outcome or no reason, or takes longer than --seconds.
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
from interpositive.dailies.report import FileOutcome, printable
from interpositive.media.still_formats import sniff_still

OUTCOMES = ("accepted", "attached", "ignored", "quarantined")


def ingest_alone(path: Path, scratch: Path, as_frames: bool) -> tuple[list[FileOutcome], float]:
    """Ingest one file by itself, or as both frames of a sequence; gives its outcomes and the seconds it took."""
    folder = scratch / "dailies"
    folder.mkdir(parents=True)
    still = sniff_still(path) if as_frames else None
    if still is not None:
        (folder / "frames").mkdir()
        for number in (1, 2):
            shutil.copy2(path, folder / "frames" / f"f.{number:04d}{still.extension}")
    elif path.is_symlink():
        (folder / path.name).symlink_to(os.readlink(path))
    elif path.is_file():
        shutil.copy2(path, folder / path.name)
    else:
        os.mkfifo(folder / path.name)
    began = time.monotonic()
    report = ingest(folder, scratch / "catalogue.sqlite", num_workers=1, progress=False)
    return report.rows, time.monotonic() - began


def main() -> int:
    """Ingest, print a table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0, help="the most that one file may take")
    choices = parser.parse_args()
    counts: Counter[str] = Counter()
    bad: list[str] = []
    files = sorted(path for path in choices.folder.rglob("*") if path.is_symlink() or not path.is_dir())
    stills = {path for path in files if not path.is_symlink() and sniff_still(path) is not None}
    jobs = [(path, False) for path in files] + [(path, True) for path in sorted(stills)]
    for path, as_frames in jobs:
        with tempfile.TemporaryDirectory() as name:
            rows, seconds = ingest_alone(path, Path(name), as_frames)
        shown = os.fsencode(path.relative_to(choices.folder)).decode("utf-8", "backslashreplace")
        shown = printable(f"{shown} as frames" if as_frames else shown)
        if not rows:
            bad.append(f"{shown}: no outcome")
        for row in rows:
            counts[row.outcome] += 1
            print(f"{seconds:5.1f} s  {row.outcome:<11}  {shown}  {row.reason}", flush=True)
            if row.outcome not in OUTCOMES or (row.outcome != "accepted" and not row.reason):
                bad.append(f"{shown}: {row.outcome} without a reason")
        if seconds > choices.seconds:
            bad.append(f"{shown}: {seconds:.0f} seconds")
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))
    print("\n".join(bad) or "every file has an outcome, a reason, and was done in time")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
