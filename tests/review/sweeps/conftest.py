"""Sweeps that never ran, written through the records' own methods, with previews as training leaves them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from productions import textured_wall

from interpositive.media.movie_writer import MovieWriter
from interpositive.records.held_out_course import HeldOutCourse, HeldOutPoint
from interpositive.records.measures import MetricInfo
from interpositive.records.sweep_record import (
    Objective,
    Parameter,
    ParameterSpace,
    SweepRecord,
    TrialRecord,
    trial_folder,
)

Build = Callable[..., Path]
WINDOWS = ("10A_T02_B frames 24-26", "11C_T01_A frames 60-62", "14B_T03_A frames 8-10")
PSNR = Objective(name="held_out/psnr_hole/trained", direction="maximize")
FLICKER = Objective(name="held_out/flicker_score/trained", direction="minimize")
COST = Objective(name="seconds_training", direction="minimize")
SPACE = (
    ParameterSpace(key="trainer.learning_rate", low=1e-4, high=1e-2, is_log=True),
    ParameterSpace(key="mini_model.residual_widths", choices=["[8,16,16]", "[16,32,32]", "[32,64,64]"]),
    ParameterSpace(key="trainer.ema_decay", low=0.9, high=0.999),
    ParameterSpace(key="mini_model.recursive", choices=[True, False]),
    ParameterSpace(key="dailies.batch_size", low=2, high=12, is_integer=True),
)
METRICS = [
    MetricInfo(name="psnr_hole", unit="dB", direction="higher", meaning="Closeness to the true frame inside the mask."),
    MetricInfo(
        name="flicker_score", unit="jnd", direction="lower", meaning="How badly it flickers; 1 is just visible."
    ),
]
WIDTH, HEIGHT = 240, 136
WALL = textured_wall(np.random.default_rng(4), HEIGHT, WIDTH)


def setting_of(number: int, space: Sequence[ParameterSpace] = SPACE) -> dict[str, Parameter]:
    """A trial's parameters, drawn from the space by its number."""
    draw = np.random.default_rng([7, number]).random(len(space))
    held: dict[str, Parameter] = {}
    for space_, part in zip(space, draw, strict=True):
        if space_.choices:
            held[space_.key] = space_.choices[int(part * len(space_.choices))]
        else:
            low, high = float(space_.low or 0), float(space_.high or 1)
            value = low * (high / low) ** part if space_.is_log else low + (high - low) * part
            held[space_.key] = round(value) if space_.is_integer else value
    return held


def values_of(number: int, parameters: dict[str, Parameter]) -> dict[str, float]:
    """Numbers that follow the parameters, with a little chance: quality and cost grow with the network."""
    chance = np.random.default_rng([9, number]).normal(size=3)
    rate = math.log10(float(parameters.get("trainer.learning_rate") or 1e-3))
    size = SPACE[1].choices.index(parameters.get("mini_model.residual_widths", "[8,16,16]"))
    psnr = 31 - 1.5 * (rate + 2.7) ** 2 + 0.9 * size + 0.3 * chance[0]
    return {
        PSNR.name: psnr,
        FLICKER.name: 1.6 + 0.25 * (rate + 3.2) ** 2 + 0.1 * size + 0.08 * chance[1],
        COST.name: 60 * 1.9**size * (1 + 0.05 * chance[2]),
    }


def course_of(values: dict[str, float], windows: Sequence[str] = WINDOWS) -> HeldOutCourse:
    """How a trial with these numbers fared; step 200 is kept."""
    psnr, flicker = values[PSNR.name], values[FLICKER.name]
    by_window = {"psnr_hole": [psnr + 1.0, psnr - 0.4, psnr - 0.6], "flicker_score": [flicker] * 3}
    points = [
        HeldOutPoint(
            step=step,
            loss=0.02,
            values={
                "trained": {"psnr_hole": psnr - behind, "flicker_score": flicker},
                "prior": {"psnr_hole": 25.5, "flicker_score": 3.1},
                "telea": {"psnr_hole": 22.25, "flicker_score": 6.0},
            },
            score_low=psnr - behind - 0.5,
            score_high=psnr - behind + 0.5,
            gain_low=None,
            seconds=1.0,
            by_window={"trained": by_window},
        )
        for step, behind in ((100, 2.0), (200, 0.0))
    ]
    return HeldOutCourse(
        score="psnr_hole",
        higher_is_better=True,
        method="trained",
        metrics=METRICS,
        windows=list(windows),
        points=points,
        kept_step=200,
        stopped_because="all 200 steps were taken",
    )


def frame_of(window: int, time: int, smear: float) -> dict[str, NDArray[np.uint8]]:
    """A wire over a wall: damaged, before training, trained (smeared where the wire was) and true."""
    true = np.roll(WALL, (9 * window, 17 * window + time), (0, 1))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = np.abs(y - 40 - 20 * window - 0.25 * x)
    wire = (away < 1.5)[..., None]
    blurred = cv2.GaussianBlur(true, (0, 0), 3)
    pictures = {
        "damaged": np.where(wire, 0.12, true),
        "prior": np.where(away[..., None] < 4, blurred * 0.85, true),
        "trained": np.where(away[..., None] < 4, smear * blurred + (1 - smear) * true, true),
        "true": true,
    }
    return {name: np.rint(picture * 255).clip(0, 255).astype(np.uint8) for name, picture in pictures.items()}


def write_previews(folder: Path, smear: float, step: int = 200, *, shift: int = 0) -> None:
    """``step_<n>.png`` and ``.mp4``; ``shift`` moves the windows to other frames."""
    folder.mkdir(parents=True, exist_ok=True)
    still = frame_of(shift, 1, smear)
    strip = np.concatenate([still[name] for name in ("damaged", "prior", "trained", "true")], axis=1)
    cv2.imwrite(str(folder / f"step_{step:06d}.png"), strip[..., ::-1])
    with MovieWriter(folder / f"step_{step:06d}.mp4", Fraction(24), 3 * WIDTH, HEIGHT) as writer:
        for window in range(3):
            for time in range(3):
                made = frame_of(window + shift, time, smear)
                writer.write(np.concatenate([made[name] for name in ("damaged", "trained", "true")], axis=1)[None])


@pytest.fixture
def make_sweep(tmp_path: Path) -> Build:
    """Build a sweep folder of ``num_trials``, some failed and some running, with as many objectives as named."""

    def build(
        num_trials: int = 12,
        *,
        objectives: Sequence[Objective] = (PSNR, FLICKER),
        space: Sequence[ParameterSpace] = SPACE,
        failed: Sequence[int] = (),
        running: Sequence[int] = (),
        asked: int | None = None,
        previews: Sequence[int] | None = None,
        record: dict[str, object] | None = None,
        reason: str = "CUDA out of memory",
    ) -> Path:
        folder = tmp_path / f"sweep_{len(list(tmp_path.glob('sweep_*')))}"
        facts: dict[str, object] = {
            "name": "how much network does a wire need",
            "created": "2026-03-14T10:22:05+00:00",
            "production": "The Long Crossing",
            "task": "wire removal",
            "sampler": "tpe",
            "seed": 17,
            "num_trials": num_trials if asked is None else asked,
            "objectives": list(objectives),
            "space": list(space),
            "overrides": ["trainer=quick"],
            **(record or {}),
        }
        SweepRecord.model_validate(facts).write(folder)
        for number in range(num_trials):
            place, parameters = trial_folder(folder, number), setting_of(number, space)
            trial = TrialRecord(number=number, parameters=parameters, state="finished")
            if number in failed:
                changes: dict[str, object] = {"state": "failed", "reason": reason, "exit_code": 8}
            elif number in running:
                changes = {"state": "running"}
            else:
                values = values_of(number, parameters)
                changes = {"values": {o.name: values[o.name] for o in objectives}, "seconds": values[COST.name]}
                course_of(values).write(place)
                if previews is None or number in previews:
                    write_previews(place / "previews", min(1.0, max(0.0, (33 - values[PSNR.name]) / 6)))
            trial.model_copy(update=changes).write(place)
        return folder

    return build
