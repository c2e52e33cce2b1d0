"""A mini-model trained through the command line's own door, and judged on shots that it never saw: a record each."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from boards import FINDER_WINDOWS, QUICK_SHARE, Board
from held_out_footage import HeldOut
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from interpositive.cli import hydra_app
from interpositive.cli.assembling import assemble
from interpositive.cli.metrics import assemble_metrics
from interpositive.cli.training import train_here
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.delivery.evaluation import DamagedTake, EvaluationSettings, damage_take, evaluate_damaged
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import PlateColour
from interpositive.mini_models.archive import archive_digest, load_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.records.code_state import measure_code
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.evaluation_record import SHOT_REPORT_NAME, JudgedFile, ShotReport
from interpositive.records.publishing import write_file_whole
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.tasks.contract import Task
from interpositive.tasks.other_takes import LentByTakes, OtherTake

CODE = "code"
"""The role of the code in a record: told, and not compared, so that a change of a comment does not cost hours."""
QUIET = [
    "wandb=disabled",
    "progress=false",
    "metric=[psnr]",
    "trainer.judge_seconds=null",
    "trainer.held_out_windows=2",
]
SEED = 4100


def plain_config(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """A verb's resolved configuration, as the command line would have it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(hydra_app.config_folder()), version_base="1.3"):
        return hydra_app.plain_config(compose(verb, list(overrides)), verb)


def training_keys(board: Board, mini_model: str, production: str, output: Path, quick: bool) -> list[str]:
    """What `interpositive train` is told, to train a mini-model and, if it is what is delivered, its finder."""
    steps, windows = (n // QUICK_SHARE if quick else n for n in board.mini_models[mini_model])
    finder_steps = board.finder_steps // QUICK_SHARE if quick else board.finder_steps
    once = [f"trainer.{name}={steps}" for name in ("max_steps", "judge_every", "validate_every", "checkpoint_every")]
    return [
        "production=default",
        f"production.name={production}",
        f"production.workspace={output / 'productions' / production}",
        f"task={board.task}",
        f"mini_model={mini_model}",
        "dailies.window_frames=24",
        f"dailies.num_windows={max(2, windows)}",
        "dailies.num_val_windows=2",
        *once,
        *QUIET,
        f"finder.max_steps={finder_steps if mini_model == board.delivered else 0}",
        f"finder.num_train_windows={max(2, FINDER_WINDOWS // QUICK_SHARE if quick else FINDER_WINDOWS)}",
    ]


def trained(board: Board, mini_model: str, production: HeldOut, output: Path, quick: bool) -> Path:
    """The run folder of a mini-model that learned the task from a production, trained unless it is there.

    One at a time in an ``output`` folder: what is prepared for another is removed.
    """
    keys = training_keys(board, mini_model, production.name, output, quick)
    plain = plain_config("train", keys)
    # Another configuration is another run; where things lie, and how many prepare windows, is no part of it.
    dailies = {name: value for name, value in plain["dailies"].items() if name != "num_prepare_workers"}
    digest = sha256_of_value([keys, plain["task"], plain["mini_model"], plain["trainer"], dailies, plain.get("finder")])
    run = output / "runs" / board.task / f"{production.name}_{mini_model}_{digest[:8]}"
    if not (run / RUN_RECORD_NAME).is_file():
        is_whole = not run.exists()
        if is_whole:
            # What another run prepared would be taken over, and not counted.
            shutil.rmtree(output / "productions" / production.name / "prepared", ignore_errors=True)
        began = _processor_seconds(), time.perf_counter()
        train_here(plain, run)
        if is_whole:
            # Preparing windows comes before a run's own clock starts, and a user waits for it too.
            seconds = {"seconds": _processor_seconds() - began[0], "clock": time.perf_counter() - began[1]}
            write_file_whole(_clock(run), json.dumps(seconds))
    return run


def _processor_seconds() -> float:
    """Of this process and of those that it started and that have ended, as workers that prepare windows have."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def seconds_to_train(run: Path) -> dict[str, float]:
    """What training took, preparing its windows included: the processor's ``seconds``, and ``two_cores``.

    Two cores that do nothing else need no longer than the clock showed here on at most two of them, nor than one
    of them would need for all the processor's seconds: the less of both. Of a run that was killed in between:
    seconds on the clock, without preparing.
    """
    clock = _clock(run)
    if not clock.is_file():
        return dict.fromkeys(("seconds", "two_cores"), RunRecord.read(run).seconds_training)
    found = json.loads(clock.read_text())
    return {"seconds": float(found["seconds"]), "two_cores": float(min(found["seconds"], found["clock"]))}


def _clock(run: Path) -> Path:
    return run.with_name(f"{run.name}.clock.json")


def judged(
    board: Board,
    mini_model: str,
    production: HeldOut,
    run: Path,
    output: Path,
    quick: bool,
    tell: Callable[[str], None] = print,
) -> Iterator[ShotReport]:
    """Every held-out shot of a production under every kind of damage; what is measured already is read.

    Pictures lie in ``output/<task>``, and a record names them relative to that.
    """
    names = ",".join(board.metrics)
    metrics = (*assemble_metrics(plain_config("evaluate", [f"metric=[{names}]"])["metric"]), *board.own)
    settings = EvaluationSettings(
        max_frames=board.quick_frames if quick else board.num_frames,
        metrics=metrics,
        seed=SEED,
        progress=False,
    )
    loaded: MiniModel | None = None
    for take in held_out(output / "productions" / production.name):
        for label, changes in board.judged.items():
            node = plain_config("train", [f"task={board.task}", *changes])["task"]
            name = "_".join(part for part in (production.name, take.slate.scene * production.is_stage, label) if part)
            told = [node, names, [type(make()).__name__ for make in board.own], settings.max_frames, settings.height]
            told += [SEED, repr(settings.windows), repr(settings.gate)]
            lender = teacher(output / "productions" / production.name, take) if label in board.lends else None
            inputs = [
                _file("take", take),
                JudgedFile(role="archive", path=str(run), sha256=archive_digest(run / "archive")),
                JudgedFile(role="settings", path="", sha256=sha256_of_value(told)),
                *([_file("lender", lender)] if lender else []),
                JudgedFile(role=CODE, path="", sha256=measure_code().state.source_sha256),
            ]
            folder = output / board.task / "shots" / mini_model / name
            found = ShotReport.read(folder)
            if found is None or _compared(found.files) != _compared(inputs):
                tell(f"{board.task}: {mini_model} on {name}")
                if loaded is None:
                    loaded = load_archive(run / "archive")[0].eval()
                task = assemble(node, "task", Task)
                found = _measured(name, take, lender, loaded, task, folder, settings, inputs)
            yield found


def held_out(workspace: Path) -> list[Take]:
    """The takes of a production that judge."""
    with Catalogue(workspace / "catalogue.sqlite") as catalogue:
        return [take for take in catalogue.takes() if take.split == "val"]


def teacher(workspace: Path, take: Take) -> Take:
    """The take of the same scene that mini-models learned from."""
    with Catalogue(workspace / "catalogue.sqlite") as catalogue:
        return next(t for t in catalogue.takes() if t.split == "train" and t.slate.scene == take.slate.scene)


def _file(role: str, take: Take) -> JudgedFile:
    return JudgedFile(role=role, path=take.path, sha256=take.sha256 or sha256_of_file(Path(take.path)))


def _measured(
    name: str,
    take: Take,
    lender: Take | None,
    mini_model: MiniModel,
    task: Task,
    folder: Path,
    settings: EvaluationSettings,
    inputs: Sequence[JudgedFile],
) -> ShotReport:
    # What a killed judgement left is made again.
    shutil.rmtree(folder, ignore_errors=True)
    damaged = replace(damage_take(take, task.example, settings), name=name)
    with lending(damaged, lender, folder) as damaged:
        measures, meter = evaluate_damaged(damaged, mini_model, task, folder.parent, settings)
    root = folder.parents[2]
    pictures = {role: str((folder.parent / path).relative_to(root)) for role, path in measures.pictures.items()}
    report = ShotReport(
        files=list(inputs),
        metrics=meter.infos,
        curve_metrics=meter.curve_infos,
        measures=measures.model_copy(update={"pictures": pictures}),
        notes=meter.notes(),
    )
    write_file_whole(folder / SHOT_REPORT_NAME, report.model_dump_json(indent=1))
    return report


@contextmanager
def lending(damaged: DamagedTake, lender: Take | None, folder: Path) -> Iterator[DamagedTake]:
    """A damaged take to which another lends pixels, found and lined up as for a delivery."""
    if lender is None:
        yield damaged
        return
    folder.mkdir(parents=True)
    height, width = damaged.damaged.shape[1:3]
    codes = damaged.damaged
    if np.issubdtype(codes.dtype, np.floating):
        # What was damaged is between the codes of an 8-bit movie.
        codes = np.rint(np.clip(codes, 0.0, 1.0) * 65535.0).astype(np.uint16)
    # Other takes are compared with a plate that is read, as a delivery's is.
    with MovieWriter(folder / "damaged.mkv", damaged.rate, width, height, codec="ffv1") as movie:
        movie.write(codes)
    with closing(open_reader(folder / "damaged.mkv")) as plate, closing(open_take(lender)) as reader:
        lent = LentByTakes(plate, PlateColour(), [OtherTake(lender.name, reader, PlateColour())])
        yield replace(damaged, lent=lent.condition)


def _compared(files: Sequence[JudgedFile]) -> dict[str, str]:
    return {file.role: file.sha256 for file in files if file.role != CODE}
