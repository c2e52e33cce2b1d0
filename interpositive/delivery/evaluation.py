"""A run judged on takes it never learned from: damaged anew, repaired, compared with the truth and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from interpositive.dailies.opening import open_take
from interpositive.dailies.prepared_windows import MakeExample
from interpositive.dailies.take import Take
from interpositive.delivery.deliver import preference
from interpositive.delivery.evaluation_plots import write_plots
from interpositive.delivery.evaluation_tables import write_tables
from interpositive.delivery.expecting import EXPECTED_PSNR, Expectation, calibration_notes
from interpositive.delivery.gate import GatePlan, choose_method
from interpositive.delivery.restoring import (
    GrainChoice,
    WindowPlan,
    frames_to_float,
    frames_to_values,
    restore_shot,
)
from interpositive.delivery.review_movies import ReviewMovies
from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import Frames
from interpositive.media.plate_colour import AS_STORED, NATIVE, PlateColour
from interpositive.media.range_reader import RangeReader
from interpositive.metrics.contract import MakeMetric
from interpositive.metrics.encoded import measured_encoding
from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.shot_meter import ShotMeter, worst_frames
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.summary import interval_notes, mean_intervals, paired_differences
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error import WarpError
from interpositive.mini_models.contract import MiniModel
from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.records.publishing import publish_folder
from interpositive.tasks.contract import Task
from interpositive.tasks.laying_out import Condition, ReadCondition, nothing_more

MEASURES_NAME = "measures.json"
CHOSEN = "chosen"


@dataclass(frozen=True)
class EvaluationSettings:
    """At most ``max_frames`` of each take from its middle, at ``height`` lines, with damage drawn from ``seed``.

    ``encoding`` is what the mini-model works in; ``grain`` as in a delivery, of what is chosen.
    """

    max_frames: int = 48
    height: int = 216
    metrics: Sequence[MakeMetric] = (Psnr, Ssim, WarpError, LumaFlicker, UntouchedChanged)
    windows: WindowPlan = field(default_factory=WindowPlan)
    gate: GatePlan = field(default_factory=GatePlan)
    grain: GrainChoice = "match"
    encoding: str = NATIVE
    seed: int = 1000
    progress: bool = True


@dataclass(frozen=True)
class DamagedTake:
    """A held-out stretch of a take: damaged and clean frames ``t h w 3`` in ``encoding``, mask ``t h w``.

    ``condition`` is what the task tells of every frame, ``lent`` what other takes lend to a window.
    """

    name: str
    role: str
    rate: Fraction
    first_frame: int
    start_timecode: str | None
    damaged: Frames
    clean: Frames
    mask: NDArray[np.float32]
    encoding: str = ""
    condition: Condition = field(default_factory=dict)
    lent: ReadCondition = nothing_more

    def condition_of(self, first: int, last: int) -> Condition:
        """What is told of the window ``first <= n < last``: the condition by frame, and what other takes lend."""
        return {**{name: value[first:last] for name, value in self.condition.items()}, **self.lent(first, last)}


def damage_take(take: Take, make_example: MakeExample, settings: EvaluationSettings) -> DamagedTake:
    """Read the middle of a take at the evaluation height and damage it with a seed no training uses.

    8-bit footage is rounded to 8-bit codes again, as a delivered plate would be; deeper footage, and what
    is converted to the mini-model's encoding, stays float.
    """
    colour = PlateColour(take.encoding, settings.encoding)
    num_frames = min(settings.max_frames, take.num_frames)
    first = (take.num_frames - num_frames) // 2
    stretch = RangeReader(open_take(take), first, first + num_frames, start_timecode=take.start_timecode)
    with closing(stretch):
        codes, start_timecode = stretch.window(0, num_frames), stretch.info.start_timecode
    height = min(settings.height, take.height)
    size = (round(take.width * height / take.height / 2) * 2, height)
    clean = frames_to_values(np.stack([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in codes]), colour)
    as_stored = _pictures
    if codes.dtype == np.uint8 and not colour.converts:
        clean, as_stored = (clean * 255.0).round() / 255.0, to_codes
    example = make_example(clean, generator_from("evaluation", settings.seed, take.name), None)
    return DamagedTake(
        take.name,
        take.split,
        take.frame_rate,
        first,
        start_timecode,
        as_stored(example.input),
        as_stored(clean),
        example.mask[:, 0].numpy(),
        colour.values_encoding,
        # Nobody who repairs may see where the truth is known.
        {name: value for name, value in example.condition.items() if name != "judged"},
    )


def _pictures(frames: Tensor) -> Frames:
    return np.ascontiguousarray(rearrange(frames, "t c h w -> t h w c").numpy())


def to_codes(frames: Tensor, kind: np.dtype[Any] | type[np.unsignedinteger[Any]] = np.uint8) -> Frames:
    """Float ``t 3 h w`` in [0, 1] as codes ``t h w 3``, of 8 bits or of another kind of integer."""
    top = float(np.iinfo(kind).max)
    codes = (rearrange(frames, "t c h w -> t h w c") * top).round().clamp(0, top)
    result: Frames = np.ascontiguousarray(codes.numpy().astype(kind))
    return result


def evaluate_damaged(
    damaged: DamagedTake,
    mini_model: MiniModel,
    task: Task,
    folder: Path,
    settings: EvaluationSettings,
) -> tuple[ShotMeasures, ShotMeter]:
    """Repair one damaged take by every method, choose on held-out pixels, measure against the truth.

    Writes the movies of all methods into ``folder/<take>/``. The choice sees the damaged take only.
    The meter that measured it tells what its numbers mean and why some are missing.
    """
    preferred = preference(mini_model)
    num_frames = len(damaged.damaged)
    told = task.tell(frames_to_values(damaged.damaged, AS_STORED))
    damaged = replace(damaged, condition={**damaged.condition, **told})

    def read(start: int, stop: int) -> Frames:
        return damaged.damaged[start:stop]

    def read_mask(start: int, stop: int) -> NDArray[np.float32]:
        return damaged.mask[start:stop]

    gate = choose_method(
        read,
        read_mask,
        num_frames,
        mini_model,
        preferred,
        settings.gate,
        settings.seed,
        read_condition=damaged.condition_of,
        hold_out=task.hold_out,
        trying_out=task.trying_out,
    )
    meter = ShotMeter(
        [*preferred, CHOSEN], settings.metrics, rate=damaged.rate, has_reference=True, encoding=damaged.encoding
    )
    # How sure it is, is told of the first.
    methods = [gate.chosen, *(method for method in preferred if method != gate.chosen)]
    restored = restore_shot(
        read,
        read_mask,
        num_frames,
        mini_model,
        methods,
        settings.windows,
        read_condition=damaged.condition_of,
        grain=settings.grain,
    )
    expectation = Expectation(gate.held_out)
    bar = tqdm(
        restored,
        total=num_frames,
        desc=f"evaluate {damaged.name}",
        unit="frame",
        disable=not settings.progress,
    )
    with ReviewMovies(folder / damaged.name, damaged.rate, encoding=damaged.encoding) as movies:
        for frame in bar:
            truth = damaged.clean[frame.number]
            results = {**frame.results, CHOSEN: frame.results[gate.chosen]}
            movies.write({"plate": frame.plate, "result": results[CHOSEN]})
            movies.write_matte(frame.mask)
            movies.write({"target": truth})
            movies.write({m: frame.results[m] for m in methods[1:]})
            expectation.see(frame.confidence, frame.mask, frame.busy)
            meter.update(
                {name: frames_to_float(codes[None], damaged.encoding) for name, codes in results.items()},
                reference=frames_to_float(truth[None], damaged.encoding),
                plate=frames_to_float(frame.plate[None], damaged.encoding),
                mask=torch.from_numpy(frame.mask)[None, None],
            )
        pictures = {role: f"{damaged.name}/{name}" for role, name in movies.close().items()}
    values, curves = meter.compute()
    curves[CHOSEN][EXPECTED_PSNR.name] = expectation.curve
    verdict = expectation.verdict()
    scores = ", ".join(f"{m} {s:.2f} dB" for m, s in gate.scores.items() if s is not None)
    comments = [gate.note] if gate.note else []
    if gate.num_pixels:
        comments.append(f"chosen on {gate.num_pixels} held-out pixels of the damaged take: {scores}")
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
        worst_frames=[damaged.first_frame + n for n in worst_frames(curves[CHOSEN])],
        pictures=pictures,
        encoding=measured_encoding(damaged.encoding),
        comments=comments,
        verdict=verdict.word,
        verdict_reason=verdict.reason,
    )
    return measures, meter


def measures_of(
    shots: Sequence[ShotMeasures],
    metrics: Sequence[MetricInfo],
    curve_metrics: Sequence[MetricInfo],
    pairs: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> Measures:
    """Measured shots with means over them, the differences of each pair of methods, and every note once."""
    return Measures(
        metrics=list(metrics),
        curve_metrics=list(curve_metrics),
        shots=list(shots),
        means=mean_intervals(shots, metrics),
        differences=paired_differences(shots, metrics, pairs),
        notes=list(dict.fromkeys((*notes, *interval_notes(len(shots))))),
    )


def evaluate_run(
    takes: Sequence[Take],
    mini_model: MiniModel,
    task: Task,
    folder: Path,
    settings: EvaluationSettings,
) -> Measures:
    """Evaluate on every given take and publish ``folder`` by one rename: measures, tables, plots and movies.

    ``ConfigError`` if there is no take.
    """
    if not takes:
        raise ConfigError("there is nothing to evaluate", found="no take", expected="one take or more")
    shots: list[ShotMeasures] = []
    meters: list[ShotMeter] = []
    with publish_folder(folder) as scratch:
        for take in takes:
            damaged = damage_take(take, task.example, settings)
            measured, meter = evaluate_damaged(damaged, mini_model, task, scratch, settings)
            shots.append(measured)
            meters.append(meter)
        measures = measures_of(
            shots,
            meters[0].infos,
            [EXPECTED_PSNR, *meters[0].curve_infos],
            [(CHOSEN, method) for method in shots[0].values if method != CHOSEN],
            [note for meter in meters for note in meter.notes()] + calibration_notes(shots, CHOSEN),
        )
        measures.write(scratch / MEASURES_NAME)
        write_tables(scratch, measures)
        write_plots(scratch, measures, settings.progress)
    return measures
