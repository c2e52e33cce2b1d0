"""How fast the soundstage shoots: frames a second for each scene, on one thread, motion blur and grain
included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2

from interpositive.soundstage.scenes import build_set, stage_take
from interpositive.soundstage.shooting import Shoot
from interpositive.soundstage.spec import StageSpec


def cpu_model() -> str:
    """The processor as the system names it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    """Shoot a few frames of each scene and print one JSON line per scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument("--frames", type=int, default=24)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    spec = StageSpec(width=arguments.width, height=arguments.height, num_frames=arguments.frames)
    machine = {"cpu": cpu_model(), "cores": os.cpu_count(), "threads_used": 1}
    for scene in spec.scenes:
        start = time.perf_counter()
        build_set(spec, scene)
        built = time.perf_counter()
        shoot = Shoot(spec, stage_take(spec, scene, 1))
        for frame in range(spec.num_frames):
            shoot.film(shoot.expose(frame).light, frame)
        end = time.perf_counter()
        print(
            json.dumps(
                {
                    "scene": scene,
                    "size": f"{spec.width}x{spec.height}",
                    "frames": spec.num_frames,
                    "frames_per_second": round(spec.num_frames / (end - built), 2),
                    "set_build_seconds": round(built - start, 2),
                    **machine,
                }
            )
        )


if __name__ == "__main__":
    main()
