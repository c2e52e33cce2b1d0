"""Wire removal, first light: the mini-model against Telea and flow propagation, on the soundstage and on real shots.

    python experiments/wire_removal_first_light/run.py --output <folder> [--material <folder>] [--only NAME ...]

Each subject is trained and judged with the same settings; a finished subject is not repeated. The
table goes to <folder>/table.md, a strip of pictures for each subject to <folder>/pictures/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.delivery.evaluation import (
    DamagedTake,
    EvaluationSettings,
    evaluate_damaged,
    to_codes,
)
from interpositive.delivery.restoring import frames_to_float
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.digests import sha256_of_value
from interpositive.records.measures import ShotMeasures
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.run import ComputeSettings, TrainSettings, train_mini_model

CLASSICAL = ("telea", "first_valid_flow", "recursive_flow")
SETTINGS: dict[str, Any] = {"max_steps": 1000, "num_windows": 32, "window_frames": 20, "shot_frames": 40}
HOLDS = {"frame": (1.0, 0.0, 0.0), "performer": (0.0, 0.0, 1.0), "mixed": (0.25, 0.25, 0.5)}


@dataclass(frozen=True)
class Subject:
    """One shot to repair. ``learn_from`` is ``"other frames"`` of the same movie, or ``"itself"``, damaged."""

    name: str
    path: str
    first: int
    learn_from: str
    height: int = 216


STAGE_RIGS = {"12A": ("pan", "performer"), "27": ("locked-off", "frame"), "31B": ("dolly", "performer")}
STAGE_RIGS["44C"] = ("hand-held", "performer")
REAL = (
    Subject("gopro_hero7", "clips/gopro_hero7.mp4", 60, "other frames"),
    Subject("void_ducky", "clips/void_ducky.mp4", 0, "itself"),
    Subject("intel_room_people", "clips/intel_room_people.mp4", 80, "other frames"),
    Subject("sam2_juggle", "clips/sam2_juggle.mp4", 20, "other frames"),
    Subject("c2pa_cascade", "clips/c2pa_cascade.mp4", 0, "itself", height=384),
    Subject("davis_tennis", "pairs/davis_tennis_240p", 0, "itself", height=240),
)


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    rows: list[dict[str, Any]] = []
    if not options.only or "soundstage" in options.only:
        rows += soundstage(options.output)
    for subject in REAL:
        if options.only and subject.name not in options.only:
            continue
        path = find_picture_source(options.material / subject.path)
        if path is None:
            print(f"{subject.name}: not measured, {options.material / subject.path} is not there", file=sys.stderr)
            continue
        rows.append(real(subject, path, options.output))
    table = format_table(rows)
    (options.output / "table.md").write_text(table)
    print(table)


def find_picture_source(path: Path) -> Path | None:
    """The movie, or the folder of frames at or right below a path."""
    if path.is_file():
        return path
    for folder in [path, *sorted(p for p in path.glob("*") if p.is_dir() and "mask" not in p.name.lower())]:
        if any(folder.glob("*.png")) or any(folder.glob("*.jpg")):
            return folder
    return None


def soundstage(output: Path) -> list[dict[str, Any]]:
    """One mini-model from the first takes of four scenes, judged on the second takes."""
    work = output / "soundstage"
    done = work / "rows.json"
    if done.exists():
        return list(json.loads(done.read_text()))
    if not (work / "stage").exists():
        render_production(StageSpec(num_frames=60), work / "stage", with_truth=False, num_workers=2)
    ingest(work / "stage" / "dailies", work / "production" / "catalogue.sqlite", split_rule=SplitRule(seed=0))
    with Catalogue(work / "production" / "catalogue.sqlite") as catalogue:
        takes = [
            take.model_copy(update={"split": "train" if take.slate.take.lstrip("T0") == "1" else "test"})
            for take in catalogue.takes()
        ]
    task = WireRemoval()
    model, seconds = train(takes, task, work, {}, height=216)
    rows = []
    for take in [take for take in takes if take.split == "test"]:
        camera, hold = STAGE_RIGS[take.slate.scene]
        reader = open_reader(Path(take.path))
        codes = reader.window(10, 10 + SETTINGS["shot_frames"])
        reader.close()
        damaged = damage(take.name, codes, take.frame_rate, 10, WireRemoval(holds=HOLDS[hold]))
        measures = judge(damaged, model, work)
        rows.append(row(f"soundstage {take.slate.scene}, {camera}", "other takes", measures, seconds))
        picture(work / "judged", measures, output / "pictures" / f"soundstage_{take.slate.scene}.png")
    done.write_text(json.dumps(rows))
    return rows


def real(subject: Subject, path: Path, output: Path) -> dict[str, Any]:
    """A mini-model for one real shot, trained without its hidden pixels."""
    work = output / subject.name
    done = work / "row.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    reader = open_reader(path)
    rate = reader.info.rate
    stop = min(len(reader), subject.first + SETTINGS["shot_frames"])
    codes = scale(reader.window(subject.first, stop), subject.height)
    damaged = damage(subject.name, codes, rate, subject.first, WireRemoval())
    source = work / "source"
    source.mkdir(parents=True, exist_ok=True)
    damage_paths: dict[str, str] = {}
    if subject.learn_from == "itself":
        write_movie(source / "shot.mkv", damaged.damaged, rate)
        masks = np.repeat((damaged.mask * 255).astype(np.uint8)[..., None], 3, -1)
        write_movie(work / "mask.mkv", masks, rate)
    else:
        # The frames next to the shot are left out, so that no hidden pixel is learned from its neighbours in time.
        gap = 24
        spans = [(0, subject.first - gap), (stop + gap, len(reader))]
        start, end = max(spans, key=lambda span: span[1] - span[0])
        end = min(end, start + 240)
        write_movie(source / "other.mkv", scale(reader.window(start, end), subject.height), rate)
    reader.close()
    ingest(source, work / "production" / "catalogue.sqlite", split_rule=SplitRule(seed=0), num_workers=0)
    with Catalogue(work / "production" / "catalogue.sqlite") as catalogue:
        takes = [take.model_copy(update={"split": "train"}) for take in catalogue.takes()]
    if subject.learn_from == "itself":
        damage_paths = {takes[0].name: str(work / "mask.mkv")}
    model, seconds = train(takes, WireRemoval(), work, damage_paths, height=subject.height)
    measures = judge(damaged, model, work)
    result = row(subject.name, subject.learn_from, measures, seconds)
    picture(work / "judged", measures, output / "pictures" / f"{subject.name}.png")
    done.write_text(json.dumps(result))
    return result


def train(
    takes: Sequence[Any], task: WireRemoval, work: Path, damage_paths: dict[str, str], *, height: int
) -> tuple[CandidateFusion, float]:
    torch.manual_seed(0)
    model = CandidateFusion()
    dailies = ProductionDataModule(
        takes,
        task.example,
        model.prepare,
        folder=work / "prepared",
        recipe_digest=sha256_of_value("first light"),
        height=height,
        window_frames=SETTINGS["window_frames"],
        num_windows=SETTINGS["num_windows"],
        num_val_windows=2,
        damage_paths=damage_paths,
    )
    began = time.monotonic()
    train_mini_model(
        model,
        dailies,
        task.example,
        folder=work / f"run_{time.time_ns()}",
        production=work.name,
        task=task.name,
        arguments={},
        catalogue_path=work / "production" / "catalogue.sqlite",
        catalogue_sha256="",
        config_text="",
        settings=TrainSettings(
            max_steps=SETTINGS["max_steps"],
            validate_every=500,
            checkpoint_every=500,
            # Judged at the end alone: the last step is what is compared.
            judge_every=SETTINGS["max_steps"],
            held_out_windows=1,
            held_out_frames=2,
        ),
        compute=ComputeSettings(),
    )
    return model, time.monotonic() - began


def damage(name: str, codes: Frames, rate: Fraction, first: int, task: WireRemoval) -> DamagedTake:
    clean = frames_to_float(codes)
    example = task.example(clean, generator_from("first light", name), None)
    mask = example.mask[:, 0].numpy()
    return DamagedTake(name, "test", rate, first, None, to_codes(example.input), to_codes(clean), mask)


def judge(damaged: DamagedTake, model: CandidateFusion, work: Path) -> ShotMeasures:
    # What a killed judgement left is made again.
    shutil.rmtree(work / "judged" / damaged.name, ignore_errors=True)
    settings = EvaluationSettings(metrics=(Psnr, RelativeWarpError, UntouchedChanged))
    measures, _ = evaluate_damaged(damaged, model, WireRemoval(), work / "judged", settings)
    return measures


def row(name: str, learned_from: str, measures: ShotMeasures, seconds: float) -> dict[str, Any]:
    return {
        "name": name,
        "learned_from": learned_from,
        "chosen": measures.chosen_method,
        "seconds": seconds,
        "psnr": {m: v["psnr_hole"] for m, v in measures.values.items()},
        "warp": {m: v["e_warp_rel_dis_hole"] for m, v in measures.values.items()},
        "untouched": measures.values["chosen"]["untouched_changed"],
    }


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Hole PSNR in dB / hole warp error relative to the clean shot."""
    names = ["telea", "first_valid_flow", "recursive_flow", "prior", "trained", "chosen"]
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; settings {SETTINGS}",
        "",
        "| shot | learned from | " + " | ".join(names) + " | chosen method | chosen − best classical | training gain |",
        "|---" * (len(names) + 5) + "|",
    ]
    for entry in rows:
        cells = [f"{entry['psnr'][n]:.2f} / {entry['warp'][n] or float('nan'):.2f}" for n in names]
        lines.append(
            f"| {entry['name']} | {entry['learned_from']} | {' | '.join(cells)} | {entry['chosen']} "
            f"| {gain(entry):+.2f} | {entry['psnr']['trained'] - entry['psnr']['prior']:+.2f} |"
        )
    for label, group in (
        ("soundstage", [r for r in rows if r["name"].startswith("soundstage")]),
        ("real", [r for r in rows if not r["name"].startswith("soundstage")]),
    ):
        if group:
            warp = np.mean([min(r["warp"][c] for c in CLASSICAL) - r["warp"]["chosen"] for r in group])
            learned = np.mean([r["psnr"]["trained"] - r["psnr"]["prior"] for r in group])
            lines += [
                "",
                f"{label}: {len(group)} shots, chosen − best classical {np.mean([gain(r) for r in group]):+.2f} dB on "
                f"average, {min(gain(r) for r in group):+.2f} at worst; relative warp error lower than the steadiest "
                f"classical fill by {warp:.2f} on average; training over the untrained prior {learned:+.2f} dB; pixels "
                f"changed outside the mask: {sum(r['untouched'] for r in group):.0f}.",
            ]
    return "\n".join(lines) + "\n"


def gain(entry: dict[str, Any]) -> float:
    """The chosen method's hole PSNR over the best classical fill's."""
    return float(entry["psnr"]["chosen"] - max(entry["psnr"][c] for c in CLASSICAL))


def picture(judged: Path, measures: ShotMeasures, path: Path) -> None:
    """Damaged, Telea, best flow, chosen, true: the middle frame around its mask, twice enlarged."""
    flow = max(CLASSICAL[1:], key=lambda m: measures.values[m]["psnr_hole"] or 0.0)
    wanted = ["plate", "telea", flow, "result", "target"]
    middle = measures.num_frames // 2
    pictures = []
    for role in wanted:
        name = measures.pictures.get(role) or measures.pictures["result"]
        reader = open_reader(judged / name)
        pictures.append(reader.window(middle, middle + 1)[0])
        reader.close()
    height, width = pictures[0].shape[:2]
    top, left = height // 4, width // 4
    crops = [
        cv2.resize(p[top : 3 * top, left : 3 * left], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for p in pictures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack(crops)[..., ::-1])


def scale(codes: Frames, height: int) -> Frames:
    if codes.shape[1] <= height:
        return codes[:, : codes.shape[1] // 2 * 2, : codes.shape[2] // 2 * 2]
    size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])


def write_movie(path: Path, codes: Frames, rate: Fraction) -> None:
    if path.exists():
        return
    with MovieWriter(path, rate, codes.shape[2], codes.shape[1], codec="ffv1") as movie:
        movie.write(codes)


if __name__ == "__main__":
    main()
