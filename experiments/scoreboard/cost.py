"""What a method costs on a frame of 1920 x 1080: seconds and the peak of memory, in a process of its own."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HEIGHT = 1080


def costs_of(
    run: Path, take: Path, methods: Sequence[str], num_frames: int, folder: Path
) -> dict[str, dict[str, float]]:
    """Seconds a frame and peak MiB of a run's methods in one window of ``num_frames``; read where measured before.

    ``take`` is enlarged and damaged as in training; around the window lie as many frames as the mini-model asks for.
    """
    from interpositive.mini_models.archive import archive_digest
    from interpositive.records.publishing import write_file_whole

    asked = [archive_digest(run / "archive"), num_frames]
    folder.mkdir(parents=True, exist_ok=True)
    costs: dict[str, dict[str, float]] = {}
    for method in methods:
        record = folder / f"{method}.json"
        if record.is_file() and (found := json.loads(record.read_text()))["asked"] == asked:
            costs[method] = found["cost"]
    with tempfile.TemporaryDirectory() as scratch:
        missing = [method for method in methods if method not in costs]
        if missing:
            # Damaging is no part of the cost, and its memory not of the peak.
            _call("--prepare", run, take, num_frames, scratch)
        for method in missing:
            costs[method] = json.loads(_call("--measure", run, method, num_frames, scratch).splitlines()[-1])
            text = json.dumps({"asked": asked, "cost": costs[method]}, indent=1)
            write_file_whole(folder / f"{method}.json", text)
    return costs


def _call(*arguments: object) -> str:
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def prepare(run: Path, take: Path, num_frames: int, folder: Path) -> None:
    """Write a damaged window of the take, its mask and what the task tells of it into a folder."""
    import cv2
    import numpy as np

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import AS_STORED, frames_to_values
    from interpositive.functional.seeds import generator_from
    from interpositive.media.opening import open_reader

    opened = open_run(run)
    reader = open_reader(take)
    codes = reader.window(0, min(len(reader), num_frames + 2 * opened.mini_model.reach_frames))
    reader.close()
    size = (round(codes.shape[2] * HEIGHT / codes.shape[1] / 2) * 2, HEIGHT)
    large = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in codes])
    example = opened.task.example(frames_to_values(large, AS_STORED), generator_from("cost"), None)
    plate = np.rint(example.input.permute(0, 2, 3, 1).numpy() * 255).clip(0, 255).astype(np.uint8)
    np.save(folder / "plate.npy", plate)
    np.save(folder / "mask.npy", example.mask[:, 0].numpy().astype(np.float32))
    told = {name: value.numpy() for name, value in example.condition.items() if name != "judged"}
    np.savez(folder / "told.npz", **told)


def measure(run: Path, method: str, num_frames: int, folder: Path) -> dict[str, float]:
    """Restore the middle of the window."""
    import numpy as np
    import torch

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import AS_STORED, frames_to_values
    from interpositive.functional.examples import Example

    opened = open_run(run)
    model = opened.mini_model.eval()
    plate = frames_to_values(np.load(folder / "plate.npy"), AS_STORED)
    mask = torch.from_numpy(np.load(folder / "mask.npy"))[:, None]
    told = {name: torch.from_numpy(value) for name, value in np.load(folder / "told.npz").items()}
    first = (len(plate) - min(num_frames, len(plate))) // 2
    keep = range(first, min(len(plate), first + num_frames))
    began, spent = time.perf_counter(), time.process_time()
    # What is found out about the shot as a whole is paid for here too.
    told |= dict(opened.task.tell(plate))
    # Some results are made when they are asked for.
    model.restore(Example(plate, mask, condition=told), keep, [method])[method]
    count = sum(bool(mask[number].any()) for number in keep)
    return {
        "seconds": (time.perf_counter() - began) / count,
        "cpu_seconds": (time.process_time() - spent) / count,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "num_frames": count,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", nargs=4)
    parser.add_argument("--measure", nargs=4)
    asked = parser.parse_args()
    if asked.prepare:
        prepare(Path(asked.prepare[0]), Path(asked.prepare[1]), int(asked.prepare[2]), Path(asked.prepare[3]))
    else:
        run, method, num, folder = asked.measure
        print(json.dumps(measure(Path(run), method, int(num), Path(folder))))
