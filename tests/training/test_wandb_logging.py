"""W&B, offline: what a run leaves in its files, read back without it, and what happens when it is taken up again."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import wandb

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import TrainingStopped
from interpositive.media.opening import open_reader
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training import wandb_run
from interpositive.training.wandb_files import logged_names, records
from interpositive.training.wandb_logging import picture_rows
from interpositive.training.wandb_run import RunLogger, WandbSettings, sent_config, wandb_loggers

QUIET = WandbSettings(system_stats=False)


def helper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wandb_files", Path(__file__).with_name("wandb_files.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def logger_of(folder: Path, settings: WandbSettings = QUIET, **config: Any) -> RunLogger:
    return RunLogger(settings, folder, "tiny", "wire_removal", config)


def test_all_of_every_evaluation_is_in_the_file(train: Callable[..., RunRecord], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = WandbSettings(log_archive=True)
    with wandb_loggers(settings, folder, "tiny", "wire_removal", {"seed": 3, "run_folder": str(folder)}) as loggers:
        record = train(folder, max_steps=8, loggers=loggers)
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

    shown = json.loads((files / last["held_out/pictures/path"]).read_text())
    assert shown["columns"] == ["window", "psnr_hole", "damaged", "prior", "trained", "true"]
    scores = [row[1] for row in shown["data"]]
    assert len(scores) == len(course.windows) and scores == sorted(scores), "the worst window comes first"
    # Pictures of tables travel as an artifact of the run.
    tables = [record.artifact for record in records(path) if record.artifact.type == "run_table"]
    pictures = [entry for table in tables for entry in table.manifest.contents if entry.path.endswith(".png")]
    assert len({entry.digest for entry in pictures}) >= 3 and all(Path(e.local_path).is_file() for e in pictures)

    previews = [entry for entry in helper().history(path) if "preview/path" in entry]
    assert [entry["trainer/global_step"] for entry in previews] == [4, 8]
    assert all((files / entry["preview/path"]).is_file() for entry in previews)

    summary = helper().summary(path)
    kept = {name: value for name, value in record.scores.items() if value is not None}
    assert {name: summary.get(name) for name in kept} == kept and "held_out/psnr_hole/trained" in kept
    assert summary["num_parameters"] == record.num_parameters

    (archived,) = [
        record.artifact
        for record in records(path)
        if record.HasField("artifact") and not record.artifact.type.startswith("run_")
    ]
    assert json.loads(archived.metadata)["archive_sha256"] == record.archive_sha256
    assert {entry.path for entry in archived.manifest.contents} == {"weights.safetensors", "recipe.json"}
    (begun,) = [record.run for record in records(path) if record.HasField("run")]
    assert {item.key: item.value_json for item in begun.config.update if item.key != "_wandb"} == {"seed": "3"}
    assert begun.host != socket.gethostname() and begun.run_group == "tiny/wire_removal"

    # Of whole records: in the file a long one is cut, in the middle of a path perhaps.
    whole = b"".join(record.SerializeToString() for record in records(path))
    outside = [place for place in re.findall(rb"/(?:home|root|tmp|usr|var|opt)/[\w./-]+", whole)]
    assert all(place.decode().startswith(str(folder.resolve())) for place in outside), outside


def test_without_wandb_nothing_of_it_is_there(train: Callable[..., RunRecord], tmp_path: Path) -> None:
    with wandb_loggers(WandbSettings(mode="disabled"), tmp_path, "tiny", "wire_removal", {}) as loggers:
        assert loggers == []
    train(tmp_path, max_steps=4)
    assert not (tmp_path / "wandb").exists()


def test_a_resumed_run_goes_on_under_its_id_and_says_nothing_twice(tmp_path: Path) -> None:
    first = logger_of(tmp_path)
    for step in range(1, 6):
        first.log_metrics({"train/loss": 1.0 / step}, step=step)
    first.log_metrics({"held_out/loss": 0.5}, step=5)
    first.finish()
    (begun,) = tmp_path.rglob("*.wandb")
    helper().whole(begun)
    second = logger_of(tmp_path)
    # What the run's own files say up to the checkpoint of step 6, of which the first segment kept all but the last row.
    lost = {5: {"train/loss": 0.2}, 6: {"train/loss": 1.0 / 6, "val/loss": 0.4}}
    second.apart(partial(second.log_lost, lost))
    for step in range(4, 9):
        second.log_metrics({"train/loss": 1.0 / step}, step=step)
        if step == 8:
            second.log_metrics({"held_out/loss": 0.5, "held_out/new": 1.0}, step=step)
    second.finish()
    segments = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert first.version == second.version and all(first.version in path.name for path in segments)
    rows = [helper().history(path / f"run-{first.version}.wandb") for path in segments]
    steps = [[row["trainer/global_step"] for row in segment if "train/loss" in row] for segment in rows]
    assert steps == [[1, 2, 3, 4, 5], [6, 7, 8]]
    said = [(row["trainer/global_step"], name) for segment in rows for row in segment for name in row if "/" in name]
    said = [each for each in said if each[1] != "trainer/global_step"]
    assert len(said) == len(set(said)) and (8, "held_out/new") in said
    # W&B puts rows in the order of its own step, and drops one that is behind.
    order = [row["_step"] for segment in rows for row in segment]
    assert order == sorted(order)
    assert (6, "val/loss") in said
    names = logged_names(tmp_path / "wandb", first.version)
    assert set(names) == set(range(1, 9)) and "held_out/loss" in names[8]


def test_a_segment_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    logger = logger_of(tmp_path)
    for step in range(1, 9):
        logger.log_metrics({"train/loss": 1.0 / step}, step=step)
    logger.finish()
    (path,) = tmp_path.rglob("*.wandb")
    helper().whole(path)
    content, whole = path.read_bytes(), list(records(path))
    assert len(whole) > 8
    for size in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:size] + b"\0" * (size % 3 or 1))
        assert list(records(path)) == whole[: len(list(records(path)))]


def test_wandb_that_fails_is_told_once_and_leaves_training_alone(
    train: Callable[..., RunRecord], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logger_of(tmp_path / "failing")

    class Failing:
        step = 0

        def log(self, *args: Any, **kwargs: Any) -> None:
            raise BrokenPipeError("the service is gone")

    logger._run = Failing()
    failing = train(tmp_path / "failing", max_steps=4, loggers=[logger])
    assert "the service is gone" in logger.failure
    assert sum("W&B failed" in message for message in caplog.messages) == 1
    assert failing.archive_sha256 == train(tmp_path / "without", max_steps=4).archive_sha256


def test_a_signal_that_ends_the_training_is_no_failure_of_wandb(tmp_path: Path) -> None:
    def stopped(run: Any) -> None:
        raise TrainingStopped("asked")

    logger = logger_of(tmp_path)
    logger._run = object()
    with pytest.raises(TrainingStopped):
        logger.apart(stopped)
    assert not logger.failure


def test_what_is_told_late_is_kept(tmp_path: Path) -> None:
    logger = logger_of(tmp_path, WandbSettings(mode="offline", system_stats=False))
    for step, values in ((4, {"val/loss": 0.5}), (3, {"train/loss": 0.25}), (5, {"train/loss": 0.125})):
        logger.log_metrics(values, step=step)
    logger.finish()
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    rows = helper().history(path)
    assert [(row["trainer/global_step"], row["train/loss"]) for row in rows] == [(4, 0.25), (5, 0.125)]


def test_a_run_that_cannot_be_sent_is_kept_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(wandb_run, "_REACH_SECONDS", 3.0)
    logger = logger_of(tmp_path, WandbSettings(mode="online", system_stats=False))
    logger.log_metrics({"train/loss": 1.0}, step=1)
    logger.finish()
    assert not logger.failure and "kept offline" in caplog.text and "wandb sync" in caplog.text
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert [row["train/loss"] for row in helper().history(path)] == [1.0]


def test_only_listed_keys_and_plain_short_values_are_sent() -> None:
    config = {
        "seed": 1,
        "production": {"name": "film", "workspace": "/home/me/film", "split": {"explicit": {"*SECRET*": "val"}}},
        "task": {
            "_target_": "interpositive.tasks.wire_removal.WireRemoval",
            "num_wires": [2, 5],
            "x": "/home/me/x.mov",
        },
        "metric": {"lpips": {"network": "alex", "weights": "/home/me/alex.pth"}},
        "trainer": {"learning_rate": 0.002, "stop_after": None, "note": "token ghp_x\nand more"},
        "dailies": {"batch_size": 6, "prepared_folder": "prepared"},
        "mini_model": {"by_take": {"/home/me/A001.mov": 1}, "prompt": "the twist of the film", "rank": 4},
        "damage": {"A001": "mask.mov"},
        "run_folder": "runs/x",
        "wandb": {"entity": "me"},
        "api_key": "k",
    }
    assert sent_config(config) == {
        "seed": 1,
        "production": {"name": "film"},
        "task": {"_target_": "interpositive.tasks.wire_removal.WireRemoval", "num_wires": [2, 5]},
        "metric": {"lpips": {"network": "alex"}},
        "trainer": {"learning_rate": 0.002, "stop_after": None},
        "dailies": {"batch_size": 6},
        "mini_model": {"rank": 4},
    }


def test_nothing_around_the_command_comes_into_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "planted-7c1d"
    told = ("NOTES", "TAGS", "HOST", "USERNAME", "USER_EMAIL", "JOB_TYPE", "RUN_GROUP", "NAME", "PROGRAM", "API_KEY")
    for name in (*(f"WANDB_{name}" for name in told), "MY_TOKEN"):
        monkeypatch.setenv(name, secret)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "config-defaults.yaml").write_text(f"stolen:\n  value: {secret}\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(wandb_run, "_STATS_SECONDS", 0.5)
    logger = logger_of(tmp_path / "run", WandbSettings(), seed=1)
    logger.log_metrics({"train/loss": 1.0}, step=1)
    time.sleep(2.0)
    logger.finish()
    (path,) = (tmp_path / "run").rglob("*.wandb")
    helper().whole(path)
    holding = [str(p) for p in (tmp_path / "run").rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert not holding
    assert {p.name for p in tmp_path.iterdir()} == {"here", "run"} and len(list((tmp_path / "here").iterdir())) == 1
    assert not os.environ.get("WANDB_CACHE_DIR", "").startswith(str(tmp_path))
    measured = {item.key for record in records(path) if record.HasField("stats") for item in record.stats.item}
    assert {"cpu", "memory_percent"} <= measured


def test_where_to_send_is_neither_for_the_run_folder_nor_for_the_present_one_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    places = {
        "home/.config/wandb": "http://127.0.0.1:11",
        "here/wandb": "http://127.0.0.1:12",
        "run/wandb": "http://127.0.0.1:13",
    }
    for place, address in places.items():
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "settings").write_text(f"[default]\nbase_url = {address}\nstolen = planted\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    found: list[str] = []
    wandb.teardown()
    logger = logger_of(tmp_path / "run")
    logger.apart(lambda run: found.append(run.settings.base_url))
    logger.finish()
    wandb.teardown()
    assert found == [places["home/.config/wandb"]], logger.failure
    assert "planted" not in "".join(capfd.readouterr())


def test_a_window_without_a_score_is_shown_last() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    course = HeldOutCourse.model_validate(
        {
            "score": "flip",
            "higher_is_better": False,
            "method": "trained",
            "metrics": [],
            "windows": ["a", "b", "c"],
            "points": [
                {
                    "step": 1,
                    "loss": 0.0,
                    "values": {},
                    "by_window": {"trained": {"flip": [0.1, None, 0.3]}},
                    **dict.fromkeys(("score_low", "score_high", "gain_low"), 0.0),
                    "seconds": 0.0,
                }
            ],
        }
    )
    columns, rows = picture_rows(course, {name: {"damaged": picture, "true": picture} for name in "abc"})
    assert columns == ["window", "flip", "damaged", "true"] and [row[0] for row in rows] == ["c", "a", "b"]
