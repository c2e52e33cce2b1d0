"""A production on disk: dailies as movie files with slates and timecode, the truth beside them, and
``stage.json``.
"""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from interpositive.errors import ConfigError
from interpositive.media.movie_writer import MovieWriter
from interpositive.records.digests import sha256_of_file
from interpositive.records.publishing import publish_folder
from interpositive.soundstage.rendering import RenderedTake, render_take
from interpositive.soundstage.scenes import CAMERA_MOVES, stage_take
from interpositive.soundstage.spec import SCENE_NAMES, SceneName, StageSpec

DAILIES, TRUTH, STAGE_FILE = "dailies", "truth", "stage.json"
RATE_FACTOR, GOP = 12, 24

Job = tuple[StageSpec, SceneName, tuple[int, ...], Path, bool]


def take_name(scene: SceneName, take: int) -> str:
    """The slate as a file stem: scene, take, camera, roll (one roll per scene), for example
    ``12A_T01_A_R01``.
    """
    return f"{scene}_T{take:02d}_A_R{SCENE_NAMES.index(scene) + 1:02d}"


def start_timecode(scene: SceneName, take: int) -> str:
    """Each roll starts on its own hour and each take on its own minute."""
    hours, minutes = divmod(take, 60)
    return f"{(SCENE_NAMES.index(scene) + 1 + 4 * hours) % 24:02d}:{minutes:02d}:00:00"


def render_production(
    spec: StageSpec, folder: Path, *, with_truth: bool, num_workers: int = 1, progress: bool = True
) -> list[Path]:
    """Shoot every take and publish ``folder`` whole; returns the movies in slate order.

    ``folder/dailies/<slate>.mov`` are H.264 movies (4:2:0, BT.709) for ingest to read; ``folder/stage.json`` holds the
    spec, and of each take lights, cameras, performers' anchors and the movie's SHA-256. With ``with_truth`` (large:
    about 1 MB a frame) ``folder/truth/<slate>/truth.npz`` holds the arrays of
    :class:`~interpositive.soundstage.truth.Truth`: light, alpha, shadow, depth and flow as float16, ``layer_alpha``
    uint8, ``visible`` int16, hidden masks bool. Frames do not depend on ``num_workers``, which are processes started
    afresh (spawn).

    Raises ``StorageError`` if ``folder`` exists or the disk refuses, ``ConfigError`` for ``num_workers``
    below 1.
    """
    if num_workers < 1:
        raise ConfigError("the soundstage needs a crew", found=f"num_workers={num_workers}", expected="1 or more")
    with publish_folder(folder) as scratch:
        (scratch / DAILIES).mkdir()
        takes = tuple(range(1, spec.takes_per_scene + 1))
        jobs: list[Job] = [(spec, scene, takes, scratch, with_truth) for scene in spec.scenes]
        if len(jobs) < num_workers:
            jobs = [(spec, scene, (take,), scratch, with_truth) for scene, take in spec.slates()]
        shot: dict[str, object] = {}
        with tqdm(total=len(spec.slates()), desc="shooting", unit="take", disable=not progress) as bar:
            if num_workers == 1:
                for scene, take in spec.slates():
                    shot.update(_shoot_job((spec, scene, (take,), scratch, with_truth)))
                    bar.update()
            else:
                context = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(min(num_workers, len(jobs)), mp_context=context) as crew:
                    for written in crew.map(_shoot_job, jobs):
                        shot.update(written)
                        bar.update(len(written))
        record = {"schema_version": 1, "spec": spec.to_values(), "takes": shot}
        (scratch / STAGE_FILE).write_text(json.dumps(record, indent=1))
    return [folder / DAILIES / f"{take_name(scene, take)}.mov" for scene, take in spec.slates()]


def _shoot_job(job: Job) -> dict[str, object]:
    """Shoot and write some takes of one scene; their entries for ``stage.json``."""
    spec, scene, takes, folder, with_truth = job
    written: dict[str, object] = {}
    for take in takes:
        rendered = render_take(spec, scene, take, with_truth=with_truth)
        name = take_name(scene, take)
        path = folder / DAILIES / f"{name}.mov"
        with MovieWriter(
            path,
            spec.rate,
            spec.width,
            spec.height,
            codec="h264",
            quality=RATE_FACTOR,
            gop=GOP,
            start_timecode=start_timecode(scene, take),
            reel=f"A{name[-3:]}",
        ) as movie:
            movie.write(rendered.frames)
        if with_truth:
            write_truth(rendered, folder / TRUTH / name)
        written[name] = {**_entry(spec, rendered), "sha256": sha256_of_file(path)}
    return written


def is_of_the_stage(movie: Path, sha256: str) -> bool:
    """Whether the ``stage.json`` above a movie's folder says that a movie of this digest was rendered there."""
    return sha256 in _rendered(movie.parent.parent / STAGE_FILE)


@lru_cache(maxsize=64)
def _rendered(stage_file: Path) -> frozenset[str]:
    try:
        takes = json.loads(stage_file.read_text())["takes"].values()
        return frozenset(str(take["sha256"]) for take in takes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return frozenset()


def write_truth(rendered: RenderedTake, folder: Path) -> Path:
    """Write a take's truth arrays, anchors and cameras as one compressed ``truth.npz``; returns its path."""
    truth = rendered.truth
    if truth is None:
        raise ConfigError("this take was shot without truth", remedy="render it with with_truth=True")
    folder.mkdir(parents=True)
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for name, value in vars(truth).items():
        array = np.asarray(value)
        arrays[name] = array.astype(np.float16) if array.dtype == np.float32 else array
    path = folder / "truth.npz"
    with path.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays, anchors=rendered.anchors, cameras=rendered.cameras)
    return path


def _entry(spec: StageSpec, rendered: RenderedTake) -> dict[str, object]:
    """What ``stage.json`` says of one take."""
    staged = stage_take(spec, rendered.scene, rendered.take)
    return {
        "scene": rendered.scene,
        "take": rendered.take,
        "camera_move": CAMERA_MOVES[rendered.scene],
        "start_timecode": start_timecode(rendered.scene, rendered.take),
        "exposure": staged.exposure,
        "lights": staged.rig.describe(),
        "cameras": np.round(rendered.cameras, 6).tolist(),
        "performers": list(rendered.performers),
        "joints": list(rendered.joints),
        "anchors": np.round(rendered.anchors, 3).tolist(),
    }
