"""One training run, from prepared windows to an archive and the record of how it came about."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
from pytorch_lightning.loggers import Logger

from interpositive.backbones.adapters import fold_adapter
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import MakeExample
from interpositive.dailies.selection import take_columns
from interpositive.media.encodings import find_encoding
from interpositive.media.plate_colour import NATIVE
from interpositive.metrics.contract import MakeMetric
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.warp_error import WarpError
from interpositive.mini_models.archive import archive_digest, save_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.records.digests import sha256_of_value
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.provenance import Starts
from interpositive.records.publishing import retire_folder
from interpositive.records.rights import Beginning, Footage
from interpositive.records.run_record import RunPrepared, RunRecord, RunTake
from interpositive.training import surroundings
from interpositive.training.callbacks import AveragedWeights, Stopwatch, Validation, WaitMeter
from interpositive.training.checkpoint_format import (
    CHECKPOINTS_NAME,
    FoundCheckpoint,
    newest_valid_checkpoint,
    read_checkpoint,
)
from interpositive.training.checkpoints import Checkpoints, CheckpointWriter
from interpositive.training.finder_training import FinderStage, train_finder
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import held_out_windows
from interpositive.training.held_out_judge import HeldOutJudge
from interpositive.training.rank_watch import RankWatch, StandBy
from interpositive.training.ranks import by_first, is_first, num_ranks, rank_number, wait_for_all
from interpositive.training.run_folder import (
    ARCHIVE_NAME,
    CONFIG_NAME,
    keep_config,
    machine_description,
    paper_digests,
    refuse_finished,
    software_versions,
)
from interpositive.training.run_lock import alone_in_folder
from interpositive.training.settings import ComputeSettings, TrainSettings
from interpositive.training.step_exchange import StepExchange
from interpositive.training.step_logs import MetricsLog, WindowsLog
from interpositive.training.stopping import StopRequests, StopWhenAsked, interruptible
from interpositive.training.trainer import make_trainer
from interpositive.training.wandb_logging import log_outcome

_LOG = logging.getLogger(__name__)
_RECORDED = tuple(RunTake.model_fields)

__all__ = ["ARCHIVE_NAME", "CONFIG_NAME", "ComputeSettings", "TrainSettings", "software_versions", "train_mini_model"]


@alone_in_folder
def train_mini_model(
    mini_model: MiniModel,
    dailies: ProductionDataModule,
    make_example: MakeExample,
    *,
    folder: Path,
    production: str,
    task: str,
    arguments: Mapping[str, Any],
    catalogue_path: Path,
    catalogue_sha256: str,
    config_text: str,
    settings: TrainSettings,
    compute: ComputeSettings,
    metrics: Sequence[MakeMetric] = (Psnr, WarpError),
    loggers: Sequence[Logger] = (),
    stop: StopRequests | None = None,
    watch: RankWatch | None = None,
    footage: Footage = "camera",
    begun_with: Sequence[Beginning] = (),
    adapter: str = "full",
    finding: FinderStage | None = None,
) -> RunRecord:
    """Train, resuming what a killed run left in ``folder``, then archive the kept checkpoint, and record.

    ``begun_with`` is what the mini-model's weights were learned from before, ``adapter`` says in words what learns of
    it; both are recorded, and LoRA is folded into the archived weights. ``finding`` is a finder that learns from the
    same renders once the mini-model has learned; it is archived beside it. ``metrics`` measure the held-out windows.
    ``StorageError`` if the folder already holds a finished run, or is being trained by another process; its config must
    be the one the run was started with. ``ConfigError`` for a score that no metric gives. ``TrainingStopped`` once
    ``stop`` is asked for; ``watch`` follows the other ranks.
    Every process of the run calls this, once it has joined the others (``ranks.joined``). In the first of them
    the mini-model ends with the weights that are archived, if it was not sharded.
    """
    refuse_finished(folder)
    averaging = AveragedWeights(
        decay=settings.ema_decay,
        update_starting_at_step=min(settings.warmup_steps, settings.max_steps - 1),
    )
    wait_meter = WaitMeter()
    metrics_log = MetricsLog(folder, wait_meter, settings.max_steps)
    windows_log = WindowsLog(folder, dailies)
    validation = Validation(dailies, averaging, settings, folder, metrics_log.report, wait_meter.pause)
    stop = stop or StopRequests()
    judge = HeldOutJudge(
        mini_model, metrics, dailies, averaging, settings, folder, wait_meter.pause, stop, bool(begun_with)
    )
    starts = by_first(lambda: _begin(folder, config_text))
    # Read before training: afterwards the catalogue may hold other takes.
    run_takes = [
        RunTake(**dict(zip(_RECORDED, values, strict=True))) for values in take_columns(dailies.takes, *_RECORDED)
    ]
    notes = [beginning.words() for beginning in begun_with]
    notes += [*mini_model.origins, *encoding_notes(dailies.encoding, {take.encoding for take in run_takes})]
    found = _resume_point(folder / CHECKPOINTS_NAME)
    for message in found.damaged:
        notes.append(f"a checkpoint was damaged and left out: {message.splitlines()[0]}")
        # Told at once too: a start that is killed writes no notes.
        _LOG.warning("%s", notes[-1])
    dailies.num_batches = settings.max_steps
    dailies.share(rank_number(), num_ranks())
    dailies.start_batch = found.step
    if not any(take.split == "val" for take in run_takes):
        notes.append("no take is held out: scores are measured on training takes under other damage")

    tuner = FineTuner(
        mini_model,
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps,
        half_size_share=settings.half_size_share,
        seed=settings.seed,
    )
    if is_first():
        judge.windows = list(
            held_out_windows(
                dailies.window_groups("val"),
                make_example,
                settings.held_out_windows,
                settings.held_out_frames,
                settings.seed,
                dailies.damage_paths,
            )
        )
        validation.window = judge.windows[0]
    writer = CheckpointWriter(
        folder / CHECKPOINTS_NAME, settings.keep_checkpoints, lambda: judge.course.kept_step, resumed=found
    )
    stopwatch = Stopwatch()
    # Lightning does it too, but only if there are steps left.
    for callback in (judge, stopwatch):
        if state := found.checkpoint.get("callbacks", {}).get(callback.state_key):
            callback.load_state_dict(state)
    resume_path = found.path
    # It would hold a second copy of the state for as long as the run trains.
    del found
    checkpoints = Checkpoints(writer, settings, wait_meter.pause, judge)
    # All that belongs to a step is done when its checkpoint is written.
    callbacks: list[lightning.Callback] = [
        StepExchange(stop),
        averaging,
        stopwatch,
        wait_meter,
        metrics_log,
        windows_log,
        validation,
        judge,
        StopWhenAsked(stop, checkpoints.save_now, judge.is_due, watch.expect_ends if watch else None),
        checkpoints,
    ]
    if watch:
        callbacks.insert(0, StandBy(watch))
    trainer = make_trainer(settings, compute, folder, loggers, callbacks, writer)
    # A run may have been killed between its last step and the archive.
    if dailies.start_batch < settings.max_steps and not judge.course.stopped_because:
        with interruptible():
            trainer.fit(tuner, datamodule=dailies, ckpt_path=resume_path)
    if watch:
        watch.confirm()
    seconds, seconds_of_this_start = stopwatch.seconds, stopwatch.seconds_of_this_start
    if not is_first():
        wait_for_all()
        return RunRecord.read(folder)
    course = judge.finish()
    mini_model = averaging.whole_mini_model or mini_model
    mini_model.load_state_dict(judge.kept_weights)
    mini_model.to("cpu").eval()
    num_parameters = mini_model.num_parameters
    fold_adapter(mini_model)
    finder_sha256, finder_scores, finder_notes = "", dict[str, float | None](), list[str]()
    if finding:
        device = trainer.strategy.root_device
        finder_sha256, found_by = train_finder(finding, folder, production, task, settings, stop, device)
        finder_scores = {"finder/recall": found_by.recall, "finder/precision": found_by.precision}
        finder_notes = [f"the finder for mask=auto: {found_by.words}"]
    # One that a killed start left is not looked at, but made again.
    retire_folder(folder / ARCHIVE_NAME)
    save_archive(
        mini_model,
        folder / ARCHIVE_NAME,
        arguments=dict(arguments),
        production=production,
        task=task,
        footage=footage,
        begun_with=begun_with,
    )
    record = RunRecord(
        production=production,
        task=task,
        mini_model=type(mini_model).__name__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        finished=True,
        seed=settings.seed,
        steps=max(trainer.global_step, dailies.start_batch),
        seconds_training=round(seconds, 1),
        encoding=dailies.encoding,
        num_parameters=num_parameters,
        begun_with=list(begun_with),
        adapter=adapter,
        takes=run_takes,
        catalogue=str(catalogue_path),
        catalogue_sha256=catalogue_sha256,
        config_sha256=sha256_of_value(config_text),
        archive_sha256=archive_digest(folder / ARCHIVE_NAME),
        finder_sha256=finder_sha256,
        versions=software_versions(),
        machine=machine_description(),
        scores=_held_out_scores(course)
        | finder_scores
        | {
            "train/wait_share": wait_meter.share,
            "train/judge_share": judge.seconds / seconds_of_this_start,
            "train/checkpoint_share": checkpoints.seconds / seconds_of_this_start,
        },
        notes=[*notes, *windows_log.notes(), *starts.notes(), *_held_out_notes(course, tuner), *finder_notes],
        damage=dailies.damage_digests(),
        prepared={split: RunPrepared(**dailies.prepared_facts(split)) for split in ("train", "val")},
        starts=starts.starts,
        files=paper_digests(folder),
    )
    record.write(folder)
    log_outcome(loggers, record)
    wait_for_all()
    return record


def encoding_notes(encoding: str, of_takes: set[str]) -> list[str]:
    """What a reader of a run should know about the colour it was trained in."""
    if encoding != NATIVE and find_encoding(encoding).kind == "linear":
        return [
            f"trained in linear light ({encoding}): flow sees little in its shadows, and highlights weigh most in "
            "the loss; a log encoding such as acescct keeps them in proportion"
        ]
    if encoding == NATIVE and len(of_takes) > 1:
        mixed = ", ".join(sorted(name or "not known" for name in of_takes))
        return [
            f"takes of several colour encodings ({mixed}) were learned from as stored; "
            "production.training_encoding=acescct brings them into one"
        ]
    return []


def _begin(folder: Path, config_text: str) -> Starts:
    keep_config(folder, config_text)
    return surroundings.begin(folder)


def _resume_point(folder: Path) -> FoundCheckpoint:
    """What all ranks go on from: the first looks, and the others read what it found."""
    found = newest_valid_checkpoint(folder) if is_first() else FoundCheckpoint(None, {}, [])
    path = by_first(lambda: found.path)
    return found if is_first() or path is None else FoundCheckpoint(path, read_checkpoint(path), [])


def _held_out_scores(course: HeldOutCourse) -> dict[str, float | None]:
    kept = course.kept
    scores: dict[str, float | None] = {
        f"held_out/{info.name}/{method}": found.get(info.name)
        for info in course.metrics
        for method, found in kept.values.items()
    }
    return scores | {"held_out/kept_step": float(kept.step)}


def _held_out_notes(course: HeldOutCourse, tuner: FineTuner) -> list[str]:
    kept, last = course.kept, course.points[-1]
    value = kept.values[course.method][course.score]
    notes = [*course.notes]
    if value is None:
        notes.append(f"{course.score} is not defined on the held-out windows: the last checkpoint is kept")
    elif kept.step != last.step:
        notes.append(f"kept is the checkpoint of step {kept.step}, which has the best held-out {course.score}")
    if last.step < tuner.max_steps:
        share = tuner.learning_rate_share(last.step)
        notes.append(
            f"{course.stopped_because}; training ended at step {last.step} of {tuner.max_steps}, "
            f"with the learning rate still at {share:.0%} of its peak"
        )
    return notes + [f"step {point.step}: {point.flag}" for point in course.points if point.flag]
