"""What other takes of the set-up are worth to a hole that is 40 to 120 pixels across, on plates of 216 lines.

    python experiments/other_takes/run.py [--material <folder of footage>] [--pictures <folder>] [--sizes 40 80 120]

Four soundstage scenes, each with two other takes at another exposure. Of real footage: two signers before one
locked-off camera, other takes indeed; a room with people whose clean plate is the same camera's empty room; and three
shots of which a later part, darker, warmer and seen from a little beside, plays another take (marked *simulated*).
Holes stay in the picture and drift slowly; on the soundstage only what performers neither cover nor shade is judged.
The mini-model is its untrained prior.

PSNR in the hole (dB) over four frames: Telea, the best fill that learns nothing, the prior without and with the takes,
with takes of a wrong set in their place, and with the takes after grain is matched. Grain is the fine noise of the fill
by that of the true picture there, and e_warp_rel its warping error by that of the true picture: before and after.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import interpositive.mini_models  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.functional.examples import Example
from interpositive.functional.grain import match_grain, measure_grain
from interpositive.functional.seeds import seed_from
from interpositive.media.contract import ColourTags, Frames, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import PlateColour
from interpositive.metrics.shot_meter import ShotMeter
from interpositive.metrics.warp_error_relative import RelativeWarpError
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.classical_fills import CLASSICAL_FILLS
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import SceneName, StageSpec
from interpositive.tasks.other_takes import LentByTakes, OtherTake

NUM_FRAMES, HEIGHT = 24, 216
KEEP = range(10, 14)
SCENES: dict[SceneName, str] = {"27": "locked-off", "44C": "hand-held", "12A": "pan", "31B": "dolly"}
SIMULATED = (("gopro_hero7", 60, 90), ("imageio_cockatoo", 40, 90), ("sam2_juggle", 20, 120))
"""A movie, where the shot begins, and where what plays its other take does."""
SIGNERS = {"P2": ("bird", "please", "sorry"), "P4": ("sister", "night", "eat")}


@dataclass(frozen=True)
class Shot:
    """Clean codes ``t h w 3``, what is judged of them ``t h w``, and the other takes' codes."""

    name: str
    codes: NDArray[np.uint8]
    takes: Sequence[NDArray[np.uint8]]
    judged: NDArray[np.bool_] | None = None


class Held:
    """A reader of codes in memory."""

    def __init__(self, codes: NDArray[np.uint8]) -> None:
        num_frames, height, width = codes.shape[:3]
        tags = ColourTags("rgb", "full", "bt709", "bt709", "rgb")
        self.codes = codes
        self.info = MediaInfo(
            Path("held"), "sequence", num_frames, Fraction(24), width, height, "png", "rgb", 8, tags
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.codes)

    def window(self, start: int, stop: int) -> Frames:
        return self.codes[start:stop]

    def close(self) -> None:
        pass


def at_level(codes: NDArray[np.uint8], gain: Sequence[float], offset: float) -> NDArray[np.uint8]:
    changed: NDArray[np.uint8] = np.clip(np.rint(codes * np.array(gain) + 255 * offset), 0, 255).astype(np.uint8)
    return changed


def stage_shots() -> Iterator[Shot]:
    spec = StageSpec(num_frames=NUM_FRAMES)
    for scene, move in SCENES.items():
        shot = render_take(spec, scene, 1)
        assert shot.truth is not None
        judged = (shot.truth.performer_alpha < 0.02) & (shot.truth.shadow < 0.02)
        others = [render_take(spec, scene, take, with_truth=False).frames for take in (2, 3)]
        yield Shot(f"{scene}, {move}", shot.frames, [at_level(o, (0.85, 0.9, 0.95), 0.02) for o in others], judged)


def read_small(path: Path, first: int, num: int = NUM_FRAMES) -> NDArray[np.uint8]:
    with closing(open_reader(path)) as reader:
        codes = reader.window(first, min(first + num, len(reader)))
    size = (round(codes.shape[2] * HEIGHT / codes.shape[1] / 2) * 2, HEIGHT)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in codes]).astype(np.uint8)


def beside(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same from a little beside, darker and warmer."""
    height, width = codes.shape[1:3]
    matrix = np.array([[1.03, 0.01, -0.02 * width], [-0.01, 1.03, -0.03 * height], [2e-5, 0.0, 1.0]])
    moved = [cv2.warpPerspective(f, matrix, (width, height), flags=cv2.INTER_CUBIC) for f in codes]
    return at_level(np.stack(moved), (0.9, 0.85, 0.78), 0.015)


def real_shots(folder: Path) -> Iterator[Shot]:
    for person, (shot, *others) in SIGNERS.items():
        first, *takes = (read_small(folder / f"intel_asl_{person}_{word}.mkv", 10) for word in (shot, *others))
        yield Shot(f"signer {person}", first, takes)
    room = folder / "intel_room_people.mp4"
    yield Shot("room, its clean plate", read_small(room, 100), [read_small(room, 10), read_small(room, 460)])
    for name, first, later in SIMULATED:
        path = folder / f"{name}.mp4"
        yield Shot(f"{name}, *simulated*", read_small(path, first), [beside(read_small(path, later, 40))])


def draw_holes(shape: Sequence[int], across: int, name: str) -> NDArray[np.float32]:
    num, height, width = shape
    random = np.random.default_rng(seed_from("holes", name, across))
    rows, columns = round(0.45 * across), round(0.5 * across)
    x, y = random.uniform((columns + 12, rows + 12), (width - columns - 12, max(rows + 13, height - rows - 12)))
    step = random.uniform(-0.4, 0.4, 2)
    holes = np.zeros((num, height, width), np.float32)
    for number, hole in enumerate(holes):
        centre = (round(x + step[0] * number), round(y + step[1] * number))
        cv2.ellipse(hole, centre, (columns, rows), 0, 0, 360, 1.0, -1)
    return holes


def psnr(found: torch.Tensor, true: torch.Tensor, where: torch.Tensor) -> float:
    return float(-10 * torch.log10((found - true).square()[where.expand_as(found)].mean().clamp(min=1e-10)))


def grain(frames: torch.Tensor, where: torch.Tensor) -> float:
    """What a Gaussian of a pixel takes away, as its median size."""
    fine = [frame - cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames.permute(0, 2, 3, 1).numpy()]
    return float(np.median(np.abs(np.stack(fine))[where[:, 0].numpy()]))


def measure(shot: Shot, wrong: Sequence[NDArray[np.uint8]], across: int, pictures: Path | None) -> dict[str, str]:
    model, kept = CandidateFusion().eval(), slice(KEEP.start, KEEP.stop)
    holes = draw_holes(shot.codes.shape[:3], across, shot.name)
    damaged = np.where(holes[..., None] > 0, 20, shot.codes).astype(np.uint8)
    clean = torch.from_numpy(shot.codes.astype(np.float32) / 255).permute(0, 3, 1, 2)
    mask = torch.from_numpy(holes)[:, None]
    judged = (mask > 0)[kept]
    if shot.judged is not None:
        judged &= torch.from_numpy(shot.judged)[kept, None]
    plate = torch.from_numpy(damaged.astype(np.float32) / 255).permute(0, 3, 1, 2)
    results: dict[str, torch.Tensor] = {}
    lent = float("nan")
    for name, takes in {"without": [], "with": shot.takes, "wrong": wrong}.items():
        lending = [OtherTake(str(number), Held(codes), PlateColour()) for number, codes in enumerate(takes)]
        condition = LentByTakes(Held(damaged), PlateColour(), lending).condition(0, len(damaged))
        methods = [*CLASSICAL_FILLS, "prior"] if name == "without" else ["prior"]
        restored = model.restore(Example(plate, mask, condition=dict(condition)), KEEP, methods)
        results |= {("prior " + name if m == "prior" else m): r.frames for m, r in restored.items()}
        if name == "with":
            given = restored["prior"].lent
            lent = float(given.sum() / mask[kept].sum()) if given is not None else 0.0
    scores = {name: psnr(frames, clean[kept], judged) for name, frames in results.items()}
    grained = []
    for number, (frame, hole) in enumerate(zip(results["prior with"], holes[kept] > 0, strict=True)):
        picture = frame.permute(1, 2, 0).numpy()
        matched = match_grain(picture, hole, measure_grain(picture, hole), number)
        grained.append(frame if matched is None else torch.from_numpy(matched.picture).permute(2, 0, 1))
    results["grained"] = torch.stack(grained)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        shown = [
            plate[kept][1],
            *(results[n][1] for n in ("telea", "prior without", "prior with", "grained")),
            clean[kept][1],
        ]
        strip = (torch.cat(shown, 2).permute(1, 2, 0).clamp(0, 1) * 255).byte().numpy()
        cv2.imwrite(str(pictures / f"{shot.name.split(',')[0].replace(' ', '_')}_{across}.png"), strip[..., ::-1])
    last = ("prior with", "grained")
    meter = ShotMeter(last, (RelativeWarpError,), rate=Fraction(24), has_reference=True)
    meter.update({n: results[n] for n in last}, reference=clean[kept], plate=plate[kept], mask=judged.float())
    steady, _ = meter.compute()
    return {
        "Telea": f"{scores['telea']:.2f}",
        "best classical": f"{max(scores[name] for name in CLASSICAL_FILLS):.2f}",
        "without": f"{scores['prior without']:.2f}",
        "with": f"{scores['prior with']:.2f}",
        "wrong takes": f"{scores['prior wrong']:.2f}",
        "lent": f"{lent:.0%}",
        "with, grained": f"{psnr(results['grained'], clean[kept], judged):.2f}",
        "grain": " → ".join(f"{grain(results[n], judged) / max(grain(clean[kept], judged), 1e-6):.2f}" for n in last),
        "e_warp_rel": " → ".join(f"{steady[n]['e_warp_rel_dis_hole'] or float('nan'):.2f}" for n in last),
    }


def main() -> None:
    near = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", near)))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[40, 80, 120])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    real = real_shots(options.material / "clips") if (options.material / "clips").is_dir() else ()
    shots = [*real, *stage_shots()]
    for across in options.sizes:
        for number, shot in enumerate(shots):
            wrong = shots[(number + 1) % len(shots)].takes
            cells = {"shot": shot.name, "across": str(across), **measure(shot, wrong, across, options.pictures)}
            if number == 0 and across == options.sizes[0]:
                print("| " + " | ".join(cells) + " |\n" + "|---" * len(cells) + "|")
            print("| " + " | ".join(cells.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
