"""What a user decides about a training run."""

from __future__ import annotations

from dataclasses import dataclass

from interpositive.errors import ConfigError


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
    judge_every: int = 500
    judge_seconds: float | None = 120.0
    held_out_windows: int = 6
    held_out_frames: int = 4
    score: str = "psnr_hole"
    stop_after: int | None = None
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("max_steps", "judge_every", "held_out_windows", "held_out_frames"):
            self._refuse_unless(name, isinstance(found := getattr(self, name), int) and found >= 1, "1 or more")
        stop, budget = self.stop_after, self.judge_seconds
        self._refuse_unless("stop_after", stop is None or (isinstance(stop, int) and stop >= 1), "1 or more, or null")
        above = isinstance(budget, int | float) and budget > 0
        self._refuse_unless("judge_seconds", budget is None or above, "seconds above 0, or null")

    def _refuse_unless(self, name: str, fits: bool, expected: str) -> None:
        if not fits:
            raise ConfigError(f"trainer.{name} means nothing", found=getattr(self, name), expected=expected)
