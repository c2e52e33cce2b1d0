"""W&B, offline: what an evaluation leaves in its file, read back without it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import interpositive.training  # noqa: F401  isort: skip
from interpositive.media.opening import open_reader
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training.wandb_logging import WandbSettings, make_wandb_logger


def helper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wandb_files", Path(__file__).with_name("wandb_files.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_plots_and_a_video_of_every_evaluation_are_in_the_file(
    train: Callable[..., RunRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "run" / "wandb"))
    folder = tmp_path / "run"
    record = train(folder, max_steps=8, loggers=make_wandb_logger(WandbSettings(), folder, "tiny", "wire_removal"))
    wandb.finish()
    course = HeldOutCourse.read(folder)
    (path,) = folder.rglob("*.wandb")
    logged = [entry for entry in helper().history(path) if "held_out/loss" in entry]
    assert [entry["trainer/global_step"] for entry in logged] == [point.step for point in course.points] == [4, 8]
    for entry, point in zip(logged, course.points, strict=True):
        for method, values in point.values.items():
            for name, value in values.items():
                assert entry.get(f"held_out/{method}/{name}") == value
        assert entry["held_out/loss"] == point.loss and entry["held_out/kept_step"] in (4, 8)

    last, files = logged[-1], path.parent / "files"
    table = json.loads((files / last["held_out/metrics/path"]).read_text())
    assert table["columns"] == ["method", "metric", "unit", "better", "mean", *course.windows]
    rows = {(row[0], row[1]): row[4:] for row in table["data"]}
    found = course.points[-1]
    assert rows["trained", "psnr_hole"] == [
        found.values["trained"]["psnr_hole"],
        *found.by_window["trained"]["psnr_hole"],
    ]
    assert rows["prior", "psnr_hole"][1:] == course.points[0].by_window["prior"]["psnr_hole"]

    curves = json.loads((files / last["held_out/curves/path"]).read_text())
    assert curves["columns"][:4] == ["method", "window", "frame", "psnr"]
    assert len(curves["data"]) == len(found.values) * len(course.windows) * 2
    line = json.loads((files / last["held_out/curve/psnr_hole_table/path"]).read_text())
    assert {row[line["columns"].index("lineKey")] for row in line["data"]} == set(found.values)
    charts = [entry for entry in re.findall(rb"wandb/lineseries/v0", path.read_bytes())]
    assert charts, "the table of a line plot is drawn as one"

    assert last["held_out/video/_type"] == "video-file" and last["held_out/video/path"].endswith(".mp4")
    movie = open_reader(files / last["held_out/video/path"])
    assert len(movie) == 2 * len(course.windows) and (movie.info.width, movie.info.height) == (3 * 96, 64)
    movie.close()

    summary = helper().summary(path)
    kept = {name: value for name, value in record.scores.items() if value is not None}
    assert {name: summary.get(name) for name in kept} == kept and "held_out/psnr_hole/trained" in kept
    assert summary["num_parameters"] == record.num_parameters

    outside = [place for place in re.findall(rb"/(?:home|root|tmp|usr|var|opt)/[\w./-]+", path.read_bytes())]
    assert all(place.decode().startswith(str(folder.resolve())) for place in outside), outside


def test_without_wandb_nothing_of_it_is_there(train: Callable[..., RunRecord], tmp_path: Path) -> None:
    assert make_wandb_logger(WandbSettings(mode="disabled"), tmp_path, "tiny", "wire_removal") == []
    train(tmp_path, max_steps=4)
    assert not (tmp_path / "wandb").exists()
