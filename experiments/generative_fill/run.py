"""What no frame shows, made up: mini flow against regression, on the soundstage and on real shots.

    python experiments/generative_fill/run.py --output <folder> [--material <folder>] [--only NAME ...]
        [--flow-steps 1000] [--regression-steps 1500] [--num-windows 32]

Both are trained on the same takes for about the same CPU time, and fill holes of which more than a fifth is never
seen. A finished training or subject is not repeated; a killed training is taken up again. The table goes to
<folder>/table.md, a strip of pictures for each subject to <folder>/pictures/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.delivery.restoring import frames_to_float
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from, seed_from
from interpositive.media.contract import Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.metrics.contract import ShotMetric
from interpositive.metrics.local_flicker import LocalFlicker
from interpositive.metrics.patch_distance import PatchDistance
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.spectral_error import SpectralError
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.mini_models.archive import load_archive
from interpositive.mini_models.candidate_bank import motion_of
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.mini_flow import MiniFlow
from interpositive.motion.camera_motion import CameraPath, fit_homography
from interpositive.records.digests import sha256_of_value
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.run import ComputeSettings, TrainSettings, train_mini_model

Steps = tuple[int, int, int]
"""Of candidate fusion, of mini flow, and how many windows of footage both learn from."""
SHOT_FRAMES, REACH = 16, 8
BLOBS, BLOB_OF_HEIGHT, PLACES = 2, 0.11, 16
METHODS = ("prior", "regression", "made up")
WANTED = ("spectral", "patch", "psnr_unseen", "psnr_seen", "e_warp_rel", "flicker")


@dataclass(frozen=True)
class Subject:
    """A real shot; its model learns from other frames of the same movie."""

    name: str
    path: str
    first: int
    height: int = 216


REAL = (
    Subject("gopro_hero7", "clips/gopro_hero7.mp4", 60),
    Subject("intel_room_people", "clips/intel_room_people.mp4", 80),
    Subject("sam2_juggle", "clips/sam2_juggle.mp4", 20),
)


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--flow-steps", type=int, default=1000)
    parser.add_argument("--regression-steps", type=int, default=1500)
    parser.add_argument("--num-windows", type=int, default=32)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    steps = (options.regression_steps, options.flow_steps, options.num_windows)
    rows: list[dict[str, Any]] = []
    if not options.only or "soundstage" in options.only:
        rows += soundstage(options.output, steps)
    for subject in REAL:
        if options.only and subject.name not in options.only:
            continue
        if not (options.material / subject.path).is_file():
            print(f"{subject.name}: not measured, {options.material / subject.path} is not there", file=sys.stderr)
            continue
        rows.append(real(subject, options.material / subject.path, options.output, steps))
    table = format_table(rows, steps)
    (options.output / "table.md").write_text(table)
    print(table)


def soundstage(output: Path, steps: Steps) -> list[dict[str, Any]]:
    """Two mini-models from the first takes of four scenes, judged on the second takes."""
    work = output / "soundstage"
    if not (work / "stage").exists():
        render_production(StageSpec(num_frames=60), work / "stage", with_truth=False, num_workers=2)
    ingest(work / "stage" / "dailies", work / "production" / "catalogue.sqlite", split_rule=SplitRule(seed=0))
    with Catalogue(work / "production" / "catalogue.sqlite") as catalogue:
        takes = [
            take.model_copy(update={"split": "train" if take.slate.take.lstrip("T0") == "1" else "test"})
            for take in catalogue.takes()
        ]
    models = train_both([take for take in takes if take.split == "train"], work, 216, steps)
    rows = []
    judged = judged_folder(work, steps)
    for take in (take for take in takes if take.split == "test"):
        reader = open_reader(Path(take.path))
        codes = reader.window(10, 10 + SHOT_FRAMES + 2 * REACH)
        reader.close()
        rows.append(judge(f"soundstage {take.slate.scene}", codes, models, judged, output / "pictures"))
    return rows


def real(subject: Subject, path: Path, output: Path, steps: Steps) -> dict[str, Any]:
    """Two mini-models from other frames of a movie, with a gap of 24 frames beside the shot."""
    work = output / subject.name
    reader = open_reader(path)
    stop = subject.first + SHOT_FRAMES + 2 * REACH
    codes = scale(reader.window(subject.first, stop), subject.height)
    spans = [(0, subject.first - 24), (stop + 24, len(reader))]
    start, end = max(spans, key=lambda span: span[1] - span[0])
    source = work / "source" / "other.mkv"
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        with MovieWriter(source, reader.info.rate, codes.shape[2], codes.shape[1], codec="ffv1") as movie:
            movie.write(scale(reader.window(start, min(end, start + 240)), subject.height))
    reader.close()
    ingest(source.parent, work / "production" / "catalogue.sqlite", split_rule=SplitRule(seed=0), num_workers=0)
    with Catalogue(work / "production" / "catalogue.sqlite") as catalogue:
        takes = [take.model_copy(update={"split": "train"}) for take in catalogue.takes()]
    models = train_both(takes, work, subject.height, steps)
    # Pictures of real footage stay in its own folder.
    return judge(subject.name, codes, models, judged_folder(work, steps), work)


def judged_folder(work: Path, steps: Steps) -> Path:
    """Where numbers of so long a training are kept: those of another are other numbers."""
    folder = work / "judged" / "_".join(map(str, steps))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def train_both(takes: Sequence[Any], work: Path, height: int, steps: Steps) -> dict[str, tuple[MiniModel, float]]:
    """Candidate fusion and mini flow, each with the CPU seconds of its training (since it was last taken up)."""
    trained = {}
    for kind, num_steps in zip((CandidateFusion, MiniFlow), steps[:2], strict=True):
        folder = work / f"{kind.__name__}_{num_steps}"
        done = folder / "cpu_seconds.json"
        torch.manual_seed(0)
        model = kind()
        if not done.exists():
            spent = sum(os.times()[:4])
            task = WireRemoval()
            dailies = ProductionDataModule(
                takes,
                task.example,
                model.prepare,
                folder=work / "prepared",
                recipe_digest=sha256_of_value(["generative fill", kind.__name__]),
                height=height,
                window_frames=20,
                num_windows=steps[2],
                num_val_windows=2,
                batch_size=6,
            )
            train_mini_model(
                model,
                dailies,
                task.example,
                folder=folder,
                production=work.name,
                task=task.name,
                arguments={},
                catalogue_path=work / "production" / "catalogue.sqlite",
                catalogue_sha256="",
                config_text="",
                settings=TrainSettings(
                    max_steps=num_steps,
                    validate_every=num_steps,
                    checkpoint_every=100,
                    judge_every=num_steps,
                    held_out_windows=1,
                    held_out_frames=2,
                ),
                compute=ComputeSettings(),
            )
            done.write_text(json.dumps(sum(os.times()[:4]) - spent))
        loaded, _ = load_archive(folder / "archive")
        trained[kind.__name__] = (loaded.eval(), float(json.loads(done.read_text())))
    return trained


def judge(
    name: str, codes: Frames, models: dict[str, tuple[MiniModel, float]], judged: Path, pictures: Path
) -> dict[str, Any]:
    """Fill a shot's wires and its two blobs, which lie on the scene, by all methods, and measure them."""
    done = judged / f"{name.replace(' ', '_')}.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    clean = frames_to_float(codes)
    wires = WireRemoval().example(clean, generator_from("generative fill", name), None)
    blobs = torch.from_numpy(blobs_on_scene(name, clean))[:, None]
    mask = torch.maximum(wires.mask, blobs)
    place = {"shot": torch.tensor(seed_from(name)), "first_frame": torch.tensor(0)}
    example = Example(torch.where(blobs > 0, 0.5, wires.input), mask, condition=place)
    keep = range(REACH, REACH + SHOT_FRAMES)
    kept = slice(keep.start, keep.stop)
    (fusion, fusion_cost), (flow, flow_cost) = models["CandidateFusion"], models["MiniFlow"]
    began = time.process_time()
    copied = fusion.restore(example, keep, ["prior", "trained"])
    between = time.process_time()
    # The same fusion inside mini flow, for what is seen must be its own to the last bit.
    made = flow.restore(example, keep, ["regression", "trained"])
    seconds = [(between - began) / SHOT_FRAMES, (time.process_time() - between) / SHOT_FRAMES]
    results = {"prior": copied["prior"], "regression": copied["trained"], "made up": made["trained"]}
    inside = made["regression"].frames
    made_up = results["made up"].made_up
    assert made_up is not None
    unseen, hole = made_up.float(), mask[kept]
    seen = ((hole > 0) & ~made_up).float()
    values: dict[str, dict[str, float]] = {}
    for method, restored in results.items():

        def one(metric: ShotMetric, number: str, where: Tensor, frames: Tensor = restored.frames) -> float:
            metric.update(frames, clean[kept], plate=example.input[kept], mask=where)
            return metric.shot_values()[number]

        values[method] = {
            "spectral": one(SpectralError(), "spectral_error_hole", unseen),
            "patch": one(PatchDistance(), "patch_distance_hole", unseen),
            "psnr_unseen": one(Psnr(), "psnr_hole", unseen),
            "psnr_seen": one(Psnr(), "psnr_hole", seen),
            "e_warp_rel": one(RelativeWarpError(), "e_warp_rel_dis_hole", unseen),
            "flicker": one(LocalFlicker(rate=24), "local_flicker_dis_hole", unseen),
        }
    same = torch.equal(inside[~made_up.expand_as(inside)], results["made up"].frames[~made_up.expand_as(inside)])
    row = {
        "name": name,
        "never_seen": float(unseen.sum() / (hole > 0).sum()),
        "values": values,
        "seen_equals_regression_inside": same,
        "cpu_seconds": [fusion_cost, flow_cost],
        "cpu_seconds_a_frame": seconds,
    }
    strip(
        pictures / f"{name.replace(' ', '_')}.png",
        [example.input[kept], *(r.frames for r in results.values()), clean[kept]],
        unseen,
    )
    done.write_text(json.dumps(row))
    return row


def blobs_on_scene(name: str, clean: Tensor) -> NDArray[np.float32]:
    """Two ragged discs that move with the camera, ``t h w``: on the busiest of a few drawn places, apart."""
    motion = motion_of(Example(clean, torch.zeros_like(clean[:, :1])))
    steps = [fit_homography(motion.flow(t, t + 1), ~motion.distrusted(t)) for t in range(motion.num_frames - 1)]
    path, middle = CameraPath(steps), motion.num_frames // 2
    height, width = motion.height, motion.width
    radius = BLOB_OF_HEIGHT * height
    random = np.random.default_rng(seed_from("blobs", name))
    frame = motion.frames[middle]
    detail = cv2.GaussianBlur(np.abs(frame - cv2.GaussianBlur(frame, (0, 0), 2.0)).mean(-1), (0, 0), radius)
    drawn = [
        (random.uniform(2.5 * radius, width - 2.5 * radius), random.uniform(1.6 * radius, height - 1.6 * radius))
        for _ in range(PLACES)
    ]
    chosen: list[tuple[float, float]] = []
    for x, y in sorted(drawn, key=lambda place: -detail[int(place[1]), int(place[0])]):
        if len(chosen) < BLOBS and all(np.hypot(x - a, y - b) > 3.0 * radius for a, b in chosen):
            chosen.append((x, y))
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    masks = np.zeros((motion.num_frames, height, width), np.float32)
    for t in range(motion.num_frames):
        matrix = path.between(t, middle)
        x, y, w = (matrix[i, 0] * xs + matrix[i, 1] * ys + matrix[i, 2] for i in range(3))
        for left, top in chosen:
            turn = np.arctan2(y / w - top, x / w - left)
            masks[t] += np.hypot(x / w - left, y / w - top) < radius * (1.0 + 0.15 * np.sin(3 * turn + left))
    return masks.clip(0, 1)


def strip(path: Path, pictures: Sequence[Tensor], unseen: Tensor) -> None:
    """Damaged, prior, regression, made up, true, around what is never seen, of two frames 12 apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    ys, xs = (np.nonzero(unseen.numpy().any((0, 1)))[axis] for axis in (0, 1))
    if not len(ys):
        return
    box = (slice(max(0, ys.min() - 12), ys.max() + 13), slice(max(0, xs.min() - 12), xs.max() + 13))
    for number in (2, 14):
        crops = [np.rint(p[number].permute(1, 2, 0).numpy()[box] * 255).clip(0, 255).astype(np.uint8) for p in pictures]
        rows.append(np.vstack(crops) if crops[0].shape[1] > 1.6 * crops[0].shape[0] else np.hstack(crops))
    stacked = np.hstack(rows) if rows[0].shape[0] > rows[0].shape[1] else np.vstack(rows)
    cv2.imwrite(str(path), cv2.resize(stacked, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)[..., ::-1])


def format_table(rows: Sequence[dict[str, Any]], steps: Steps) -> str:
    """Numbers of each shot and method, and whether the bars hold."""
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; steps: regression {steps[0]}, "
        f"mini flow {steps[1]}; {steps[2]} windows",
        "",
        "| shot | never seen | method | spectral error, dB | patch distance, % | PSNR never seen | PSNR seen "
        "| relative warp error | local flicker, % |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        for method in METHODS:
            cells = " | ".join(f"{row['values'][method][key]:.2f}" for key in WANTED)
            lines.append(f"| {row['name']} | {row['never_seen']:.0%} | {method} | {cells} |")
    lines += ["", "Made up against regression:", ""]
    for row in rows:
        old, new = row["values"]["regression"], row["values"]["made up"]
        spectral, patch = (100.0 * (1.0 - new[key] / old[key]) for key in ("spectral", "patch"))
        lines.append(
            f"- {row['name']}: spectral error {spectral:.0f} % lower, patch distance {patch:.0f} % lower, seen "
            f"{new['psnr_seen'] - old['psnr_seen']:+.2f} dB, relative warp error {new['e_warp_rel']:.2f}; "
            f"its own regression where seen: {row['seen_equals_regression_inside']}; trained in "
            f"{row['cpu_seconds'][0]:.0f} and {row['cpu_seconds'][1]:.0f} CPU s, restored in "
            f"{row['cpu_seconds_a_frame'][0]:.1f} and {row['cpu_seconds_a_frame'][1]:.1f} CPU s a frame."
        )
    return "\n".join(lines) + "\n"


def scale(codes: Frames, height: int) -> Frames:
    if codes.shape[1] <= height:
        return codes[:, : codes.shape[1] // 2 * 2, : codes.shape[2] // 2 * 2]
    size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])


if __name__ == "__main__":
    main()
