"""A finder's training: from prepared windows of the run's own renders, to an archive in the run's folder."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import batch_to_example, prepare_windows
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.finder import (
    Counts,
    Finder,
    Settling,
    broad_part,
    count,
    frames_to_pictures,
    together,
    what_was_drawn,
)
from interpositive.mini_models.finder_archive import FINDER_NAME, FinderRecipe, save_finder
from interpositive.motion.window_motion import Plane
from interpositive.records.publishing import retire_folder
from interpositive.training.checkpoint_format import newest_valid_checkpoint, take_snapshot, write_checkpoint
from interpositive.training.held_out import HeldOutWindow, held_out_windows
from interpositive.training.settings import TrainSettings
from interpositive.training.stopping import StopRequests

_LOG = logging.getLogger(__name__)
_CHECKPOINTS_NAME = "finder_checkpoints"
_LEAST_PRECISION = 0.8
_AS_GOOD = 0.01
"""Held-out F is the same from one likelihood to another ten times as high, within this; its best is chance. Held-out
drawings are harder to find than most, for which their best is too low."""
_ABOVE = (0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
_BROAD_ABOVE = (*_ABOVE, 0.98, 0.99, 0.995)
_MOST_FALSE_ALARMS = 0.05
_NUM_BESIDE = 1
_SHORT = ((0.0, 1.0), *product((8.0, 24.0, 48.0), (0.8, 0.95, 0.99)))
"""What counts as a short piece, and how likely one has to be somewhere."""
_FOLLOWED = Settling(least_px=48.0, patience_px=24.0, num_beside=_NUM_BESIDE)
_FOLLOWED_ABOVE = (0.25, 0.5, 0.8, 0.9, 0.95)
"""A wire is long, and what is called where there is none is mostly short. Held-out recall and F are nearly the same
from one likelihood to another, and their best is chance: the lowest that is right often enough is taken."""
_FRAMES_PER_WINDOW = 2
"""More show the same wires again."""


@dataclass(frozen=True)
class FinderStage:
    """A finder to be trained beside a mini-model: its own prepared windows, and how long it learns.

    ``arguments`` are what it was built from; ``num_windows`` windows of held-out takes say where a likelihood becomes
    a finding, and with ``long_lines`` whether lines are followed.
    """

    finder: Finder
    dailies: ProductionDataModule
    arguments: Mapping[str, Any]
    max_steps: int
    learning_rate: float
    num_windows: int
    long_lines: bool = False


def train_finder(
    stage: FinderStage,
    folder: Path,
    production: str,
    task: str,
    settings: TrainSettings,
    stop: StopRequests,
    device: torch.device | str = "cpu",
) -> tuple[str, FinderRecipe]:
    """Train on ``device``, going on from what a killed run left in ``folder``; returns the archive's digest and recipe.

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
    # Workers that prepare windows are handed the finder as it is.
    finder.to(device)
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
        _FRAMES_PER_WINDOW,
        settings.seed,
        dailies.damage_paths,
    )
    settling, counts, num_frames = choose_settling(finder, windows, stage.long_lines)
    recipe = FinderRecipe(
        production=production,
        task=task,
        arguments=dict(stage.arguments),
        encoding=dailies.encoding,
        height=dailies.height,
        above=settling.above,
        least_px=settling.least_px,
        broad=settling.broad,
        patience_px=settling.patience_px,
        num_beside=settling.num_beside,
        sure=settling.sure,
        recall=round(counts.recall, 4),
        precision=round(counts.precision, 4),
        num_frames=num_frames,
    )
    finder.to("cpu")
    return save_finder(finder, recipe, folder / FINDER_NAME), recipe


def _take_step(
    stage: FinderStage, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor], step: int, settings: TrainSettings
) -> None:
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    for group in optimizer.param_groups:
        group["lr"] = stage.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / stage.max_steps))
    example = batch_to_example(batch).to(next(stage.finder.parameters()).device)
    losses = stage.finder.losses(example, generator_from("finder step", settings.seed, step))
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


def choose_settling(
    finder: Finder, windows: Iterable[HeldOutWindow], long_lines: bool = False
) -> tuple[Settling, Counts, int]:
    """Where a likelihood becomes a finding, its counts on held-out windows, and over how many frames.

    Of all ways that call at least 0.8 of their pixels rightly there it is the most precise of those whose F1 is within
    0.01 of the best; if there is none, the one with the best F1. What is broad is called by itself, and not at all
    where no likelihood calls it so rightly, for one false boom covers more than all dust; it is not counted then. Most
    frames have no boom in them: of the same frames with nothing drawn no more than one in twenty may seem to.
    Where they are ``long_lines``, they are followed if that is right as often, from the lowest likelihood.
    """
    kinds = [
        [Settling(above, least, num_beside=_NUM_BESIDE, sure=sure) for least, sure in _SHORT if sure > above]
        for above in _ABOVE
    ]
    following = [[replace(_FOLLOWED, above=above)] for above in _FOLLOWED_ABOVE] if long_lines else []
    frames, clean = [], list[Plane]()
    for window in windows:
        wanted, drawn = what_was_drawn(window.example)
        pictures, areas = frames_to_pictures(window.example.input), [broad_part(drawn[frame]) for frame in window.keep]
        for frame, area, likely in zip(window.keep, areas, _likely(finder, window), strict=True):
            frames.append((likely, pictures[frame], wanted[frame], drawn[frame], area))
        if any(area.any() for area in areas):
            assert window.example.target is not None
            clean += [likely[1] for likely in finder.look(window.example.target, window.keep)]
    fine = defaultdict[Settling, Counts](Counts)
    best = None
    # The lowest that is right often enough ends it, for to settle all frames in all ways takes longest.
    for ways in chain(following, kinds):
        for likely, picture, wanted, drawn, area in frames:
            followed = ways[0].followed(likely[0], picture)
            for way in ways:
                fine[way] += count(way.without_doubtful(followed, likely[0]), wanted & ~area, drawn)
        if ways[0].patience_px and fine[ways[0]].precision >= _LEAST_PRECISION:
            best = ways[0]
            break
    broad = defaultdict[Settling, Counts](Counts)
    for way in (Settling(broad=above) for above in _BROAD_ABOVE):
        for likely, _, wanted, drawn, area in frames:
            broad[way] += count(way.areas(likely[1]), wanted & area, drawn)
        if sum(bool(way.areas(plane).any()) for plane in clean) > _MOST_FALSE_ALARMS * len(clean):
            del broad[way]
    best = best or _best(fine) or max(fine, key=lambda way: fine[way].f_score())
    called = _best(broad) or Settling()
    return replace(best, broad=called.broad), fine[best] + broad[called], len(frames)


def _likely(finder: Finder, window: HeldOutWindow) -> Iterator[Plane]:
    """Of each frame to judge its likelihoods ``2 h w``, together with those beside it."""
    around = range(
        max(0, window.keep.start - _NUM_BESIDE), min(len(window.example.input), window.keep.stop + _NUM_BESIDE)
    )
    seen = list(together(finder.look(window.example.input, around), _NUM_BESIDE))
    return (seen[frame - around.start] for frame in window.keep)


def _best(counted: Mapping[Settling, Counts]) -> Settling | None:
    """The most precise of those that are right often enough and as good as the best; None if there is none."""
    right = [way for way, counts in counted.items() if counts.met and counts.precision >= _LEAST_PRECISION]
    least = max((counted[way].f_score() for way in right), default=0.0) - _AS_GOOD
    good = [way for way in right if counted[way].f_score() >= least]
    return max(good, key=lambda way: counted[way].precision, default=None)
