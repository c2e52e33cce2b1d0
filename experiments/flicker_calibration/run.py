"""A calibrated flicker score: is it blind to what is no flicker, and does it rise with what is?

    python experiments/flicker_calibration/run.py --output <folder> [--material <folder>] [--only NAME ...] [--confirm]

Known flicker is put into steady shots in steps of the just visible. A subject that is measured is not measured again.
Without the footage the soundstage alone is measured, and the table says so. The table, the plots and a picture go
to <folder>.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from footage import CONFIRMING, NATURAL, REAL, STAGE, Subject, steady_frames
from injections import KINDS, just_visible, kept_to, quantised
from judging import Judged, judge
from measuring import measure, place_of
from report import draw_place, draw_roc, draw_strengths, table

from interpositive.metrics.flicker_score import FlickerScore

EXAMPLE, EXAMPLE_KIND, EXAMPLE_LEVEL = STAGE[3], "boiling", 3.0


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--confirm", action="store_true", help="judge the shots that nothing was ever changed for")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    subjects = CONFIRMING if options.confirm else (*STAGE, *REAL, NATURAL)
    folder = options.output / "measured"
    folder.mkdir(parents=True, exist_ok=True)
    has_footage = any((options.material / subject.path).exists() for subject in REAL)
    judged: list[Judged] = []
    for number, subject in enumerate(subjects):
        if options.only and subject.name not in options.only:
            continue
        path, seed = folder / f"{subject.name}.npz", 1000 + number
        graded = subject.split == "test" or not has_footage
        if not path.exists() and not measured(subject, seed, options.material, path, graded=graded):
            continue
        judged.append(judge(subject.name, subject.split, subject.moving_camera, seed, path))
    machine = f"{platform.machine()}, {os.cpu_count()} processors, one used, torch {torch.__version__}."
    text = table(judged, f"{machine} {shared_cost()}")
    (options.output / "table.md").write_text(text)
    print(text)
    graded_subjects = [subject for subject in judged if subject.placed]
    draw_strengths(graded_subjects, options.output / "strengths.png")
    draw_roc(graded_subjects, options.output / "roc.png")
    draw_example(options.output)


def measured(subject: Subject, seed: int, material: Path, path: Path, *, graded: bool) -> bool:
    """Measure a subject, and say so; False if its footage is absent."""
    start = time.monotonic()
    if not measure(subject, seed, material, path, graded=graded):
        print(f"{subject.name}: not measured, {material / subject.path} is not there", file=sys.stderr)
        return False
    print(f"{subject.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return True


def shared_cost() -> str:
    """What the score costs at 1080p, motion left out, as processor time."""
    metric, frames = FlickerScore(), torch.rand(3, 3, 1080, 1920)
    judged = [frame["result"] for frame in metric._shot.frames({"result": frames}, plate=frames)]
    for first, second in itertools.pairwise(judged):
        second.beside.last = first.beside
        assert second.beside.motion is not None
    start = time.process_time()
    for frame in judged:
        metric.add(frame)
    return f"The score adds {(time.process_time() - start) / len(judged):.2f} s a frame at 1080p to the motion."


def draw_example(output: Path) -> None:
    """Flicker put into a corner of a soundstage shot: the frame, the map, the curve; and steady beside flickering."""
    steady_codes = steady_frames(EXAMPLE, output)
    assert steady_codes is not None
    steady = (steady_codes / np.float32(255)).astype(np.float32)
    kind = next(kind for kind in KINDS if kind.name == EXAMPLE_KIND)
    seed = 1000 + STAGE.index(EXAMPLE)
    frames, box = place_of(steady.shape, seed)
    unit = just_visible(steady, kind, seed)
    codes = quantised(kept_to(steady, kind.put(steady, EXAMPLE_LEVEL * unit, seed), frames, box))
    shot = torch.from_numpy(codes).permute(0, 3, 1, 2).float() / 255
    metric = FlickerScore()
    metric.update(shot, plate=shot)
    flicker, region = metric.flicker(), metric.worst_region()
    assert flicker is not None and region is not None
    judged = Judged(EXAMPLE.name, EXAMPLE.split, True, seed, steady.shape, placed={EXAMPLE_KIND: flicker})
    draw_place(judged, codes[frames.start + 3], EXAMPLE_KIND, output / "placed.png")
    print(f"{EXAMPLE.name}, {EXAMPLE_KIND} at {EXAMPLE_LEVEL:g}: {region.words}, x {region.x}, y {region.y}")
    rows = []
    for each in KINDS:
        flickering = quantised(each.put(steady, 4 * just_visible(steady, each, seed), seed))
        rows.append(np.concatenate([flickering[place, ::2, ::2] for place in (10, 11, 12, 13)], axis=1))
    sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(output / "kinds.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
