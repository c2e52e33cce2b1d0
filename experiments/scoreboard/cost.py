"""What the delivered mini-model takes for a large frame in the midst of a shot: time, and memory at its peak."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NUM_THREADS = 2


class _Enough(Exception):
    """As many frames are out as were asked for."""


def cost_of(run: Path, take: Path, method: str, height: int, num_frames: int, folder: Path) -> dict[str, float]:
    """Processor seconds and seconds a frame, and peak MiB, of a run's method; read where measured before.

    ``take`` is enlarged and damaged as in training, and restored as `interpositive apply` does it, window by window by
    two threads in a process of its own, until ``num_frames`` are given out. The first window, which finds what others
    share, is not counted into a frame's time where there is more than one. What is found out about the shot as a whole
    is. ``growth`` is the peak in the end over what it was when half of the frames were out.
    """
    from interpositive.mini_models.archive import archive_digest
    from interpositive.records.publishing import write_file_whole

    asked = [archive_digest(run / "archive"), height, num_frames, f"midst, {NUM_THREADS} threads"]
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{method}_{height}.json"
    if record.is_file() and (found := json.loads(record.read_text()))["asked"] == asked:
        cost: dict[str, float] = found["cost"]
        return cost
    with tempfile.TemporaryDirectory() as scratch:
        # Damaging is no part of the cost, and its memory not of the peak.
        _call("--prepare", run, take, height, num_frames, scratch)
        cost = json.loads(_call("--measure", run, method, num_frames, scratch).splitlines()[-1])
    write_file_whole(record, json.dumps({"asked": asked, "cost": cost}, indent=1))
    return cost


def _call(*arguments: object) -> str:
    command = [sys.executable, __file__, *map(str, arguments)]
    # As `interpositive apply` has it: threads spin for nothing but training.
    surroundings = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=surroundings).stdout


def prepare(run: Path, take: Path, height: int, num_frames: int, folder: Path) -> None:
    """Write a damaged shot's frames, their masks and what the task tells of them into a folder."""
    import cv2
    import numpy as np
    from safetensors.torch import save_file

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import frames_to_values
    from interpositive.functional.seeds import generator_from
    from interpositive.media.opening import open_reader
    from interpositive.media.plate_colour import AS_STORED

    opened = open_run(run)
    reader = open_reader(take)
    # As many more as the last of them are lent pixels by.
    # A take that is shorter is gone through backward and forward again.
    num_all = num_frames + opened.mini_model.reach_frames
    codes = reader.window(0, min(len(reader), num_all))
    reader.close()
    there_and_back = np.concatenate((np.arange(len(codes)), np.arange(len(codes) - 2, 0, -1)))
    codes = codes[np.resize(there_and_back, num_all)]
    size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
    large = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in codes])
    example = opened.task.example(frames_to_values(large, AS_STORED), generator_from("cost"), None)
    for number, (frame, mask) in enumerate(zip(example.input, example.mask, strict=True)):
        plate = np.rint(frame.permute(1, 2, 0).numpy() * 255).clip(0, 255).astype(np.uint8)
        np.savez(folder / f"{number}.npz", plate=plate, mask=mask[0].numpy())
    told = {name: value for name, value in example.condition.items() if name != "judged"}
    values = example.input
    del example, large, codes
    spent = time.process_time()
    told |= dict(opened.task.tell(values))
    spent = time.process_time() - spent
    save_file({name: value.contiguous() for name, value in told.items()}, folder / "told.safetensors")
    (folder / "shot.json").write_text(json.dumps({"cpu_seconds": spent / len(values), "num_frames": len(values)}))


def measure(run: Path, method: str, num_frames: int, folder: Path) -> dict[str, float]:
    """Restore the shot as far as ``num_frames``, to the end of a window."""
    import cv2
    import numpy as np
    import torch
    from safetensors.torch import load_file

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import WindowPlan, restore_shot

    cv2.setNumThreads(NUM_THREADS)
    torch.set_num_threads(NUM_THREADS)
    model = open_run(run).mini_model.eval()
    told, shot = load_file(folder / "told.safetensors"), json.loads((folder / "shot.json").read_text())

    def read(what: str, first: int, last: int) -> np.ndarray:
        return np.stack([np.load(folder / f"{number}.npz")[what] for number in range(first, last)])

    given = counted = 0
    begun: list[tuple[float, float, int]] = []
    peaks: list[float] = []

    def tell(first: int, last: int) -> dict[str, torch.Tensor]:
        """Asked once a window, as it begins."""
        begun.append((time.perf_counter(), time.process_time(), counted))
        if given >= num_frames:
            raise _Enough
        return {name: value[first:last] for name, value in told.items()}

    try:
        for frame in restore_shot(
            lambda first, last: read("plate", first, last),
            lambda first, last: read("mask", first, last),
            shot["num_frames"],
            model,
            [method],
            WindowPlan(),
            read_condition=tell,
            grain="match",
        ):
            given, counted = given + 1, counted + bool(frame.mask.any())
            peaks.append(_peak_mib())
        begun.append((time.perf_counter(), time.process_time(), counted))
    except _Enough:
        pass
    before, after = begun[min(1, len(begun) - 2)], begun[-1]
    seconds, cpu_seconds, num_counted = (late - early for early, late in zip(before, after, strict=True))
    return {
        "seconds": seconds / max(1, num_counted) + shot["cpu_seconds"],
        "cpu_seconds": cpu_seconds / max(1, num_counted) + shot["cpu_seconds"],
        "peak_mib": peaks[-1],
        "growth": peaks[-1] / peaks[(len(peaks) - 1) // 2],
        "num_frames": num_counted,
    }


def _peak_mib() -> float:
    """Of this program alone: `getrusage` counts that of the one which started it, too (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", nargs=5)
    parser.add_argument("--measure", nargs=4)
    asked = parser.parse_args()
    if asked.prepare:
        of_run, take, height, num, folder = asked.prepare
        prepare(Path(of_run), Path(take), int(height), int(num), Path(folder))
    else:
        run, method, num, folder = asked.measure
        print(json.dumps(measure(Path(run), method, int(num), Path(folder))))
