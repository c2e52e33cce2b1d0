"""How fast candidate fusion repairs a shot, in how much memory, and how well: wires drawn over footage with its truth.

    python scripts/bench_apply.py --heights 540 1080 --frames 40 takes/*.mov
    python scripts/bench_apply.py --heights 540 --against ../another_checkout --output table.md

Shots are two takes of the soundstage and each movie that is named, brought to each height; the same wires are drawn
over each. A shot is restored whole, by one method, in a process of its own, so that its peak memory is its own. With
--against, the package of another checkout restores the same shots in turn. Without --archive the mini-model is
untrained: its learned method then equals its prior and takes as long.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.uint8]

ROOT = Path(__file__).resolve().parents[1]
SCENES = ("12A", "44C")


def footage(height: int, num_frames: int, movies: list[Path]) -> Iterator[tuple[str, Codes]]:
    """Clean codes ``t h w 3`` by name."""
    import cv2
    import numpy as np

    from interpositive.media.opening import open_reader
    from interpositive.soundstage.rendering import render_take
    from interpositive.soundstage.spec import StageSpec

    for scene in SCENES:
        spec = StageSpec(num_frames=num_frames, height=height, width=round(height * 8 / 9) * 2)
        frames = np.asarray(render_take(spec, scene, 2, with_truth=False).frames)
        yield f"stage {scene}", (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames
    for path in movies:
        with closing(open_reader(path)) as reader:
            start = max(0, (len(reader) - num_frames) // 2)
            codes = np.asarray(reader.window(start, min(len(reader), start + num_frames)))
        size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
        how = cv2.INTER_AREA if height < codes.shape[1] else cv2.INTER_CUBIC
        frames = np.stack([cv2.resize(frame, size, interpolation=how) for frame in codes])
        yield path.stem, (frames >> 8).astype(np.uint8) if frames.dtype == np.uint16 else frames


def draw(name: str, clean: Codes, path: Path) -> None:
    """Draw wires over a shot; its truth, its plate and its mask are written to a file."""
    import numpy as np
    import torch

    from interpositive.functional.seeds import generator_from
    from interpositive.tasks.wire_removal import WireRemoval

    frames = torch.from_numpy(clean.transpose(0, 3, 1, 2).copy()).float() / 255.0
    example = WireRemoval().example(frames, generator_from("bench apply", name), None)
    plate = (example.input.numpy().transpose(0, 2, 3, 1) * 255.0).round().clip(0, 255).astype(np.uint8)
    np.savez(path, clean=clean, plate=plate, mask=example.mask[:, 0].numpy() > 0)


def restore(path: Path, method: str, archive: str, threads: int) -> None:
    """Restore a drawn shot here; prints what it took and what came of it."""
    import cv2
    import numpy as np
    import torch

    from interpositive.delivery.restoring import WindowPlan, restore_shot

    cv2.setNumThreads(threads)
    torch.set_num_threads(threads)
    with np.load(path) as shot:
        clean, plate, mask = shot["clean"], shot["plate"], shot["mask"]
    mini_model = trained(Path(archive)) if archive else untrained()
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, worked = time.perf_counter(), time.process_time()
    errors, sums = [], np.zeros(2)
    for frame in restore_shot(
        lambda first, last: plate[first:last],
        lambda first, last: mask[first:last].astype(np.float32),
        len(plate),
        mini_model,
        [method],
        WindowPlan(),
    ):
        hole = mask[frame.number]
        if hole.any():
            apart = frame.results[method][hole].astype(np.float64) - clean[frame.number][hole]
            sums += np.square(apart / 255.0).sum(), apart.size
            errors.append(float(np.square(apart / 255.0).mean()))
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    own = sum(array.nbytes for array in (clean, plate, mask))
    found = {
        "fps": len(plate) / seconds,
        "cpu_seconds_a_frame": cpu / len(plate),
        "peak_mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - own) / 2**20,
        "loaded_mib": (loaded * 1024 - own) / 2**20,
        "psnr": -10.0 * float(np.log10(sums[0] / sums[1])),
        "worst_psnr": -10.0 * float(np.log10(max(errors))),
    }
    print(json.dumps(found))


def untrained() -> Any:
    """Candidate fusion as it is made."""
    from interpositive.mini_models.candidate_fusion import CandidateFusion

    return CandidateFusion().eval()


def trained(archive: Path) -> Any:
    """The mini-model of an archive."""
    from interpositive.mini_models.archive import load_archive

    return load_archive(archive)[0]


def measured(checkout: Path, path: Path, given: argparse.Namespace) -> dict[str, float]:
    """What one side of the comparison takes for a drawn shot."""
    command = [sys.executable, __file__, "--one", str(path), "--method", given.method, "--archive", given.archive]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(given.threads)}
    command += ["--threads", str(given.threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Draw the shots, let the sides take turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("movies", type=Path, nargs="*")
    parser.add_argument("--heights", type=int, nargs="+", default=[540])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--method", default="trained")
    parser.add_argument("--archive", default="", help="a trained mini-model's, in its run folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--against", type=Path, help="another checkout of this package")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        restore(given.one, given.method, given.archive, given.threads)
        return
    sides = {"here": ROOT} | ({"against": given.against.resolve()} if given.against else {})
    names = ("fps", "cpu_seconds_a_frame", "peak_mib", "psnr", "worst_psnr")
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}; {given.threads} threads, {given.frames} frames a shot, "
        f"method {given.method}, {'trained' if given.archive else 'untrained'}; PSNR in the hole, dB",
        "",
        "| shot | height | side | fps | CPU s a frame | peak MiB | PSNR | worst frame |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for height in given.heights:
            for name, clean in footage(height, given.frames, given.movies):
                path = Path(scratch) / "shot.npz"
                draw(name, clean, path)
                for side, checkout in sides.items():
                    found = measured(checkout, path, given)
                    cells = [f"{found[n]:.2f}" for n in names]
                    lines.append(f"| {name} | {height} | {side} | " + " | ".join(cells) + " |")
                    print(lines[-1], flush=True)
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
