"""What a user decides about a training run: how it learns, and what it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from interpositive.errors import ConfigError

Strategy = Literal["ddp", "fsdp2"]


@dataclass(frozen=True)
class ComputeSettings:
    """What a run is computed on: ``devices`` processes on each of ``num_nodes`` machines, one device each.

    ``strategy`` is how several processes share the work: ``ddp`` keeps the whole model in each, ``fsdp2`` a part.
    ``threads`` are those of one process, None shares the machine's cores. A process that does not answer for
    ``lost_after_seconds`` is lost: all end with ``RankLostError``, and are started again up to ``restarts`` times.
    ``ConfigError`` for values that mean nothing.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: Strategy = "ddp"
    precision: str = "32-true"
    threads: int | None = None
    lost_after_seconds: float = 10.0
    restarts: int = 0

    def __post_init__(self) -> None:
        counts = {"devices": 1, "num_nodes": 1, "restarts": 0}
        for name, least in counts.items():
            found = getattr(self, name)
            _refuse_unless(f"compute.{name}", found, isinstance(found, int) and found >= least, f"{least} or more")
        threads, lost = self.threads, self.lost_after_seconds
        _refuse_unless("compute.threads", threads, threads is None or threads >= 1, "1 or more, or null")
        _refuse_unless("compute.lost_after_seconds", lost, isinstance(lost, int | float) and lost > 0, "above 0")
        known = get_args(Strategy)
        _refuse_unless("compute.strategy", self.strategy, self.strategy in known, " or ".join(known))

    @property
    def num_processes(self) -> int:
        """Processes of the whole run, on all machines."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class TrainSettings:
    """How long and how a mini-model learns, and how it is judged meanwhile; steps are optimiser steps.

    Every ``judge_every`` steps, and at the last, ``held_out_windows`` windows of held-out takes are restored,
    ``held_out_frames`` frames of each, and measured; the checkpoint with the best mean ``score`` is kept.
    ``judge_seconds`` bounds an evaluation: at the first one no further window is begun when they are over (two
    are judged whatever they take), and as many are judged from then on. None judges all.
    ``stop_after`` ends training after so many evaluations without a gain, None never. The learning rate falls to its
    end at ``max_steps`` alone: a run that stops has not had its small last steps, and one given
    fewer steps from the start may end higher.
    A checkpoint is written every ``checkpoint_every`` steps and where the run is judged; the newest
    ``keep_checkpoints`` are kept, and the best judged one.
    ``ConfigError`` for values that mean nothing.
    """

    max_steps: int = 1000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 30
    gradient_clip: float = 1.0
    ema_decay: float = 0.99
    validate_every: int = 250
    checkpoint_every: int = 250
    keep_checkpoints: int = 2
    judge_every: int = 500
    judge_seconds: float | None = 120.0
    held_out_windows: int = 6
    held_out_frames: int = 4
    score: str = "psnr_hole"
    stop_after: int | None = None
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        counts = ("max_steps", "judge_every", "validate_every", "checkpoint_every", "keep_checkpoints")
        for name in (*counts, "held_out_windows", "held_out_frames"):
            found = getattr(self, name)
            _refuse_unless(f"trainer.{name}", found, isinstance(found, int) and found >= 1, "1 or more")
        stop, budget = self.stop_after, self.judge_seconds
        fits = stop is None or (isinstance(stop, int) and stop >= 1)
        _refuse_unless("trainer.stop_after", stop, fits, "1 or more, or null")
        above = isinstance(budget, int | float) and budget > 0
        _refuse_unless("trainer.judge_seconds", budget, budget is None or above, "seconds above 0, or null")


def _refuse_unless(key: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise ConfigError(f"{key} means nothing", found=found, expected=expected)
