"""Builders of what tests of the report are told: many metrics, intervals, courses of training, evaluations."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from interpositive.records.evaluation_record import EvaluationRecord, JudgedFile, JudgedShotFiles
from interpositive.records.held_out_course import HeldOutCourse, HeldOutPoint
from interpositive.records.measures import MeanInterval, Measures, MetricInfo, PairedDifference, ShotMeasures

MANY = (
    ("psnr", "dB", "higher", "Fidelity", False, 33.0),
    ("psnr_hole", "dB", "higher", "Fidelity", True, 27.0),
    ("psnr_frames", "dB", "higher", "Fidelity", False, 33.4),
    ("ssim", "0-1", "higher", "Fidelity", False, 0.93),
    ("ssim_hole", "0-1", "higher", "Fidelity", True, 0.84),
    ("delta_e00", "ΔE", "lower", "Perception", True, 1.9),
    ("flip", "0-1", "lower", "Perception", False, 0.08),
    ("lpips_alex", "distance", "lower", "Perception", True, 0.11),
    ("e_warp_dis", "squared difference", "lower", "Steadiness over time", False, 0.0011),
    ("e_warp_dis_hole", "squared difference", "lower", "Steadiness over time", False, 0.0031),
    ("e_warp_rel_dis_hole", "ratio", "lower", "Steadiness over time", True, 1.4),
    ("local_flicker_dis_hole", "%", "lower", "Steadiness over time", True, 2.1),
    ("luma", "code value 0-1", "neither", "Steadiness over time", False, 0.42),
    ("beat_power", "share 0-1", "lower", "Steadiness over time", False, 0.2),
    ("untouched_changed", "pixels", "lower", "Untouched", True, 0.0),
)


def many_metrics(*, told: bool = True) -> list[MetricInfo]:
    """More metrics than a headline holds; with ``told`` False as an older version wrote them."""
    return [
        MetricInfo(
            name=name,
            unit=unit,
            direction=direction,
            meaning=f"What {name} says of the picture, in a sentence that a supervisor can read.",
            group=group if told else "",
            headline=first and told,
        )
        for name, unit, direction, group, first, _ in MANY
    ]


def many_values(place: int, methods: dict[str, float]) -> dict[str, dict[str, float | None]]:
    """Numbers of the shot at a place; ``methods`` say how good each is, from 0."""
    values: dict[str, dict[str, float | None]] = {}
    for method, merit in methods.items():
        values[method] = {}
        for rank, (name, _, direction, _, _, usual) in enumerate(MANY):
            sign = 1 if direction == "higher" else -1
            wave = 0.03 * math.sin(3.1 * place + rank)
            values[method][name] = None if name == "lpips_alex" else usual * (1 + wave + sign * 0.05 * merit)
    return values


def many_curves(
    values: dict[str, dict[str, float | None]], num_frames: int
) -> dict[str, dict[str, list[float | None]]]:
    """Curves that waver about the values; what changes between frames has none at the first."""
    curves: dict[str, dict[str, list[float | None]]] = {}
    for method, told in values.items():
        curves[method] = {}
        for name, value in told.items():
            if value is None or name in ("beat_power", "psnr_frames"):
                continue
            curve: list[float | None] = [value * (1 + 0.1 * math.sin(1.7 * frame)) for frame in range(num_frames)]
            curves[method][name] = [None, *curve[1:]] if name.startswith(("e_warp", "local")) else curve
    return curves


def summarised(shots: list[ShotMeasures], pairs: list[tuple[str, str]]) -> Measures:
    """Measures with intervals of a made-up width; one comparison is not settled."""
    metrics, means, differences = many_metrics(), [], []
    for rank, metric in enumerate(metrics):
        for method in dict.fromkeys(method for shot in shots for method in shot.values):
            held = [value for shot in shots if (value := shot.values[method].get(metric.name)) is not None]
            if held:
                mean, reach = sum(held) / len(held), 0.02 * abs(held[0]) if len(held) > 1 else None
                low, high = (None, None) if reach is None else (mean - reach, mean + reach)
                means.append(
                    MeanInterval(method=method, metric=metric.name, mean=mean, low=low, high=high, num_shots=len(held))
                )
        for method, other in pairs:
            gaps = [
                first - second
                for shot in shots
                if (first := shot.values[method].get(metric.name)) is not None
                and (second := shot.values[other].get(metric.name)) is not None
            ]
            if gaps:
                mean = sum(gaps) / len(gaps)
                reach = abs(mean) * (1.6 if rank % 4 == 3 else 0.4)
                low, high = (mean - reach, mean + reach) if len(gaps) > 1 else (None, None)
                differences.append(
                    PairedDifference(
                        method=method,
                        other=other,
                        metric=metric.name,
                        mean=mean,
                        low=low,
                        high=high,
                        num_shots=len(gaps),
                    )
                )
    notes = ["lpips_alex needs pretrained weights, which are not on this machine"]
    return Measures(
        metrics=metrics,
        curve_metrics=[metric for metric in metrics if metric.name not in ("beat_power", "psnr_frames")],
        shots=shots,
        means=means,
        differences=differences,
        notes=notes,
    )


def course(num_points: int = 10, *, kept: int = 6, flagged: tuple[int, ...] = (8,), windows: int = 12) -> HeldOutCourse:
    """A course of training whose loss falls throughout, and whose flicker rises in the end."""
    points = []
    for place in range(num_points):
        score = 24 + 5 * (1 - math.exp(-place / 3)) - 0.02 * max(0, place - kept) ** 2
        flicker = 3.2 - 0.4 * place + 0.09 * max(0, place - kept + 2) ** 2.4
        points.append(
            HeldOutPoint(
                step=200 * (place + 1),
                loss=0.08 * math.exp(-place / 4) + 0.01,
                values={
                    "trained": {"psnr_hole": score, "local_flicker_dis_hole": flicker, "e_warp_rel_dis_hole": 1.4},
                    "telea": {"psnr_hole": 25.2, "local_flicker_dis_hole": 4.4, "e_warp_rel_dis_hole": 2.0},
                },
                score_low=score - 0.7 if windows > 1 else None,
                score_high=score + 0.6 if windows > 1 else None,
                gain_low=0.1 if place else None,
                seconds=31.5 * (place + 1),
                flag=(
                    f"flicker rose from 1.2 % to {flicker:.1f} % while the loss fell: look at it before it is used"
                    if place in flagged
                    else None
                ),
            )
        )
    return HeldOutCourse(
        score="psnr_hole",
        higher_is_better=True,
        method="trained",
        metrics=[metric for metric in many_metrics() if metric.name in points[0].values["trained"]] if points else [],
        windows=[f"SC011_T04_B frames {24 * n} to {24 * n + 11}" for n in range(windows)],
        points=points,
        kept_step=200 * (kept + 1) if points else None,
        stopped_because="no gain in 3 evaluations in a row",
        notes=["held-out windows are damaged with a seed that training never uses"],
    )


def evaluation_record(names: list[str], **more: object) -> EvaluationRecord:
    """What was judged: a result against another one, with its reference."""
    facts: dict[str, object] = {
        "title": "X010: second version against the first",
        "created": "2026-03-16T11:00:00+00:00",
        "config_sha256": hashlib.sha256(b"config").hexdigest(),
        "shots": [
            JudgedShotFiles(
                name=name,
                files=[
                    JudgedFile(
                        role=role, path=f"/show/{name}/{role}.mov", sha256=hashlib.sha256(role.encode()).hexdigest()
                    )
                    for role in ("result", "against", "reference")
                ],
            )
            for name in names
        ],
        "versions": {"interpositive": "0.1.0"},
        "machine": "16 cores, no GPU",
        "settings": {"metric psnr": "ceiling_db=100.0"},
        "notes": ["the result is rescaled for nobody"],
        **more,
    }
    return EvaluationRecord.model_validate(facts)


@pytest.fixture
def told() -> SimpleNamespace:
    """All builders of this file."""
    return SimpleNamespace(
        many_metrics=many_metrics,
        many_values=many_values,
        summarised=summarised,
        course=course,
        evaluation_record=evaluation_record,
    )


@pytest.fixture
def make_rich_run(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """Build a run whose measures are many, with intervals, and that tells how it fared while it learned."""

    def build(num_frames: int = 6, takes: tuple[str, ...] = ("SC012_T03_A", "SC014_T01_B")) -> Path:
        folder = make_run(num_frames, takes=takes)
        path = folder / "evaluation" / "measures.json"
        shots = []
        for place, shot in enumerate(Measures.read(path).shots):
            values = many_values(place, {"trained": 4.0, "telea": 0.0, "prior": 2.0})
            values["chosen"] = values["trained"]
            shots.append(
                shot.model_copy(
                    update={"values": values, "curves": many_curves(values, num_frames), "chosen_method": "trained"}
                )
            )
        summarised(shots, [("chosen", "telea"), ("chosen", "prior")]).write(path)
        course().write(folder)
        return folder

    return build


@pytest.fixture
def make_evaluation(make_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Build an evaluation folder with the movies of the given roles."""

    def build(
        roles: tuple[str, ...] = ("result", "target"),
        *,
        num_shots: int = 1,
        num_frames: int = 6,
        methods: tuple[str, ...] = ("result", "against"),
        **record: object,
    ) -> Path:
        movies = make_run(num_frames) / "evaluation" / "SC012_T03_A"
        folder = tmp_path / "judged"
        names = [f"X{10 * (place + 1):03d}" for place in range(num_shots)]
        shots = []
        for place, name in enumerate(names):
            (folder / name).mkdir(parents=True)
            for role in roles:
                source = movies / f"{'telea' if role == 'against' else role}.mp4"
                shutil.copy(source, folder / name / f"{role}.mp4")
            values = many_values(place, {method: 3.0 - 3 * rank for rank, method in enumerate(methods)})
            shots.append(
                ShotMeasures(
                    name=name,
                    role="finished shot",
                    num_frames=num_frames,
                    first_frame=1001,
                    values=values,
                    curves=many_curves(values, num_frames),
                    chosen_method="result",
                    worst_frames=[1004, 1002],
                    pictures={role: f"{name}/{role}.mp4" for role in roles},
                )
            )
        pairs = [("result", other) for other in methods[1:]]
        evaluation_record(names, **record).write(folder)
        summarised(shots, pairs).write(folder / "measures.json")
        return folder

    return build
