"""What a user decides about a training run: how it learns, and what it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from interpositive.errors import ConfigError
from interpositive.records.bounds import refuse_outside

Strategy = Literal["ddp", "fsdp2"]
_CHOICES: dict[str, tuple[str, ...]] = {
    "accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "strategy": get_args(Strategy),
    "precision": ("64-true", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"),
}
_COMPUTE_BOUNDS = {
    "devices": (1, 1024),
    "num_nodes": (1, 65_536),
    "threads": (1, 4096),
    "lost_after_seconds": (0.0, 86_400.0),
    "restarts": (0, 1_000_000),
}
_TRAINER_BOUNDS = {
    "max_steps": (1, 10**9),
    "learning_rate": (0.0, 1e6),
    "weight_decay": (0.0, 1e6),
    "warmup_steps": (0, 10**9),
    "half_size_share": (0.0, 1.0),
    "gradient_clip": (0.0, 1e12),
    "ema_decay": (0.0, 1.0),
    "validate_every": (1, 10**9),
    "checkpoint_every": (1, 10**9),
    "keep_checkpoints": (1, 100_000),
    "judge_every": (1, 10**9),
    "judge_seconds": (0.0, 1e9),
    "held_out_windows": (1, 100_000),
    "held_out_frames": (1, 10_000),
    "stop_after": (1, 10**9),
    "seed": (0, 2**63 - 1),
}


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
        refuse_outside(_COMPUTE_BOUNDS, vars(self), "compute")
        _refuse_unless("compute.lost_after_seconds", self.lost_after_seconds, self.lost_after_seconds > 0, "above 0")
        for name, known in _CHOICES.items():
            found = getattr(self, name)
            _refuse_unless(f"compute.{name}", found, found in known, " or ".join(known))
        # Its scaling of gradients knows nothing of shares.
        fits = self.strategy != "fsdp2" or self.precision != "16-mixed"
        _refuse_unless("compute.precision", self.precision, fits, "bf16-mixed or 32-true, with compute.strategy=fsdp2")

    @property
    def num_processes(self) -> int:
        """Processes of the whole run, on all machines."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class TrainSettings:
    """How long and how a mini-model learns, and how it is judged meanwhile; steps are optimiser steps.

    The first steps, ``half_size_share`` of all, see everything at half size, which takes less than half of their time.
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
    half_size_share: float = 0.0
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
        refuse_outside(_TRAINER_BOUNDS, vars(self), "trainer")
        _refuse_unless("trainer.score", self.score, isinstance(self.score, str), "the name of a number")
        budget = self.judge_seconds
        _refuse_unless("trainer.judge_seconds", budget, budget is None or budget > 0, "seconds above 0, or null")


def _refuse_unless(key: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise ConfigError(f"{key} means nothing", found=found, expected=expected)
