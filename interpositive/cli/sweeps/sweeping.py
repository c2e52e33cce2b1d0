"""A sweep from its question to its table: rounds of trials, begun where a killed sweep left off."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from interpositive.cli.dry_running import tell_dry_sweep
from interpositive.cli.hydra_app import config_folder, plain_config
from interpositive.cli.mistakes import as_config_error
from interpositive.cli.sweeps.objectives import read_objectives
from interpositive.cli.sweeps.plugins import TrialsLost, TrialSweeper
from interpositive.cli.sweeps.proposing import Proposer
from interpositive.cli.sweeps.question import ask_question, keep_question, only_sweep_in
from interpositive.cli.sweeps.results import TABLE_NAME, summary, told, write_table
from interpositive.cli.sweeps.space import SAME_FOR_ALL, SweptKey, read_space
from interpositive.cli.training import AssembledTraining, assemble_training
from interpositive.errors import ConfigError, TrainingError, TrainingStopped
from interpositive.records.sweep_record import Parameter, SweepRecord, TrialRecord, trial_folder, trials_of
from interpositive.training.ranks import rank_of
from interpositive.training.stopping import STOP_SIGNALS

_NO_CONFIGURATION = (ConfigError, HydraException, OmegaConfBaseException)


def run_sweep(sweeper: TrialSweeper, arguments: Sequence[str]) -> None:
    """Run every trial that has not ended, and print what came of all.

    ``TrainingStopped`` when told to stop: the same command goes on. ``StorageError`` for a folder that holds another
    sweep, or in which another process is at work. ``TrainingError`` if no trial finished.
    """
    # Launchers would announce every trial in their own words beside ours.
    for name in ("hydra", "hydra_plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _refuse_ranks(sweeper.config)
    loader = sweeper.hydra_context.config_loader
    swept, fixed = read_space(sweeper.params, arguments, loader, enumerated=sweeper.enumerated)
    composed = sweeper.compose(fixed)
    shared = plain_config(composed, "train")
    if not any(each.space.key == "production" for each in swept):
        # A mistake that all trials share is told at once, not once a trial.
        parts = assemble_training(shared)
        if parts.compute.num_nodes > 1:
            raise ConfigError(
                "a trial is trained on one machine",
                found=f"compute.num_nodes={parts.compute.num_nodes}",
                expected="compute=one_node, or another of one machine",
            )
    trials = TrialConfigs(sweeper, swept, fixed, composed)
    trials.refuse_what_never_composes()
    objectives = read_objectives(sweeper.objectives, shared)
    proposer = sweeper.proposer(swept, objectives)
    if shared["dry_run"]:
        tell_dry_sweep(_dry_trials(proposer, trials))
        return
    folder = Path(shared["run_folder"] or sweeper.config.hydra.sweep.dir)
    question = ask_question(sweeper, proposer.num_trials, objectives, swept, fixed, shared, folder.name)
    with only_sweep_in(folder):
        keep_question(folder, question, shared)
        sweeper.choose_launcher(folder)
        course = SweepCourse(sweeper, proposer, trials, folder, question)
        try:
            with _stop_signals_interrupt():
                course.run()
        except (KeyboardInterrupt, TrainingStopped):
            ended = sum(trial.state != "running" for trial in trials_of(folder))
            raise TrainingStopped(
                "the sweep was told to stop",
                found=f"{ended} of {question.num_trials} trials ended",
                remedy=f"the same command with run_folder={folder} goes on",
            ) from None
        records = trials_of(folder)
    print(f"\n{summary(question, records)}\n\nsweep folder: {folder} ({TABLE_NAME})")
    if not any(trial.state == "finished" for trial in records):
        raise TrainingError(
            "no trial of the sweep finished",
            found=f"{len(records)} failed",
            remedy="hydra.sweeper.retry_failed=true tries the same again; another run_folder something else",
        )


def _refuse_ranks(config: DictConfig) -> None:
    """``ConfigError`` where a sweep, or a trial, would be several processes that know nothing of each other."""
    if rank_of(os.environ):
        raise ConfigError(
            "a sweep is one process, and starts the ranks of its trials itself",
            found="a process that torchrun or srun started as a rank",
            expected="interpositive train --multirun compute=one_node … alone",
        )
    for key in ("hydra.launcher.tasks_per_node", "hydra.launcher.nodes"):
        if (OmegaConf.select(config, key) or 1) != 1:
            raise ConfigError(
                f"{key} would start a trial several times",
                found=OmegaConf.select(config, key),
                expected="1; with compute=one_node a trial starts its ranks itself",
            )


def _dry_trials(proposer: Proposer, trials: TrialConfigs) -> Iterator[tuple[str, AssembledTraining]]:
    """Every trial's name and parts, as proposed while nothing is known of any; no record of it is written."""
    earlier: list[TrialRecord] = []
    for number in range(proposer.num_trials):
        parameters = proposer.propose(number, earlier)
        earlier.append(TrialRecord(number=number, parameters=parameters, state="running"))
        overrides = trials.overrides(parameters)
        plain = plain_config(trials.compose(overrides), "train")
        yield f"trial {number} ({', '.join(overrides)})", assemble_training(plain)


def _as_mistake(error: Exception) -> ConfigError:
    return error if isinstance(error, ConfigError) else as_config_error(error, "train", config_folder())


class TrialConfigs:
    """What trials are told: overrides that all have, their own, and what these compose to beside the ``shared``."""

    def __init__(
        self, sweeper: TrialSweeper, swept: Sequence[SweptKey], fixed: Sequence[str], shared: DictConfig
    ) -> None:
        self.sweeper, self.swept, self.fixed, self.shared = sweeper, list(swept), list(fixed), shared

    def overrides(self, parameters: Mapping[str, Parameter]) -> list[str]:
        """A trial's own overrides."""
        return [each.override(parameters[each.space.key]) for each in self.swept]

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """A trial's configuration; ``ConfigError`` if a swept group brings what all trials have in common."""
        config, name = self.sweeper.compose([*self.fixed, *overrides]), "production.name"
        for key in SAME_FOR_ALL:
            found, expected = OmegaConf.select(config, key), OmegaConf.select(self.shared, key)
            # Another production has a workspace of its own.
            is_others = key.startswith("production.") and OmegaConf.select(config, name) != self.shared.production.name
            if found != expected and not is_others:
                raise ConfigError(
                    f"{key} cannot differ from trial to trial",
                    found=f"{key}={found}, by {' '.join(overrides)}",
                    expected=f"{expected}, as for the whole sweep",
                )
        return config

    def refuse_what_never_composes(self) -> None:
        """``ConfigError`` for a key none of whose values makes a configuration, such as a misspelt one."""
        for key in self.swept:
            for value in key.space.choices or [key.space.low]:
                try:
                    self.compose([key.override(value)])
                except _NO_CONFIGURATION as error:
                    mistake: Exception = error
                else:
                    break
            else:
                raise _as_mistake(mistake)


class SweepCourse:
    """The trials of one sweep, proposed in rounds, launched, and read back from their records."""

    def __init__(
        self,
        sweeper: TrialSweeper,
        proposer: Proposer,
        configs: TrialConfigs,
        folder: Path,
        record: SweepRecord,
    ) -> None:
        self.sweeper, self.proposer, self.configs = sweeper, proposer, configs
        self.folder, self.record = folder, record

    def run(self) -> None:
        """Run what has not ended, round by round; the table is written again after each."""
        trials = trials_of(self.folder)
        ended = sum(trial.state == "finished" for trial in trials)
        failed = [trial for trial in trials if trial.state == "failed"]
        over = ", ".join(space.key for space in self.record.space) or "nothing: no key has more than one value"
        print(f"sweep {self.folder}: {self.record.num_trials} trials over {over}")
        if trials:
            again = "tried again" if self.sweeper.retry_failed else "hydra.sweeper.retry_failed=true tries again"
            print(f"{ended} finished before; {len(failed)} failed before" + (f" ({again})" if failed else ""))
        if self.sweeper.retry_failed:
            for trial in failed:
                self._write(TrialRecord(number=trial.number, parameters=trial.parameters, state="running"))
        size = self.sweeper.round_size(self.record.num_trials)
        for first in range(0, self.record.num_trials, size):
            self._run_round(range(first, min(first + size, self.record.num_trials)))
            write_table(self.folder, self.record, trials_of(self.folder))

    def _run_round(self, numbers: range) -> None:
        trials = {trial.number: trial for trial in trials_of(self.folder)}
        waiting = {}
        for number in numbers:
            trial = trials[number] = trials.get(number) or self._proposed(number, trials.values(), numbers)
            if trial.state == "running" and (overrides := self._composed(trial)) is not None:
                waiting[number] = overrides
        lost: TrialsLost | None = None
        for _ in range(2):
            waiting = {number: overrides for number, overrides in waiting.items() if self._is_open(number)}
            if not waiting:
                return
            try:
                self.sweeper.launch(waiting)
            except TrialsLost as error:
                lost = error
                continue
            break
        else:
            for number in filter(self._is_open, waiting):
                self._fail(number, f"it was launched twice, and lost twice: {lost}", None)
        if any(self._is_open(number) for number in waiting):
            raise TrainingStopped("a trial was told to stop")

    def _proposed(self, number: int, trials: Iterable[TrialRecord], mates: range) -> TrialRecord:
        """A new trial's record, written."""
        # Those of the same round are not known yet, even if a killed sweep had come to know them.
        known = [
            trial.model_copy(update={"state": "running", "values": {}}) if trial.number in mates else trial
            for trial in trials
            if trial.number < number
        ]
        parameters = self.proposer.propose(number, known)
        trial = TrialRecord(number=number, parameters=parameters, state="running")
        self._write(trial)
        return trial

    def _composed(self, trial: TrialRecord) -> list[str] | None:
        """The overrides of a trial; None, and the trial failed, where they make no configuration."""
        overrides = self.configs.overrides(trial.parameters)
        try:
            self.configs.compose(overrides)
        except _NO_CONFIGURATION as error:
            mistake = _as_mistake(error)
            self._fail(trial.number, str(mistake), mistake.exit_code)
            return None
        return [*self.configs.fixed, *overrides]

    def _fail(self, number: int, reason: str, code: int | None) -> None:
        trial = TrialRecord.read(trial_folder(self.folder, number))
        trial = trial.model_copy(update={"state": "failed", "reason": reason, "exit_code": code})
        self._write(trial)
        print(told(trial, self.record.objectives), flush=True)

    def _is_open(self, number: int) -> bool:
        return TrialRecord.read(trial_folder(self.folder, number)).state == "running"

    def _write(self, trial: TrialRecord) -> None:
        trial.write(trial_folder(self.folder, trial.number))


@contextmanager
def _stop_signals_interrupt() -> Iterator[None]:
    """Inside, the signals that stop a training stop the sweep as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
