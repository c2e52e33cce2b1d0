"""A run judged on takes it never learned from: damaged anew, repaired, compared with the truth and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from interpositive.dailies.prepared_windows import MakeExample
from interpositive.dailies.take import Take
from interpositive.delivery.deliver import preference
from interpositive.delivery.gate import GatePlan, choose_method
from interpositive.delivery.restoring import Request, WindowPlan, frames_to_float, restore_shot
from interpositive.delivery.review_movies import ReviewMovies, grey_picture
from interpositive.errors import MissingWeightsError
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import Frames
from interpositive.media.opening import open_reader
from interpositive.metrics.lpips import LpipsNet, load_lpips
from interpositive.metrics.meanings import METRICS
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.mini_models.contract import MiniModel
from interpositive.records.measures import Measures, ShotMeasures
from interpositive.records.publishing import publish_folder

MEASURES_NAME = "measures.json"


@dataclass(frozen=True)
class EvaluationSettings:
    """At most ``max_frames`` of each take from its middle, at ``height`` lines, with damage drawn from ``seed``."""

    max_frames: int = 48
    height: int = 216
    lpips_weights_path: Path | None = None
    windows: WindowPlan = field(default_factory=WindowPlan)
    gate: GatePlan = field(default_factory=GatePlan)
    seed: int = 1000
    progress: bool = True


@dataclass(frozen=True)
class DamagedTake:
    """A held-out stretch of a take: damaged and clean frames ``t h w 3`` 8-bit codes, mask ``t h w``."""

    name: str
    role: str
    rate: Fraction
    first_frame: int
    start_timecode: str | None
    damaged: Frames
    clean: Frames
    mask: NDArray[np.float32]


def damage_take(take: Take, make_example: MakeExample, settings: EvaluationSettings) -> DamagedTake:
    """Read the middle of a take at the evaluation height and damage it with a seed no training uses.

    The damaged frames are rounded to 8-bit codes, as a delivered plate would be.
    """
    reader = open_reader(Path(take.path))
    num_frames = min(settings.max_frames, take.num_frames)
    first = (take.num_frames - num_frames) // 2
    codes = reader.window(first, first + num_frames)
    reader.close()
    height = min(settings.height, take.height)
    size = (round(take.width * height / take.height / 2) * 2, height)
    clean = frames_to_float(np.stack([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in codes]))
    clean = (clean * 255.0).round() / 255.0
    example = make_example(clean, generator_from("evaluation", settings.seed, take.name), None)
    return DamagedTake(
        take.name,
        take.split,
        take.frame_rate,
        first,
        take.start_timecode,
        to_codes(example.input),
        to_codes(clean),
        example.mask[:, 0].numpy(),
    )


def to_codes(frames: Tensor) -> Frames:
    """Float ``t 3 h w`` in [0, 1] as 8-bit codes ``t h w 3``."""
    codes = (rearrange(frames, "t c h w -> t h w c") * 255.0).round().clamp(0, 255)
    result: Frames = codes.to(torch.uint8).numpy()
    return result


def evaluate_damaged(
    damaged: DamagedTake,
    mini_model: MiniModel,
    request: Request,
    folder: Path,
    settings: EvaluationSettings,
    lpips: LpipsNet | MissingWeightsError,
) -> tuple[ShotMeasures, list[str]]:
    """Repair one damaged take by every method, choose on held-out pixels, measure against the truth.

    Writes the movies of all methods into ``folder/<take>/``. The choice sees the damaged take only.
    ``lpips`` is the network, or why there is none.
    """
    preferred = preference(mini_model)
    num_frames = len(damaged.damaged)

    def read(start: int, stop: int) -> Frames:
        return damaged.damaged[start:stop]

    def read_mask(start: int, stop: int) -> NDArray[np.float32]:
        return damaged.mask[start:stop]

    gate = choose_method(read, read_mask, num_frames, mini_model, request, preferred, settings.gate, settings.seed)
    meter = ShotMeter(
        [*preferred, "chosen"],
        has_reference=True,
        rate=damaged.rate,
        lpips=None if isinstance(lpips, MissingWeightsError) else lpips,
        lpips_absence=str(lpips),
    )
    restored = restore_shot(read, read_mask, num_frames, mini_model, request, preferred, settings.windows)
    bar = tqdm(
        restored,
        total=num_frames,
        desc=f"evaluate {damaged.name}",
        unit="frame",
        disable=not settings.progress,
    )
    with ReviewMovies(folder / damaged.name, damaged.rate) as movies:
        for frame in bar:
            truth = damaged.clean[frame.number]
            results = {**frame.results, "chosen": frame.results[gate.chosen]}
            movies.write(
                {"plate": frame.plate, "result": results["chosen"], "matte": grey_picture(frame.mask), "target": truth}
            )
            movies.write({m: frame.results[m] for m in preferred if m != gate.chosen})
            meter.update(
                {name: frames_to_float(codes[None]) for name, codes in results.items()},
                torch.from_numpy(frame.mask)[None, None],
                frames_to_float(frame.plate[None]),
                frames_to_float(truth[None]),
            )
        pictures = {role: f"{damaged.name}/{name}" for role, name in movies.close().items()}
    values, curves = meter.compute()
    scores = ", ".join(f"{m} {s:.2f} dB" for m, s in gate.scores.items() if s is not None)
    measures = ShotMeasures(
        name=damaged.name,
        role=damaged.role,
        num_frames=num_frames,
        first_frame=damaged.first_frame,
        rate=str(damaged.rate),
        start_timecode=damaged.start_timecode,
        chosen_method=gate.chosen,
        values=values,
        curves=curves,
        worst_frames=[damaged.first_frame + n for n in worst_frames(curves["chosen"])],
        pictures=pictures,
        comments=[gate.note or f"chosen on {gate.num_pixels} held-out pixels of the damaged take: {scores}"],
    )
    return measures, meter.notes()


def find_lpips(weights_path: Path | None) -> LpipsNet | MissingWeightsError:
    """The LPIPS network, or why it cannot be had on this machine."""
    try:
        return load_lpips("alex", weights_path)
    except MissingWeightsError as error:
        return error


def evaluate_run(
    takes: Sequence[Take],
    mini_model: MiniModel,
    make_example: MakeExample,
    request: Request,
    folder: Path,
    settings: EvaluationSettings,
) -> Measures:
    """Evaluate on every given take and publish ``folder`` with movies and ``measures.json`` by one rename."""
    lpips = find_lpips(settings.lpips_weights_path)
    shots: list[ShotMeasures] = []
    notes: list[str] = []
    with publish_folder(folder) as scratch:
        for take in takes:
            damaged = damage_take(take, make_example, settings)
            measured, shot_notes = evaluate_damaged(damaged, mini_model, request, scratch, settings, lpips)
            shots.append(measured)
            notes += [note for note in shot_notes if note not in notes]
        measures = Measures(metrics=METRICS, shots=shots, notes=notes)
        measures.write(scratch / MEASURES_NAME)
    return measures
