"""What a finder finds in shots that nobody learned from: recall and precision, on the stage and on real footage.

    python scripts/study_finding.py output [--task plate_cleaning] [--footage stage a.mp4 b.mp4] [--steps 2000]

The stage is one production of four first takes to learn from. Each real shot is one too: its first half is learned
from, the next 15 % say from what likelihood on something is found, the rest is judged; 216 lines high. Judged are
windows with drawings that training never saw, on pixels that they change by 4 % of the code range or more:

- wires of 1.5 px and more (7.5 px at 1080 lines), without shadows;
- dust, hairs and scratches; spots on the sensor.

A pixel is met if the mask has one within a pixel of it; a pixel of the mask is right if anything that was drawn is
within a pixel. Real footage lies in
``INTERPOSITIVE_MATERIAL``. Resumable: shots with a result in output/<task>.json are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import interpositive.training  # noqa: F401  isort: skip

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.take import Take
from interpositive.media.contract import code_range
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.mini_models.finder import VISIBLE, Counts, Finder, count
from interpositive.mini_models.finder_archive import FINDER_NAME, load_finder
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.tasks.plate_cleaning import PlateCleaning
from interpositive.tasks.removal import Removal
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.finder_training import FinderStage, train_finder
from interpositive.training.settings import TrainSettings
from interpositive.training.stopping import StopRequests

HEIGHT, WINDOW, LONGEST = 216, 24, 240
FOOTAGE = (
    *("sam2_juggle.mp4", "sam2_cups.mp4", "gopro_hero7.mp4", "imageio_cockatoo.mp4", "void_ducky.mp4"),
    *("lp_dim_s32.mp4", "mpy_chaplin.mp4"),
)
LEARNED: dict[str, Removal] = {"wire_removal": WireRemoval(), "plate_cleaning": PlateCleaning()}
JUDGED: dict[str, dict[str, Removal]] = {
    "wire_removal": {"wires": WireRemoval(width_px_at_1080=(7.5, 24.0), shadow_share=0.0)},
    "plate_cleaning": {
        "dust, hairs, scratches": PlateCleaning(kinds=(0.5, 0.2, 0.3, 0.0, 0.0)),
        "sensor spots": PlateCleaning(kinds=(0.0, 0.0, 0.0, 1.0, 0.0)),
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--task", choices=list(LEARNED), default="wire_removal")
    parser.add_argument("--footage", nargs="+", default=["stage", *FOOTAGE])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--windows", type=int, default=48)
    parser.add_argument("--judged-windows", type=int, default=10)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    given.output.mkdir(parents=True, exist_ok=True)
    path = given.output / f"{given.task}.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    for name in given.footage:
        if name not in results:
            results[name] = study(name, given)
            path.write_text(json.dumps(results, indent=1))
        for kind, found in results[name]["judged"].items():
            print(f"{name:24} {kind:24} " + "  ".join(f"{key} {value:.3f}" for key, value in found.items()), flush=True)
        print(f"{'':24} {results[name]['learned']}")


def study(name: str, given: argparse.Namespace) -> dict[str, object]:
    """One production: trained, and judged on its test takes."""
    takes = shoot(name, given.output)
    task = LEARNED[given.task]
    torch.manual_seed(1)
    finder = Finder()
    dailies = ProductionDataModule(
        takes,
        task.example,
        finder.prepare,
        folder=given.output / name / "prepared",
        recipe_digest=f"{given.task} {given.windows}",
        height=HEIGHT,
        window_frames=WINDOW,
        num_windows=given.windows,
        num_prepare_workers=0,
    )
    stage = FinderStage(finder, dailies, {}, given.steps, learning_rate=2e-3, num_windows=8)
    began = time.process_time()
    folder = given.output / name / given.task
    digest, recipe = train_finder(stage, folder, name, task.name, TrainSettings(progress=True), StopRequests())
    learned = f"held-out {recipe.words}; {recipe.settling}; {time.process_time() - began:.0f} CPU s"
    kept = load_finder(folder / FINDER_NAME, digest)
    judged = {}
    tests = [take for take in takes if take.split == "test"]
    for kind, drawing in JUDGED[given.task].items():
        pictures = folder / kind.split(",")[0]
        pictures.mkdir(exist_ok=True)
        counts = Counts()
        for number in range(given.judged_windows):
            take = tests[number % len(tests)]
            counts += judge(kept.finder, kept.recipe.settling, drawing, take, number, pictures)
        judged[kind] = {"recall": counts.recall, "precision": counts.precision, "f1": counts.f_score()}
    return {"judged": judged, "learned": learned}


def judge(finder: Finder, settling: object, drawing: Removal, take: Take, number: int, pictures: Path) -> Counts:
    """Draw over a window of a take, look, and count over three of its frames; one is kept as a picture."""
    random = np.random.default_rng((7, number))
    with closing(open_reader(Path(take.path))) as reader:
        span = min(WINDOW, len(reader))
        start = int(random.integers(0, len(reader) - span + 1))
        codes = reader.window(start, start + span)
    clean = codes.astype(np.float32) / code_range(codes)
    damaged, coverage = drawing.draw_over(clean, random)
    keep = range(span // 4, span, span // 3)
    likely = finder.look(torch.from_numpy(damaged).permute(0, 3, 1, 2), keep)
    counts = Counts()
    for frame, likelihood in zip(keep, likely, strict=True):
        drawn = coverage[frame] > 0.01
        wanted = drawn & (np.abs(damaged[frame] - clean[frame]).max(-1) > VISIBLE)
        mask = settling.settle(likelihood)
        counts += count(mask, wanted, drawn)
        if frame == keep[1]:
            shown = [damaged[frame], *(np.repeat(p[..., None], 3, 2) for p in (wanted, likelihood, mask))]
            strip = np.concatenate([np.concatenate(shown[:2], 1), np.concatenate(shown[2:], 1)], 0)
            cv2.imwrite(str(pictures / f"{number:02d}.png"), (strip[..., ::-1] * 255).clip(0, 255).astype(np.uint8))
    return counts


def shoot(name: str, output: Path) -> list[Take]:
    """The takes of a production: the stage's, or the three parts of a real shot."""
    folder = output / name
    catalogue_path = folder / "catalogue.sqlite"
    if not catalogue_path.is_file():
        source = folder / "dailies"
        if name == "stage":
            if not source.exists():
                render_production(StageSpec(), folder, with_truth=False, num_workers=1, progress=False)
            split = {"*/01": "train", "12A/02": "val", "*/02": "test"}
        else:
            cut_up(Path(os.environ["INTERPOSITIVE_MATERIAL"]) / "clips" / name, source)
            split = {"*/01": "train", "*/02": "val", "*/03": "test"}
        ingest(source, catalogue_path, split_rule=SplitRule(explicit=split), num_workers=0, progress=False)
    with Catalogue(catalogue_path) as catalogue:
        return list(catalogue.takes())


def cut_up(movie: Path, source: Path) -> None:
    """A shot at 216 lines as three takes, lossless."""
    source.mkdir(parents=True, exist_ok=True)
    with closing(open_reader(movie)) as reader:
        num, rate = min(LONGEST, len(reader)), reader.info.rate
        frames = np.concatenate([small(reader.window(i, min(num, i + 8))) for i in range(0, num, 8)])
    cuts = (0, round(0.5 * num), round(0.65 * num), num)
    for number, (first, last) in enumerate(pairwise(cuts), 1):
        path = source / f"10A_T{number:02d}_A_R01.mkv"
        if not path.is_file():
            with MovieWriter(path, rate, frames.shape[2], frames.shape[1], codec="ffv1") as writer:
                writer.write(frames[first:last])


def small(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames ``t h w 3`` at 216 lines, columns even."""
    size = (round(codes.shape[2] * HEIGHT / codes.shape[1] / 2) * 2, HEIGHT)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])


if __name__ == "__main__":
    main()
