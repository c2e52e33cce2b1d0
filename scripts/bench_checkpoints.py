"""What do checkpoints cost a training, and how long does one stop it?

    python scripts/bench_checkpoints.py
    python scripts/bench_checkpoints.py --blocks 10 --state-mib 256

One training of the default mini-model, in blocks of steps: every second block begins with a save, digests and
background write and all, and the others do without, so that both sides meet the same machine. The difference of two
neighbouring blocks is what a save costs, in whatever step it shows; the median over all pairs is set against
the steps between two saves at the default trainer.checkpoint_every. The stop is the time that the loop
itself stands still for a save. --state-mib adds that much to the state, as a larger network would.
Exits 1 when checkpoints cost more than --limit per cent of step time, or the longest stop is longer than a step.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch
from bench_training import _Examples, make_dailies

from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.training.callbacks import AveragedWeights
from interpositive.training.checkpoint_format import FoundCheckpoint
from interpositive.training.checkpoints import Checkpoints, CheckpointWriter
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.settings import TrainSettings


class Ballast(lightning.Callback):
    """A state that is kept and never used, as large as asked."""

    def __init__(self, mib: int) -> None:
        self.tensors = {f"{number:04d}": torch.randn(1 << 18) for number in range(mib)}

    def state_dict(self) -> dict[str, Any]:
        """The state."""
        return self.tensors


class SavingBlocks(Checkpoints):
    """Saves at the first step of every second block; keeps the seconds of all steps, and which met a write."""

    def __init__(self, writer: CheckpointWriter, settings: TrainSettings, block: int) -> None:
        super().__init__(writer, settings, lambda: None)
        self.block = block
        self.steps: list[float] = []
        self.stops: list[float] = []
        self.writing: list[bool] = []
        self._mark = 0.0

    @property
    def is_writing(self) -> bool:
        """Whether a write is under way."""
        return self.writer._pending is not None and not self.writer._pending.done()

    def on_train_batch_start(self, *args: Any) -> None:
        """The first step begins with the loop; later ones where the one before ended."""
        super().on_train_batch_start(*args)
        self._mark = self._mark or time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Save or not, and take the time."""
        met_write = self.is_writing
        if (trainer.global_step - 1) % (2 * self.block) == 0:
            before = self.seconds
            self._save(trainer)
            self.stops.append(self.seconds - before)
        now = time.perf_counter()
        self.steps.append(now - self._mark)
        self.writing.append(met_write or self.is_writing)
        self._mark = now


def train(folder: Path, block: int, num_pairs: int, state_mib: int) -> SavingBlocks:
    """Train for so many pairs of blocks, and one pair to warm up."""
    num_steps = 2 * block * (num_pairs + 1)
    dailies = make_dailies(folder, num_steps)
    writer = CheckpointWriter(folder / "checkpoints", 2, lambda: None, FoundCheckpoint(None, {}, []))
    blocks = SavingBlocks(writer, TrainSettings(), block)
    trainer = lightning.Trainer(
        max_steps=num_steps,
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        gradient_clip_val=1.0,
        limit_val_batches=0,
        plugins=[writer],
        callbacks=[AveragedWeights(decay=0.99, update_starting_at_step=0), Ballast(state_mib), blocks],
    )
    loader = dailies.train_dataloader()
    dailies.trainer = None
    trainer.fit(FineTuner(CandidateFusion(), max_steps=num_steps), train_dataloaders=_Examples(loader))
    return blocks


def main() -> int:
    """Train, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=30, help="pairs of blocks")
    parser.add_argument("--block-steps", type=int, default=10)
    parser.add_argument("--state-mib", type=int, nargs="+", default=[0, 64])
    parser.add_argument("--limit", type=float, default=3.0, help="per cent of step time")
    choices = parser.parse_args()
    every, block, failed = TrainSettings().checkpoint_every, choices.block_steps, False
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(
        f"{'state':>9} {'step':>9} {'a save costs':>13} {f'every {every} steps':>17} {'longest stop':>13} "
        f"{'longest step: plain':>20} {'writing':>10}"
    )
    for state_mib in choices.state_mib:
        with tempfile.TemporaryDirectory() as name:
            blocks = train(Path(name), block, choices.blocks, state_mib)
            newest = max((Path(name) / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
            size = sum(path.stat().st_size for path in newest.iterdir())
        starts = range(2 * block, len(blocks.steps), 2 * block)
        pairs = [(sum(blocks.steps[i : i + block]), sum(blocks.steps[i + block : i + 2 * block])) for i in starts]
        cost = median(saving - plain for saving, plain in pairs)
        timed = list(zip(blocks.steps, blocks.writing, strict=True))[2 * block :]
        plain = [seconds for seconds, writing in timed if not writing]
        writing = [seconds for seconds, writing in timed if writing]
        step, stop = median(plain), max(blocks.stops[1:])
        share = cost / (every * step)
        failed |= 100 * share > choices.limit or stop > step
        print(
            f"{size / (1 << 20):>5.1f} MiB {1000 * step:>6.1f} ms {1000 * cost:>10.1f} ms {100 * share:>15.2f} % "
            f"{1000 * stop:>10.1f} ms {1000 * max(plain):>17.1f} ms {1000 * max(writing, default=0):>7.1f} ms",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
