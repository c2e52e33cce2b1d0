"""A finder's training: from prepared windows of the run's own renders, to an archive in the run's folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import batch_to_example, prepare_windows
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.finder import VISIBLE, Counts, Finder, Settling, count_apart, longer_than
from interpositive.mini_models.finder_archive import FINDER_NAME, FinderRecipe, save_finder
from interpositive.records.publishing import retire_folder
from interpositive.training.checkpoint_format import newest_valid_checkpoint, take_snapshot, write_checkpoint
from interpositive.training.held_out import HeldOutWindow, held_out_windows
from interpositive.training.settings import TrainSettings
from interpositive.training.stopping import StopRequests

_LOG = logging.getLogger(__name__)
_CHECKPOINTS_NAME = "finder_checkpoints"
_RECALL_COUNTS = 1.5
"""A wire that is missed stays in the film; what is named wrongly is repaired like any hole, and a person can take it
back: recall counts one and a half times as much."""
_HIGHS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_LOW_SHARES = (1.0, 0.5)
_LEAST_PX = (0.0, 8.0, 24.0)
_JOIN_PX = (0, 41)


@dataclass(frozen=True)
class FinderStage:
    """A finder to be trained beside a mini-model: its own prepared windows, and how long it learns.

    ``arguments`` are what it was built from; ``num_windows`` windows of held-out takes say where a likelihood becomes
    a finding.
    """

    finder: Finder
    dailies: ProductionDataModule
    arguments: Mapping[str, Any]
    max_steps: int
    learning_rate: float
    num_windows: int


def train_finder(
    stage: FinderStage, folder: Path, production: str, task: str, settings: TrainSettings, stop: StopRequests
) -> tuple[str, FinderRecipe]:
    """Train, going on from what a killed run left in ``folder``; returns the archive's digest and the recipe.

    AdamW with a linear warm-up and a cosine to nothing; everything random comes from the seed and the step. Asked to
    stop, it saves and ends with ``TrainingStopped``.
    """
    finder, dailies = stage.finder, stage.dailies
    dailies.num_batches = stage.max_steps
    # What judges it are whole windows of held-out takes, and no crops.
    dailies.prepared["train"] = prepare_windows(
        dailies.recipe("train"),
        dailies.num_windows["train"],
        dailies.store_path("train"),
        num_workers=dailies.num_prepare_workers,
        progress=settings.progress,
    )
    optimizer = torch.optim.AdamW(finder.parameters(), stage.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    found = newest_valid_checkpoint(folder / _CHECKPOINTS_NAME)
    for message in found.damaged:
        _LOG.warning("a checkpoint of the finder was damaged and left out: %s", message.splitlines()[0])
    if found.path:
        finder.load_state_dict(found.checkpoint["finder"])
        optimizer.load_state_dict(found.checkpoint["optimizer"])
    dailies.start_batch = found.step
    finder.train()
    stop.defer()
    bar = tqdm(
        dailies.train_dataloader(),
        desc=f"find {task}",
        initial=found.step,
        total=stage.max_steps,
        unit="step",
        disable=not settings.progress,
    )
    for step, batch in enumerate(bar, found.step):
        _take_step(stage, optimizer, batch, step, settings)
        done = step + 1
        if done % settings.checkpoint_every == 0 or stop.asked:
            _save(folder / _CHECKPOINTS_NAME, finder, optimizer, done)
        if stop.asked:
            stop.leave(f"the finder is saved at step {done} of {stage.max_steps}")
    finder.eval()
    windows = held_out_windows(
        dailies.window_groups("val"),
        dailies.make_example,
        stage.num_windows,
        settings.held_out_frames,
        settings.seed,
        dailies.damage_paths,
    )
    settling, counts, num_frames = choose_settling(finder, windows)
    recipe = FinderRecipe(
        production=production,
        task=task,
        arguments=dict(stage.arguments),
        encoding=dailies.encoding,
        height=dailies.height,
        high=settling.high,
        low=settling.low,
        least_px=settling.least_px,
        join_px=settling.join_px,
        recall=round(counts.recall, 4),
        precision=round(counts.precision, 4),
        num_frames=num_frames,
    )
    return save_finder(finder, recipe, folder / FINDER_NAME), recipe


def _take_step(
    stage: FinderStage, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor], step: int, settings: TrainSettings
) -> None:
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    for group in optimizer.param_groups:
        group["lr"] = stage.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / stage.max_steps))
    losses = stage.finder.losses(batch_to_example(batch), generator_from("finder step", settings.seed, step))
    optimizer.zero_grad()
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    torch.nn.utils.clip_grad_norm_(stage.finder.parameters(), settings.gradient_clip)
    optimizer.step()


def _save(folder: Path, finder: Finder, optimizer: torch.optim.Optimizer, step: int) -> None:
    state = {"global_step": step, "finder": dict(finder.state_dict()), "optimizer": optimizer.state_dict()}
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(take_snapshot(state), folder / f"step={step}.ckpt")
    for path in folder.glob("step=*.ckpt"):
        if path.name != f"step={step}.ckpt":
            retire_folder(path)


def choose_settling(finder: Finder, windows: Iterable[HeldOutWindow]) -> tuple[Settling, Counts, int]:
    """Where a likelihood becomes a finding: what scores best on held-out windows, its counts, and over how many frames.

    The score is F with recall counting half as much again; the mean of two, where both fine and broad things were
    drawn, for a boom has more pixels than all dust.
    """
    looked_at = []
    for window in windows:
        example = window.example
        assert example.target is not None
        kept = slice(window.keep.start, window.keep.stop)
        changed = (example.input - example.target)[kept].abs().amax(1).numpy() > VISIBLE
        drawn = window.judged[:, 0].numpy() > 0
        looked_at += list(zip(finder.look(example.input, window.keep), drawn & changed, drawn, strict=True))
    best, best_score, counts = Settling(), -1.0, Counts()
    for high, share, join_px in product(_HIGHS, _LOW_SHARES, _JOIN_PX):
        joined = [Settling(high, high * share, join_px=join_px).joined(likely) for likely, _, _ in looked_at]
        for least_px in _LEAST_PX:
            masks = [longer_than(mask, least_px) for mask in joined]
            apart = [count_apart(mask, *truth) for mask, (_, *truth) in zip(masks, looked_at, strict=True)]
            fine, broad = (sum(each, Counts()) for each in zip(*apart, strict=True))
            kinds = (fine, broad) if fine.wanted and broad.wanted else (fine + broad,)
            score = sum(kind.f_score(_RECALL_COUNTS) for kind in kinds) / len(kinds)
            if score > best_score:
                best, best_score = Settling(high, high * share, least_px, join_px), score
                counts = fine + broad
    return best, counts, len(looked_at)
