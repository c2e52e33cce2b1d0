"""What the delivered mini-model takes for a frame of 1920 x 1080 in the midst of a shot: time and peak memory."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEIGHT = 1080


def cost_of(run: Path, take: Path, method: str, num_frames: int, folder: Path) -> dict[str, float]:
    """Processor seconds and seconds a frame, and peak MiB, of a run's method; read where measured before.

    ``take`` is enlarged and damaged as in training, and restored as `interpositive apply` does it, window by window and
    in a process of its own, until ``num_frames`` are given out. The first window, which finds what others share, is
    not counted into a frame's time where there is more than one. What is found out about the shot as a whole is.
    """
    from interpositive.mini_models.archive import archive_digest
    from interpositive.records.publishing import write_file_whole

    asked = [archive_digest(run / "archive"), num_frames, "midst"]
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{method}.json"
    if record.is_file() and (found := json.loads(record.read_text()))["asked"] == asked:
        cost: dict[str, float] = found["cost"]
        return cost
    with tempfile.TemporaryDirectory() as scratch:
        # Damaging is no part of the cost, and its memory not of the peak.
        _call("--prepare", run, take, num_frames, scratch)
        cost = json.loads(_call("--measure", run, method, num_frames, scratch).splitlines()[-1])
    write_file_whole(record, json.dumps({"asked": asked, "cost": cost}, indent=1))
    return cost


def _call(*arguments: object) -> str:
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def prepare(run: Path, take: Path, num_frames: int, folder: Path) -> None:
    """Write a damaged shot's frames, their masks and what the task tells of them into a folder."""
    import cv2
    import numpy as np
    from safetensors.torch import save_file

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import AS_STORED, frames_to_values
    from interpositive.functional.seeds import generator_from
    from interpositive.media.opening import open_reader

    opened = open_run(run)
    reader = open_reader(take)
    # As many more as the last of them are lent pixels by.
    codes = reader.window(0, min(len(reader), num_frames + opened.mini_model.reach_frames))
    reader.close()
    size = (round(codes.shape[2] * HEIGHT / codes.shape[1] / 2) * 2, HEIGHT)
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
    """Restore the shot as far as ``num_frames``."""
    import numpy as np
    from safetensors.torch import load_file

    from interpositive.cli.runs import open_run
    from interpositive.delivery.restoring import WindowPlan, restore_shot

    model = open_run(run).mini_model.eval()
    told, shot = load_file(folder / "told.safetensors"), json.loads((folder / "shot.json").read_text())
    num_there = shot["num_frames"]

    def read(what: str, first: int, last: int) -> np.ndarray:
        return np.stack([np.load(folder / f"{number}.npz")[what] for number in range(first, last)])

    height, width = read("plate", 0, 1).shape[1:3]
    plan, num_kept = WindowPlan(), 0 if model.hides_masked else 1
    windows = plan.windows(num_there, model.reach_frames, height, width, num_kept)
    # A window gives out its frames as far as the next begins; the last of these that are asked for ends the measuring.
    ends = [window.start for window in windows[1:]] + [num_there]
    last = next(end for end in ends if end >= min(num_frames, num_there))
    began = [time.perf_counter(), time.process_time()]
    counted = 0
    for frame in restore_shot(
        lambda first, last: read("plate", first, last),
        lambda first, last: read("mask", first, last),
        num_there,
        model,
        [method],
        plan,
        read_condition=lambda first, last: {name: value[first:last] for name, value in told.items()},
    ):
        counted += bool(frame.mask.any())
        if frame.number + 1 == ends[0] and last > ends[0]:
            began, counted = [time.perf_counter(), time.process_time()], 0
        if frame.number + 1 == last:
            break
    seconds, cpu_seconds = time.perf_counter() - began[0], time.process_time() - began[1]
    return {
        "seconds": seconds / max(1, counted) + shot["cpu_seconds"],
        "cpu_seconds": cpu_seconds / max(1, counted) + shot["cpu_seconds"],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "num_frames": counted,
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
