"""Is timecode a bijection? Labels every frame of 24 hours at eight rates and reads every label back.

    python scripts/check_timecode.py --oracle-every 997

Each label must be new, in order, read back as its frame, and every label that is not given to a frame must
be refused. Every n-th label is compared with dftt-timecode, an independent implementation. Exits 1 on the
first rate that fails. All frames of all rates take some minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction

from dftt_timecode import DfttTimecode

from interpositive.errors import TimecodeError
from interpositive.records.timecode import frame_to_timecode, frames_per_day, timecode_to_frame

RATES = [
    *((Fraction(24000, 1001), False), (Fraction(24), False), (Fraction(25), False), (Fraction(30000, 1001), True)),
    *((Fraction(30000, 1001), False), (Fraction(30), False), (Fraction(50), False), (Fraction(60000, 1001), True)),
]


def fault_of_day(rate: Fraction, drop_frame: bool, oracle_every: int) -> str:
    """What is wrong with the labels of one day; empty if nothing is."""
    day, previous = frames_per_day(rate, drop_frame), ""
    for frame in range(day):
        label = frame_to_timecode(frame, rate, drop_frame)
        if label <= previous:
            return f"frame {frame} is {label}, after {previous}"
        if timecode_to_frame(label, rate) != frame:
            return f"{label} of frame {frame} is read as {timecode_to_frame(label, rate)}"
        if frame % oracle_every == 0:
            fps = round(float(rate), 2) if drop_frame else round(rate)
            theirs = DfttTimecode(label, "auto", fps=fps, drop_frame=drop_frame).framecount
            if theirs != frame:
                return f"{label} of frame {frame} is {theirs} to the other implementation"
        previous = label
    labels = _num_readable_labels(rate, ";" if drop_frame else ":")
    return "" if labels == day else f"{labels} labels can be read, the day has {day} frames"


def _num_readable_labels(rate: Fraction, mark: str) -> int:
    """Count the labels of a day that name a frame; only the first second of a minute can have gaps."""
    count = round(rate)
    readable = 0
    for minute in range(24 * 60):
        for second in (0, 1):
            for frame in range(count + 1):
                try:
                    timecode_to_frame(f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}{mark}{frame:02d}", rate)
                except TimecodeError:
                    continue
                readable += 1 if second == 0 else 59
    return readable


def main() -> int:
    """Check all rates and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle-every", type=int, default=997, help="compare every n-th frame with dftt-timecode")
    choices = parser.parse_args()
    for rate, drop_frame in RATES:
        began = time.monotonic()
        fault = fault_of_day(rate, drop_frame, choices.oracle_every)
        name = f"{float(rate):.3f} {'drop-frame' if drop_frame else 'non-drop'}"
        seconds, day = time.monotonic() - began, frames_per_day(rate, drop_frame)
        print(f"{name:<18} {day:>8} frames  {seconds:6.1f} s  {fault or 'ok'}")
        if fault:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
