"""Does the memory of a delivery grow with its shot? Delivers a short and a long shot and compares their peaks.

    python scripts/check_delivery_memory.py --frames 200 2000

Each shot is made, repaired by one named method with a tiny network and delivered in a process of its own.
Exits 1 when the long shot's peak resident memory is more than --limit times the short one's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

WIDTH, HEIGHT = 192, 108


def make_shot(folder: Path, num_frames: int) -> tuple[Path, Path]:
    """A movie of a wall that the camera pans over, and a mask of one line that swings."""
    import cv2
    import numpy as np

    from interpositive.media.movie_writer import MovieWriter

    noise = np.random.default_rng(0).random((HEIGHT, 4 * WIDTH, 3), np.float32)
    wall = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 20, 235, cv2.NORM_MINMAX).astype(np.uint8)
    with MovieWriter(
        folder / "shot.mov", Fraction(24), WIDTH, HEIGHT, codec="h264", start_timecode="01:00:00:00"
    ) as out:
        for n in range(num_frames):
            left = abs((n + 3 * WIDTH) % (6 * WIDTH) - 3 * WIDTH)
            out.write(wall[None, :, left : left + WIDTH])
    lines = {
        str(n): [{"points": [[40 + n % 60, 0], [100 - n % 40, HEIGHT // 2]], "width_px": 3}] for n in range(num_frames)
    }
    (folder / "mask.json").write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "frames": lines}))
    return folder / "shot.mov", folder / "mask.json"


def deliver(num_frames: int, method: str) -> int:
    """Deliver one shot here; prints what this process reached."""
    import torch

    from interpositive.delivery.accounting import DeliverySource
    from interpositive.delivery.deliver import DeliverySettings, deliver_shot
    from interpositive.mini_models.candidate_fusion import CandidateFusion
    from interpositive.tasks.wire_removal import WireRemoval

    torch.set_num_threads(1)
    mini_model = CandidateFusion(
        flow_offsets=(1,), camera_offsets=(), recursive=False, scorer_width=4, residual_widths=(4, 4, 4)
    ).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shot, mask = make_shot(folder, num_frames)
        source = DeliverySource("memory", "wire_removal", folder, "", "", [], {})
        settings = DeliverySettings(method=method, compare=0, progress=False)
        began = time.monotonic()
        manifest = deliver_shot(shot, mask, folder / "delivery", mini_model, WireRemoval(), source, settings)
        seconds = time.monotonic() - began
    assert len(manifest.frames) == num_frames
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"num_frames": num_frames, "peak_mib": round(peak_kib / 1024, 1), "seconds": round(seconds, 1)}))
    return 0


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs=2, default=[200, 2000], metavar=("SHORT", "LONG"))
    parser.add_argument("--method", default="trained")
    parser.add_argument("--limit", type=float, default=1.10, help="peak of the long shot over that of the short one")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    choices = parser.parse_args()
    if choices.one is not None:
        return deliver(choices.one, choices.method)
    peaks = []
    for num_frames in choices.frames:
        command = [sys.executable, __file__, "--one", str(num_frames), "--method", choices.method]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        peaks.append(measured["peak_mib"])
        print(f"{num_frames:>6} frames  peak {measured['peak_mib']:.1f} MiB  {measured['seconds']:.0f} s", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f} (at most {choices.limit})")
    return int(ratio > choices.limit)


if __name__ == "__main__":
    sys.exit(main())
