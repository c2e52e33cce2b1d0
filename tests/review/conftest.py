"""Builders of small run and delivery folders, as the other rooms would leave them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.media.movie_writer import MovieWriter
from interpositive.records.delivery_manifest import (
    MANIFEST_NAME,
    DeliveredFile,
    DeliveryManifest,
    FrameAccount,
    SourceFile,
)
from interpositive.records.digests import sha256_of_file
from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.records.run_record import RunRecord, RunTake

WIDTH, HEIGHT, RATE = 320, 180, Fraction(24)
Build = Callable[..., Path]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def film_frames(num_frames: int, width: int = WIDTH, height: int = HEIGHT) -> dict[str, NDArray[np.uint8]]:
    """A slow pan over hills and sky with a swinging wire: plate, target, matte and repairs, ``t h w 3``."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0 : width + 2 * num_frames].astype(np.float64)
    hills = height * (0.62 + 0.10 * np.sin(x / 61.0) + 0.05 * np.sin(x / 17.0 + 1.0))
    sky = np.stack([150 - 0.2 * y, 172 - 0.15 * y, 196 - 0.05 * y], -1)
    texture = rng.normal(0, 9, (height, width + 2 * num_frames))
    land = np.stack([82 + texture, 88 + texture, 62 + texture * 0.7], -1)
    world = np.where((y > hills)[..., None], land, sky)
    frames: dict[str, list[NDArray[np.float64]]] = {
        "plate": [],
        "target": [],
        "matte": [],
        "result": [],
        "telea": [],
        "recursive_flow": [],
    }
    for frame in range(num_frames):
        clean = world[:, 2 * frame : 2 * frame + width] + rng.normal(0, 1.5, (height, width, 1))
        slope = 0.32 + 0.10 * np.sin(frame / 7.0)
        middle = height * 0.25 + slope * (x[:, :width] - width * 0.1)
        away = np.abs(y[:, :width] - middle)
        wire, mask = away < 1.6, away < 4.0
        smeared = np.stack(
            [np.convolve(c.ravel(), np.ones(9) / 9, "same").reshape(c.shape) for c in clean.transpose(2, 0, 1)],
            -1,
        )
        gain = 1 + 0.08 * np.sin(2.4 * frame)
        drift = 6.0 if frame == num_frames // 2 else 1.0
        frames["plate"].append(np.where(wire[..., None], 28.0, clean))
        frames["target"].append(clean)
        frames["matte"].append(np.repeat(mask[..., None] * 255.0, 3, -1))
        frames["result"].append(np.where(mask[..., None], clean + rng.normal(0, 1.5 * drift, clean.shape), clean))
        frames["telea"].append(np.where(mask[..., None], smeared * gain, clean))
        frames["recursive_flow"].append(np.where(mask[..., None], smeared, clean))
    return {role: np.clip(np.rint(np.stack(shot)), 0, 255).astype(np.uint8) for role, shot in frames.items()}


def write_movies(folder: Path, frames: dict[str, NDArray[np.uint8]]) -> None:
    """One H.264 movie for each role."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, shot in frames.items():
        with MovieWriter(folder / f"{role}.mp4", RATE, shot.shape[2], shot.shape[1], quality=14) as writer:
            writer.write(shot)


def metrics() -> list[MetricInfo]:
    return [
        MetricInfo(
            name="flicker",
            unit="codes",
            direction="lower",
            meaning="Frame-to-frame change inside the mask that the plate's own motion does not explain.",
        ),
        MetricInfo(
            name="psnr",
            unit="dB",
            direction="higher",
            meaning="Closeness to the clean plate inside the mask.",
        ),
        MetricInfo(name="lpips", unit="distance", direction="lower", meaning="Difference that a viewer would notice."),
        MetricInfo(
            name="untouched",
            unit="pixels",
            direction="lower",
            meaning="Pixels outside the mask that differ from the plate.",
        ),
    ]


def shot_measures(
    name: str, num_frames: int, pictures: dict[str, str], /, first_frame: int = 1001, **more: object
) -> ShotMeasures:
    rng = np.random.default_rng(9)
    time = np.arange(num_frames)
    flicker = {
        "mini_model": 0.6 + 0.1 * rng.random(num_frames) + 1.4 * (time == num_frames // 2),
        "telea": 4.5 + 1.5 * np.sin(2.4 * time) + 0.4 * rng.random(num_frames),
        "recursive_flow": 1.6 + 0.3 * rng.random(num_frames),
    }
    psnr = {"mini_model": 38.0, "telea": 29.5, "recursive_flow": 38.6}
    curves: dict[str, dict[str, list[float | None]]] = {
        method: {
            "flicker": [None, *map(float, curve[1:])],
            "psnr": [float(value) for value in psnr[method] - 1.5 * (curve - curve.min()) + rng.random(num_frames)],
        }
        for method, curve in flicker.items()
    }
    values: dict[str, dict[str, float | None]] = {
        method: {"flicker": float(curve[1:].mean()), "psnr": psnr[method], "lpips": None, "untouched": 0.0}
        for method, curve in flicker.items()
    }
    facts: dict[str, object] = {
        "role": "test take",
        "start_timecode": "01:00:00:00",
        "chosen_method": "mini_model",
        "worst_frames": [first_frame + num_frames // 2, first_frame + 3, first_frame + num_frames - 2],
    }
    return ShotMeasures.model_validate(
        {
            "name": name,
            "num_frames": num_frames,
            "first_frame": first_frame,
            "values": values,
            "curves": curves,
            "pictures": pictures,
            **facts,
            **more,
        }
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Build:
    """Build a run folder; keywords change its record, its shots or its notes."""

    def build(
        num_frames: int = 12,
        *,
        takes: tuple[str, ...] = ("SC012_T03_A",),
        notes: list[str] | None = None,
        record: dict[str, object] | None = None,
        shot: dict[str, object] | None = None,
    ) -> Path:
        folder = tmp_path / "run"
        evaluation = folder / "evaluation"
        shots = []
        for take in takes:
            write_movies(evaluation / take, film_frames(num_frames))
            pictures = {path.stem: f"{take}/{path.name}" for path in sorted((evaluation / take).glob("*.mp4"))}
            shots.append(shot_measures(take, num_frames, pictures, **(shot or {})))
        told = ["lpips needs pretrained weights, which are not on this machine"] if notes is None else notes
        Measures(metrics=metrics(), shots=shots, notes=told).write(evaluation / "measures.json")
        facts: dict[str, object] = {
            "production": "The Long Crossing",
            "task": "wire removal",
            "mini_model": "residual U-Net",
            "created": "2026-03-14T10:22:05+00:00",
            "finished": True,
            "seed": 17,
            "steps": 1200,
            "seconds_training": 734.0,
            "num_parameters": 812_345,
            "takes": [
                RunTake(name=name, split=split, path=f"dailies/{name}.mov", sha256=_digest(name), num_frames=48)
                for name, split in (
                    ("SC010_T01_A", "train"),
                    ("SC011_T02_A", "train"),
                    ("SC011_T04_B", "val"),
                    (takes[0], "test"),
                )
            ],
            "catalogue": "crossing.catalogue",
            "catalogue_sha256": _digest("catalogue"),
            "config_sha256": _digest("config"),
            "archive_sha256": _digest("archive"),
            "versions": {"interpositive": "0.1.0", "torch": "2.13.0", "python": "3.11.9"},
            "machine": "16 cores, no GPU",
            **(record or {}),
        }
        RunRecord.model_validate(facts).write(folder)
        return folder

    return build


def build_delivery(root: Path, num_frames: int = 12, *, unsealed: tuple[str, ...] = (), violations: int = 0) -> Path:
    """Build a sealed delivery; ``unsealed`` files get no digest, ``violations`` are put on one frame."""
    folder = root / "X010_v001"
    frames = film_frames(num_frames)
    write_movies(folder / "review", {role: frames[role] for role in ("plate", "result", "matte")})
    (folder / "frames").mkdir()
    for number in range(num_frames):
        (folder / "frames" / f"X010.{1001 + number:07d}.png").write_bytes(frames["result"][number].tobytes()[:2000])
    pictures = {role: f"review/{role}.mp4" for role in ("plate", "result", "matte")}
    Measures(
        metrics=metrics(),
        shots=[shot_measures("X010", num_frames, pictures, role="delivered shot")],
        notes=["lpips: there is no clean plate of a delivered shot"],
    ).write(folder / "measures.json")
    sealed = [
        DeliveredFile(path=relative, role="delivered", sha256=sha256_of_file(path), num_bytes=path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (relative := path.relative_to(folder).as_posix()) not in unsealed
    ]
    account = [
        FrameAccount(
            frame=1001 + number,
            timecode=f"01:00:00:{number:02d}" if number < 24 else None,
            mask_pixels=int((frames["matte"][number, ..., 0] > 127).sum()),
            altered_pixels=int((frames["result"][number] != frames["plate"][number]).any(-1).sum()),
            untouched_violations=violations if number == 4 else 0,
        )
        for number in range(num_frames)
    ]
    manifest = DeliveryManifest(
        production="The Long Crossing",
        task="wire removal",
        shot="X010",
        method="mini_model",
        created="2026-03-15T09:00:00+00:00",
        rate="24",
        width=WIDTH,
        height=HEIGHT,
        num_frames=num_frames,
        first_frame=1001,
        start_timecode="01:00:00:00",
        frame_format="png16",
        encoding="bt709",
        sources=[SourceFile(path="plates/X010.mov", role="plate", sha256=_digest("plate"))],
        config_sha256=_digest("config"),
        seed=17,
        versions={"interpositive": "0.1.0"},
        training_takes=["SC010_T01_A", "SC011_T02_A"],
        gate={"flicker mini_model": 0.7, "flicker telea": 4.5},
        frames=account,
        files=sealed,
        notes=["The matte was painted by hand."],
    )
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=1))
    return folder


@pytest.fixture
def make_delivery(tmp_path: Path) -> Build:
    """Build a sealed delivery in the test's own folder."""
    return partial(build_delivery, tmp_path)


@pytest.fixture(scope="module")
def delivery_at_rest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery that several tests read and none changes."""
    return build_delivery(tmp_path_factory.mktemp("delivery"))
