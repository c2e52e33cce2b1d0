"""What each part of the candidate bank is worth, without any training.

    python experiments/candidate_bank_ablations/run.py [--material <folder of footage>] [--output <table.md>]

Four held-out soundstage takes, and four real movies where the footage folder is there. Wires are drawn over
40 frames; numbers are PSNR in the hole (dB) unless a column says otherwise.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import interpositive.mini_models  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.delivery.restoring import frames_to_float
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.opening import open_reader
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.shot_meter import ShotMeter
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.mini_models.candidate_bank import NUM_SPATIAL, Bank, BankBuilder, BankRecipe
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.hole_fills import Blend
from interpositive.motion.line_pull import pull_along_lines
from interpositive.motion.spatial_fill import Tension, telea_fill, thin_plate_fill
from interpositive.motion.window_motion import SLACK_TENSION, STIFF_TENSION, WindowMotion
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import SCENE_NAMES, StageSpec
from interpositive.tasks.wire_removal import WireRemoval

NUM_FRAMES = 40
KEEP = range(12, 24)
LOOKED_AT = (12, 17, 22)
CAMERAS = {"12A": "pan", "27": "locked-off", "31B": "dolly", "44C": "hand-held"}
RIGS = {"12A": (0.0, 0.0, 1.0), "27": (1.0, 0.0, 0.0), "31B": (0.0, 0.0, 1.0), "44C": (0.0, 0.0, 1.0)}
MOVIES = (("gopro_hero7", 60, 216), ("sam2_juggle", 20, 216), ("c2pa_cascade", 0, 384), ("void_ducky", 0, 216))
BLENDS = {
    "not blended": Blend((0.0, 0.05), (0.0, 0.05)),
    "all alike": Blend((0.5, 0.05), (0.5, 0.05)),
    "guesses 0.7, 0.15": Blend((0.5, 0.05), (0.7, 0.15)),
    "guesses 0.8, 0.3 (used)": Blend(),
}


@dataclass(frozen=True)
class Shot:
    """A clean shot ``t 3 h w``, and the wires drawn over it."""

    name: str
    clean: torch.Tensor
    example: Example

    def motion(self) -> WindowMotion:
        frames = np.ascontiguousarray(self.example.input.permute(0, 2, 3, 1).numpy())
        return WindowMotion(frames, np.ascontiguousarray(self.example.mask[:, 0].numpy()))

    def truth(self, frame: int) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.clean[frame].permute(1, 2, 0).numpy())


def stage_shot(scene: str, holds: tuple[float, float, float]) -> Shot:
    spec = StageSpec(num_frames=NUM_FRAMES)
    clean = frames_to_float(render_take(spec, scene, 2, with_truth=False).frames)  # type: ignore[arg-type]
    return draw(f"{scene}, {CAMERAS[scene]}", clean, WireRemoval(holds=holds))


def draw(name: str, clean: torch.Tensor, task: WireRemoval) -> Shot:
    return Shot(name, clean, task.example(clean, generator_from("ablations", name), None))


def all_shots(material: Path) -> Iterator[Shot]:
    for scene in SCENE_NAMES:
        yield stage_shot(scene, RIGS[scene])
    for name, first, height in MOVIES:
        path = material / "clips" / f"{name}.mp4"
        if path.is_file():
            reader = open_reader(path)
            codes = reader.window(first, first + NUM_FRAMES)
            reader.close()
            size = (round(codes.shape[2] * height / codes.shape[1] / 2) * 2, height)
            small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes])
            yield draw(name, frames_to_float(small), WireRemoval())


def psnr(errors: list[NDArray[np.float32]]) -> str:
    values = np.concatenate([e.ravel() for e in errors])
    return f"{-10 * np.log10(max(float(values.mean()), 1e-9)):.2f}" if values.size else "none"


def fills(shot: Shot) -> dict[str, str]:
    """Bridging the hole from its own frame."""
    errors: dict[str, list[NDArray[np.float32]]] = {}
    for frame in LOOKED_AT:
        picture = np.ascontiguousarray(shot.example.input[frame].permute(1, 2, 0).numpy())
        hole = shot.example.mask[frame, 0].numpy() > 0
        tensions: dict[str, Tension] = {
            f"stiff {STIFF_TENSION}": STIFF_TENSION,
            f"slack {SLACK_TENSION}": SLACK_TENSION,
            "stiff, along lines": pull_along_lines(picture, hole, STIFF_TENSION),
        }
        bridged = {name: thin_plate_fill(picture, hole, tension) for name, tension in tensions.items()}
        bridged["mean of the last two"] = 0.5 * (bridged[f"slack {SLACK_TENSION}"] + bridged["stiff, along lines"])
        for name, filled in (
            ("Telea", telea_fill(picture, hole)),
            *bridged.items(),
        ):
            errors.setdefault(name, []).append(np.square(filled - shot.truth(frame))[hole])
    return {name: psnr(found) for name, found in errors.items()}


def camera_candidates(shot: Shot) -> dict[str, str]:
    """Views by the camera's homography, as they come and refined by flow, where both are valid in the hole."""
    motion = shot.motion()
    errors: dict[str, list[NDArray[np.float32]]] = {"homography": [], "refined": []}
    for frame in LOOKED_AT:
        for source in (frame - 8, frame - 4, frame + 4, frame + 8):
            flows = {
                "homography": motion.camera_flow(frame, source),
                "refined": motion.way_by_camera(frame, source, 0),
            }
            both = motion.holes[frame].copy()
            for flow in flows.values():
                both &= motion.inside(flow) & motion.clear(source, flow)
            for name, flow in flows.items():
                seen = motion.read(motion.prefilled(source), flow, cubic=True)
                errors[name].append(np.square(seen - shot.truth(frame))[both])
    return {name: psnr(found) for name, found in errors.items()}


def fuse(bank: Bank, hole: NDArray[np.bool_], temperature: float, consensus: float | None) -> NDArray[np.float32]:
    """The prior, ``n`` candidates to one picture of the hole; with consensus, outliers lose weight twice over."""
    pictures, valid, error = bank.pictures[:, hole], bank.valid[:, hole], bank.error[:, hole]
    weight = np.exp(-error / temperature) * valid
    fused: NDArray[np.float32] = (weight[..., None] * pictures).sum(0) / weight.sum(0)[:, None]
    for _ in range(2 if consensus else 0):
        agreeing = weight * np.exp(-np.abs(pictures - fused).mean(-1) / (consensus or 1.0))
        fused = (agreeing[..., None] * pictures).sum(0) / (agreeing.sum(0)[:, None] + 1e-20)
    return fused


def priors(shot: Shot) -> dict[str, str]:
    """Ways to weigh the same bank."""
    motion = shot.motion()
    builder = BankBuilder(motion, BankRecipe())
    variants: dict[str, Callable[[Bank, NDArray[np.bool_]], NDArray[np.float32]]] = {
        "temperature 0.02 (used)": lambda bank, hole: fuse(bank, hole, 0.02, None),
        "temperature 0.012": lambda bank, hole: fuse(bank, hole, 0.012, None),
        "consensus 0.06": lambda bank, hole: fuse(bank, hole, 0.02, 0.06),
    }
    errors: dict[str, list[NDArray[np.float32]]] = {name: [] for name in [*variants, "best candidate of each pixel"]}
    for frame in LOOKED_AT:
        bank, hole = builder.build(frame), motion.holes[frame]
        truth = shot.truth(frame)[hole]
        for name, variant in variants.items():
            errors[name].append(np.square(variant(bank, hole) - truth))
        each = np.square(bank.pictures[:, hole] - truth).mean(-1)
        errors["best candidate of each pixel"].append(np.where(bank.valid[:, hole], each, 9.0).min(0))
    return {name: psnr(found) for name, found in errors.items()}


def blends(shot: Shot) -> dict[str, str]:
    """Blending along the flow after fusion: PSNR / hole warp error relative to the clean shot."""
    model = CandidateFusion().eval()
    meter = ShotMeter(list(BLENDS), (Psnr, RelativeWarpError), has_reference=True, rate=Fraction(24))
    results = {}
    for name, blend in BLENDS.items():
        model.blend = blend
        results[name] = model.restore(shot.example, KEEP, ["prior"])["prior"].frames
    part = slice(KEEP.start, KEEP.stop)
    meter.update(results, reference=shot.clean[part], plate=shot.example.input[part], mask=shot.example.mask[part])
    values, _ = meter.compute()
    return {
        name: f"{measured['psnr_hole'] or 0.0:.2f} / {measured['e_warp_rel_dis_hole'] or float('nan'):.2f}"
        for name, measured in values.items()
    }


def coverage(holds: tuple[float, float, float]) -> str:
    """The share of the pan's holes that any real view shows."""
    shot = stage_shot("12A", holds)
    motion = shot.motion()
    builder = BankBuilder(motion, BankRecipe())
    shares = [builder.build(frame).coverage(motion.holes[frame]) for frame in LOOKED_AT]
    return f"{np.mean(shares):.2f}"


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    shots = list(all_shots(options.material))
    lines = [
        f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; {NUM_SPATIAL} spatial candidates"
    ]
    for measure in (fills, camera_candidates, priors, blends):
        rows = [(shot.name, measure(shot)) for shot in shots]
        assert all(list(a[1]) == list(b[1]) for a, b in pairwise(rows))
        lines += ["", (measure.__doc__ or "").strip(), "", "| shot | " + " | ".join(rows[0][1]) + " |"]
        lines += ["|---" * (len(rows[0][1]) + 1) + "|"]
        lines += [f"| {name} | " + " | ".join(cells.values()) + " |" for name, cells in rows]
    lines += ["", "Coverage of the pan's holes by real views:", ""]
    lines += [f"- wires on the set: {coverage((0.0, 1.0, 0.0))}", f"- wires on performers: {coverage((0.0, 0.0, 1.0))}"]
    table = "\n".join(lines) + "\n"
    if options.output is not None:
        options.output.write_text(table)
    print(table)


if __name__ == "__main__":
    main()
