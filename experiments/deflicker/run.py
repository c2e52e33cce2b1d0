"""Flicker with known truth put on steady shots, taken out by every method of the mini-model; see README.md."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "flicker_calibration"))

import injections
from footage import REAL, STAGE, Subject, steady_frames

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.steady_light import SteadyLight
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import StageSpec
from interpositive.tasks.deflicker import Deflicker
from interpositive.tasks.flicker import DRAWS, draw_flicker, put_flicker

Pictures = NDArray[np.float32]

STRENGTH_STOPS, TINT, CURVE = 0.12, 0.15, (2.2, 0.09)
CELLS = (12, 16)
TRAIN_FRAMES, TRAIN_STEPS = 24, 400
KEPT = ("clean", "white grain", "lamp on", "slow fade", "passing shadow")


def tensor(pictures: Pictures) -> torch.Tensor:
    return rearrange(torch.from_numpy(pictures), "t h w c -> t c h w").contiguous()


def pictures_of(frames: torch.Tensor) -> Pictures:
    return np.ascontiguousarray(rearrange(frames.numpy(), "t c h w -> t h w c"))


def codes(pictures: Pictures) -> Pictures:
    """What eight bits leave of them."""
    return (np.rint(np.clip(pictures, 0, 1) * 255) / 255).astype(np.float32)


def log_gain(shot: Pictures, truth: Pictures) -> NDArray[np.float64]:
    """Stops of light by which each cell of each frame differs from the truth, ``t cells``, its mean over time taken."""
    lit = ((truth > 0.08) & (truth < 0.95) & (shot > 0.04) & (shot < 0.99)).all(-1)
    stops = np.log2(injections.light_of(shot).sum(-1) + 1e-3) - np.log2(injections.light_of(truth).sum(-1) + 1e-3)
    courses = []
    for frame, seen in zip(stops, lit, strict=True):
        share, total = (
            cv2.resize(plane.astype(np.float32), CELLS[::-1], interpolation=cv2.INTER_AREA)
            for plane in (seen, np.where(seen, frame, 0.0))
        )
        courses.append(np.where(share > 0.3, total / np.maximum(share, 1e-6), np.nan).ravel())
    found = np.stack(courses).astype(np.float64)
    found = found[:, np.isfinite(found).sum(0) > len(found) / 2]
    return found - np.nanmean(found, 0)


def rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


def psnr(shot: Pictures, truth: Pictures) -> float:
    return float(-10 * np.log10(np.mean((shot - truth) ** 2, dtype=np.float64) + 1e-12))


def gradient_energy(shot: Pictures) -> float:
    return float(np.mean(np.diff(shot, axis=1) ** 2) + np.mean(np.diff(shot, axis=2) ** 2))


def judged(shot: Pictures, flickered: Pictures, truth: Pictures) -> dict[str, float]:
    """What is left of the flicker (shares of what was put on), and what it cost."""
    found, given = log_gain(shot, truth), log_gain(flickered, truth)
    return {
        "left": rms(found) / rms(given),
        "left_quick": rms(np.diff(found, axis=0)) / rms(np.diff(given, axis=0)),
        "psnr": psnr(shot, truth),
        "sharpness": gradient_energy(shot) / gradient_energy(truth),
    }


def training_windows(subjects: tuple[Subject, ...], material: Path | None) -> list[Pictures]:
    """Windows of the same productions that no judged frame is in: other takes, other parts of a clip."""
    windows = []
    for subject in subjects:
        if subject in STAGE:
            take = render_take(StageSpec(num_frames=2 * TRAIN_FRAMES), subject.path, 2, with_truth=False)  # type: ignore[arg-type]
            frames = np.asarray(take.frames, np.float32) / 255
            windows += [frames[:TRAIN_FRAMES], frames[TRAIN_FRAMES:]]
            continue
        for first in (subject.first + 40, subject.first - 32):
            try:
                found = steady_frames(replace(subject, first=first), material or Path()) if first >= 0 else None
            except Exception as error:  # a clip may end before: said, and gone on
                print(f"  {subject.name} has no frames from {first} on ({type(error).__name__})")
                continue
            if found is not None and len(found) >= TRAIN_FRAMES:
                windows.append(found[:TRAIN_FRAMES].astype(np.float32) / 255)
    return windows


def trained(windows: list[Pictures], rounds: int) -> SteadyLight:
    """A mini-model that learned from the windows, each under ``rounds`` draws of flicker."""
    torch.manual_seed(0)
    model, task, began = SteadyLight(), Deflicker(), time.process_time()
    examples: list[Example] = []
    for number in range(rounds):
        for place, window in enumerate(windows):
            generator = generator_from("study", number, place)
            examples += model.prepare(task.example(tensor(window), generator), generator)
    prepared = time.process_time() - began
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TRAIN_STEPS)
    for step in range(TRAIN_STEPS):
        drawn = torch.randint(len(examples), (6,), generator=generator_from("batch", step)).tolist()
        batch = [examples[i] for i in drawn]
        example = Example(
            torch.stack([e.input for e in batch]),
            torch.stack([e.mask for e in batch]),
            torch.stack([e.target for e in batch if e.target is not None]),
            {name: torch.stack([e.condition[name] for e in batch]) for name in batch[0].condition},
        )
        loss = torch.stack(list(model.losses(example, generator_from(step)).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - began
    print(f"  learned from {len(examples)} windows in {seconds:.0f} s of processor time ({prepared:.0f} s to prepare)")
    return model.eval()


def study(subject: Subject, model: SteadyLight, material: Path | None, output: Path) -> dict[str, object] | None:
    found = steady_frames(subject, material or Path())
    if found is None:
        return None
    steady = np.asarray(found, np.float32) / 255
    rows: dict[str, dict[str, dict[str, float]]] = {}
    keep = range(len(steady))
    for kind in DRAWS:
        random = np.random.default_rng(5)
        flicker = draw_flicker(kind, len(steady), STRENGTH_STOPS, TINT, random)
        flickered = codes(put_flicker(steady, flicker, CURVE, random))
        restored = model.restore(Example(tensor(flickered), torch.ones(len(steady), 1, *steady.shape[1:3])), keep)
        shots = {name: pictures_of(result.frames) for name, result in restored.items()}
        rows[kind] = {name: judged(shot, flickered, steady) for name, shot in shots.items()}
        draw_look(output / f"{subject.name}_{kind}.png", steady, flickered, shots)
    for name in KEPT:
        real = codes(injections.NEGATIVES[name](steady, 3))
        restored = model.restore(Example(tensor(real), torch.ones(len(steady), 1, *steady.shape[1:3])), keep)
        rows[name] = {}
        for method, result in restored.items():
            shot = pictures_of(result.frames)
            change = rms(log_gain(real, steady)) if name != "clean" else 0.0
            rows[name][method] = {
                "altered_psnr": psnr(shot, real),
                "lost_db": psnr(real, steady) - psnr(shot, steady) if name == "white grain" else 0.0,
                "left_of_real": 1.0 - rms(log_gain(shot, real)) / change if change > 0.02 else 1.0,
                "sharpness": gradient_energy(shot) / gradient_energy(real),
            }
    return {"subject": subject.name, "rows": rows}


def draw_look(path: Path, steady: Pictures, flickered: Pictures, shots: dict[str, Pictures]) -> None:
    """Rows: steady, flickering, prior, trained; six frames; then the courses of mean luma."""
    frames = [8, 10, 12, 14, 16, 18]
    rows = [
        np.concatenate([shot[t] for t in frames], 1) for shot in (steady, flickered, shots["prior"], shots["trained"])
    ]
    sheet = cv2.resize(np.concatenate(rows), None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA)
    plot = np.full((160, sheet.shape[1], 3), 255, np.uint8)
    lines = {"flickered": (flickered, (160, 160, 160)), "steady": (steady, (0, 0, 0))}
    lines |= {"mean_variance": (shots["mean_variance"], (220, 140, 0)), "trained": (shots["trained"], (200, 0, 0))}
    courses = {name: shot.mean((1, 2, 3)) for name, (shot, _) in lines.items()}
    low = min(c.min() for c in courses.values())
    high = max(c.max() for c in courses.values())
    for name, (_, colour) in lines.items():
        xs = np.linspace(5, plot.shape[1] - 5, len(steady))
        ys = 150 - 140 * (courses[name] - low) / max(high - low, 1e-6)
        points = np.stack((xs, ys), 1).astype(np.int32)
        cv2.polylines(plot, [points[:, None]], False, colour[::-1], 2, cv2.LINE_AA)
    picture = np.concatenate(((sheet[..., ::-1].clip(0, 1) * 255).astype(np.uint8), plot))
    cv2.imwrite(str(path), picture)


def table(results: list[dict[str, object]]) -> str:
    methods = ("mean_variance", "histogram_track", "prior", "trained")
    lines = ["| shot | kind | " + " | ".join(methods) + " | trained, quick | dB identity, prior, trained | sharpness |"]
    lines.append("| --- " * (len(methods) + 5) + "|")
    for result in results:
        rows: dict[str, dict[str, dict[str, float]]] = result["rows"]  # type: ignore[assignment]
        for kind in DRAWS:
            row = rows[kind]
            left = " | ".join(f"{row[m]['left']:.3f}" for m in methods)
            decibel = ", ".join(f"{row[m]['psnr']:.1f}" for m in ("identity", "prior", "trained"))
            lines.append(
                f"| {result['subject']} | {kind} | {left} | {row['trained']['left_quick']:.3f} | {decibel} | "
                f"{row['trained']['sharpness']:.3f} |"
            )
    lines += [
        "",
        "| shot | real light | altered, dB: mean_variance, prior, trained | kept of it: the same |",
        "| --- " * 4 + "|",
    ]
    for result in results:
        rows = result["rows"]  # type: ignore[assignment]
        for name in KEPT:
            three = [rows[name][m] for m in ("mean_variance", "prior", "trained")]
            altered = ", ".join(f"{r['altered_psnr']:.1f}" for r in three)
            kept = ", ".join(f"{r['left_of_real']:.2f}" for r in three)
            lines.append(f"| {result['subject']} | {name} | {altered} | {kept} |")
    lines += ["", "| kind | " + " | ".join(methods) + " |", "| --- " * (len(methods) + 1) + "|"]
    for kind in DRAWS:
        means = [
            np.exp(np.mean([np.log(r["rows"][kind][m]["left"]) for r in results]))  # type: ignore[index]
            for m in methods
        ]
        lines.append(f"| {kind}, geometric mean | " + " | ".join(f"{m:.3f}" for m in means) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = []
    for name, group in (("soundstage", STAGE), ("real", REAL)):
        subjects = tuple(s for s in group if not arguments.only or s.name in arguments.only)
        if not subjects or (name == "real" and arguments.material is None):
            continue
        print(name, flush=True)
        model = trained(training_windows(subjects, arguments.material), arguments.rounds)
        for subject in subjects:
            result = study(subject, model, arguments.material, arguments.output)
            if result is None:
                print(f"  {subject.name} is not there")
                continue
            results.append(result)
            print(f"  {subject.name} done", flush=True)
    (arguments.output / "results.json").write_text(json.dumps(results, indent=1))
    report = table(results)
    (arguments.output / "table.md").write_text(report + "\n")
    print(report)


if __name__ == "__main__":
    main()
