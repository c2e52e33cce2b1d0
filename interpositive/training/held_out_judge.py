"""Judges the averaged weights on held-out takes while training goes on, and remembers the best."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.metrics.contract import MakeMetric
from interpositive.mini_models.contract import MiniModel
from interpositive.records.held_out_course import HELD_OUT_COURSE_NAME, HeldOutCourse
from interpositive.training.callbacks import AveragedWeights
from interpositive.training.deciding import ByWindow, reason_to_stop, score_info, with_point
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import (
    HeldOutWindow,
    WindowCurves,
    WindowPictures,
    WindowsMovie,
    measure_window,
    middle_pictures,
)
from interpositive.training.ranks import by_first, is_first
from interpositive.training.run_folder import METRICS_NAME, PREVIEWS_NAME
from interpositive.training.settings import TrainSettings
from interpositive.training.stopping import StopRequests
from interpositive.training.wandb_logging import log_earlier, log_evaluation

_LOG = logging.getLogger(__name__)
_FEWEST_WINDOWS = 2


class _Abandoned(Exception):
    """The run is asked to stop; nothing of the evaluation has come into the course."""


class HeldOutJudge(lightning.Callback):
    """Every ``judge_every`` steps, and at the last, measures held-out windows with the averaged weights.

    Belongs after the averaging and the wait meter, which ``pause`` stops, and before the checkpoints: one of step n
    then holds all that was judged up to n, with the kept weights, so that a run taken up again decides as it
    would have. With ``judge_start`` what training begins with is judged before the first step, and may be what is kept.
    No clock is read but to be written down, and once for the time budget: what it
    decides is written to ``held_out.json`` at the first evaluation, and read there. Of several ranks the first
    judges while the others wait, and all end with its course; it alone has the kept weights.
    """

    def __init__(
        self,
        mini_model: MiniModel,
        metrics: Sequence[MakeMetric],
        dailies: ProductionDataModule,
        averaging: AveragedWeights,
        settings: TrainSettings,
        folder: Path,
        pause: Callable[[], None],
        stop: StopRequests | None = None,
        judge_start: bool = False,
    ) -> None:
        """``windows`` are set afterwards, before training; ``ConfigError`` if no metric gives the score."""
        infos = [info for make in metrics for info in make().infos]
        info = score_info(settings.score, infos)
        self.windows: list[HeldOutWindow] = []
        self.metrics = tuple(metrics)
        self.dailies = dailies
        self.averaging = averaging
        self.settings = settings
        self.folder = folder
        self.methods = mini_model.methods
        self.pause = pause
        self.stop = stop or StopRequests()
        self.judge_start = judge_start
        self.seconds = 0.0
        self.made_up = False
        self.kept_weights: dict[str, Tensor] = {}
        self.curves: dict[str, WindowCurves] = {}
        self.pictures: WindowPictures = {}
        self.course = HeldOutCourse(
            score=info.name,
            higher_is_better=info.direction == "higher",
            method=mini_model.trained_method,
            metrics=infos,
            windows=[],
        )

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on from the checkpoint's course; the budget's decision outlives a run that left no checkpoint.

        A run that was asked to stop at the judgement of its step makes up for it here, and has ``made_up`` then. What
        is judged before the first step is in no checkpoint, and judged again by a run that is begun again.
        """
        if is_first():
            self._take_up()
            log_earlier(trainer.loggers, self.course, self.folder / METRICS_NAME)
        self.made_up = trainer.global_step > 0 and self.is_due(trainer.global_step)
        self.on_train_batch_end(trainer, pl_module)

    def _take_up(self) -> None:
        if self.course.points:
            self.course.write(self.folder)
        elif (self.folder / HELD_OUT_COURSE_NAME).exists():
            self.course = self._with(windows=HeldOutCourse.read(self.folder).windows)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Judge, if it is time to, and nobody asks to stop meanwhile."""
        del pl_module, args
        step = trainer.global_step
        if not self.is_due(step):
            return
        averaged = self.averaging.averaged()
        self.course = by_first(lambda: self._judged(trainer, averaged, step))
        if self.course.stopped_because:
            trainer.should_stop = True
        self.pause()

    def is_due(self, step: int) -> bool:
        """Whether this step is one of those to be judged, and has not been."""
        before = -1 if self.judge_start else 0
        last = self.course.points[-1].step if self.course.points else before
        return step > last and (step % self.settings.judge_every == 0 or step == self.settings.max_steps)

    def _judged(self, trainer: lightning.Trainer, tuner: FineTuner, step: int) -> HeldOutCourse:
        """The course with one point more and what follows from it; as it was, if asked to stop meanwhile."""
        started = time.perf_counter()
        movie_path = self.folder / PREVIEWS_NAME / f"step_{step:06d}.mp4"
        try:
            with torch.no_grad():
                loss = tuner.held_out_loss(self.dailies.held_out_batches())
                by_window = self._measure(tuner, movie_path)
                weights = {name: value.detach().cpu().clone() for name, value in tuner.mini_model.state_dict().items()}
        except _Abandoned:
            return self.course
        taken = time.perf_counter() - started
        self.seconds += taken
        self.course = with_point(self.course, step, loss, by_window, round(taken, 2))
        if self.course.kept_step == step:
            self.kept_weights = weights
        if flag := self.course.points[-1].flag:
            _LOG.warning("step %d: %s", step, flag)
        log_evaluation(trainer.loggers, self.course, self.curves, self.pictures, movie_path)
        self.course = self._with(stopped_because=reason_to_stop(self.course, self.settings.stop_after))
        self.course.write(self.folder)
        return self.course

    def _measure(self, tuner: FineTuner, movie_path: Path) -> ByWindow:
        """Each method's numbers, window by window: all methods the first time, then the one that learns.

        Given up between two windows if the run is asked to stop: schedulers do not wait for a whole evaluation.
        """
        course, budget = self.course, self.settings.judge_seconds
        methods = (course.method,) if course.points else self.methods
        names = [info.name for info in course.metrics]
        by_window: ByWindow = {method: {name: [] for name in names} for method in methods}
        # A window's name is in the course once the budget has admitted it.
        admitted, num_judged, notes = len(course.windows), 0, [*course.notes]
        began = time.perf_counter()
        self.curves |= {method: {} for method in methods}
        with WindowsMovie(movie_path, self.windows[0]) as movie:
            for window in self.windows:
                if self.stop.asked:
                    raise _Abandoned
                over = budget is not None and time.perf_counter() - began > budget and num_judged >= _FEWEST_WINDOWS
                if num_judged == admitted > 0 or (not admitted and over):
                    break
                measured = measure_window(tuner.mini_model, window, methods, self.metrics)
                movie.add(window, measured.frames[course.method])
                shown = {label: measured.frames[label] for label in ("prior", course.method) if label in methods}
                self.pictures.setdefault(window.name, {}).update(middle_pictures(window, shown))
                for method in methods:
                    self.curves[method][window.name] = measured.curves[method]
                    for name in names:
                        by_window[method][name].append(measured.values[method][name])
                notes += [note for note in measured.notes if note not in notes]
                num_judged += 1
        if num_judged < len(self.windows) and not course.points:
            notes.append(
                f"the time budget of {budget:g} s an evaluation admitted {num_judged} of {len(self.windows)} held-out "
                f"windows; trainer.judge_seconds=null trainer.held_out_windows={num_judged} repeats this run anywhere"
            )
        self.course = self._with(windows=[window.name for window in self.windows[:num_judged]], notes=notes)
        return by_window

    def _with(self, **changes: Any) -> HeldOutCourse:
        return self.course.model_copy(update=changes)

    def finish(self) -> HeldOutCourse:
        """The whole course, once training has ended; says why it ended, if no rule ended it."""
        reason = self.course.stopped_because or f"all {self.settings.max_steps} steps were taken"
        self.course = self._with(stopped_because=reason)
        self.course.write(self.folder)
        return self.course

    def state_dict(self) -> dict[str, Any]:
        """The course so far and the kept weights, for the checkpoint."""
        return {"course": self.course.model_dump_json(), "kept_weights": self.kept_weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint holds."""
        self.course = HeldOutCourse.model_validate_json(state_dict["course"])
        self.kept_weights = dict(state_dict["kept_weights"])
