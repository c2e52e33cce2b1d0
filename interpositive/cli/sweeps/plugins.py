"""The two sweepers that Hydra is given: they keep what their YAML says, and leave the sweep to our own words.

Hydra imports them with every verb, so nothing heavy is imported here before a sweep begins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from interpositive.errors import ConfigError
from interpositive.records.sweep_record import TRIALS_FOLDER, Objective

if TYPE_CHECKING:
    from interpositive.cli.sweeps.proposing import Proposer
    from interpositive.cli.sweeps.space import SweptKey


class TrialsLost(Exception):
    """A launcher that did not bring its trials to an end: a worker or a queued job of its own was killed."""


class TrialSweeper(Sweeper):
    """What both have in common: ``params`` (swept keys of a YAML), ``objectives``, how many trials run at a time, and
    whether failed ones are tried again.
    """

    enumerated: bool
    sampler: str
    seed: int
    launcher: Launcher
    folder: Path
    config: DictConfig
    hydra_context: HydraContext

    def __init__(
        self,
        params: Mapping[str, Any],
        objectives: Sequence[Any] | None,
        num_parallel: int | None,
        retry_failed: bool,
    ) -> None:
        self.params = dict(params)
        plain = OmegaConf.to_container(objectives) if OmegaConf.is_config(objectives) else objectives
        self.objectives: Any = [plain] if isinstance(plain, str | dict) else plain
        if num_parallel is not None and (not isinstance(num_parallel, int) or num_parallel < 1):
            raise ConfigError("hydra.sweeper.num_parallel means nothing", found=num_parallel, expected="1 or more")
        self.num_parallel, self.retry_failed = num_parallel, bool(retry_failed)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra composed."""
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> None:
        """Run all trials of the sweep that have not ended."""
        from interpositive.cli.sweeps.sweeping import run_sweep

        run_sweep(self, arguments)

    def proposer(self, swept: Sequence[SweptKey], objectives: Sequence[Objective]) -> Proposer:
        """What says what each trial tries."""
        raise NotImplementedError

    def round_size(self, num_trials: int) -> int:
        """How many trials are given to the launcher at once."""
        raise NotImplementedError

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The verb's configuration that overrides make, under the guard that all configurations pass."""
        config: DictConfig = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            del config["hydra"]
        return config

    def choose_launcher(self, folder: Path) -> None:
        """Build the launcher that Hydra names for a sweep folder; it is given a trial to run, not the verb."""
        from hydra.core.plugins import Plugins

        from interpositive.cli.sweeps.trial import run_trial

        self.folder = folder.resolve()
        # Launchers keep their own files there.
        self.config.hydra.sweep.dir = str(self.folder)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            task_function=partial(run_trial, sweep_process=os.getpid()),
            config=self.config,
        )

    def launch(self, trials: Mapping[int, Sequence[str]]) -> None:
        """Run trials, each by its overrides, in their folders; what a trial itself raises is raised here.

        ``TrialsLost`` if the launcher did not bring all to an end.
        """
        told = QuotedString(str(self.folder), Quote.single).with_quotes()
        overrides = [
            [*each, f"hydra.sweep.dir={told}", f"hydra.sweep.subdir={TRIALS_FOLDER}/{number:04d}"]
            for number, each in trials.items()
        ]
        try:
            returned = self.launcher.launch(overrides, initial_job_idx=min(trials))
        except Exception as error:
            raise TrialsLost(f"{type(error).__name__}: {error}") from error
        for each in returned:
            _ = each.return_value


class GridSweeper(TrialSweeper):
    """Every combination of the choices."""

    enumerated = True
    sampler, seed = "grid", 0

    def proposer(self, swept: Sequence[SweptKey], objectives: Sequence[Objective]) -> Proposer:
        """A grid of the choices."""
        from interpositive.cli.sweeps.proposing import GridProposer

        return GridProposer(swept)

    def round_size(self, num_trials: int) -> int:
        """All: no trial waits for another one."""
        return self.num_parallel or num_trials


class OptunaSweeper(TrialSweeper):
    """Trials that learn from earlier ones: ``num_trials`` in all, proposed by ``sampler`` from ``seed``.

    Nothing is learned from the first ``num_random_trials``.
    """

    enumerated = False

    def __init__(
        self,
        sampler: str,
        num_trials: int,
        num_random_trials: int,
        seed: int,
        params: Mapping[str, Any],
        objectives: Sequence[Any] | None,
        num_parallel: int | None,
        retry_failed: bool,
    ) -> None:
        super().__init__(params, objectives, num_parallel, retry_failed)
        self.sampler, self.num_trials, self.num_random_trials = sampler, num_trials, num_random_trials
        self.seed = seed

    def proposer(self, swept: Sequence[SweptKey], objectives: Sequence[Objective]) -> Proposer:
        """Optuna's sampler."""
        from interpositive.cli.sweeps.proposing import OptunaProposer

        return OptunaProposer(
            swept,
            objectives,
            sampler=self.sampler,
            num_trials=self.num_trials,
            num_random_trials=self.num_random_trials,
            seed=self.seed,
        )

    def round_size(self, num_trials: int) -> int:
        """As many as are wanted at a time, else as the launcher runs: the next are proposed when all have ended."""
        at_once = OmegaConf.select(self.config, "hydra.launcher.n_jobs") or 1
        return self.num_parallel or (at_once if at_once > 0 else os.cpu_count() or 1)


OWN_SWEEPERS = (GridSweeper, OptunaSweeper)
