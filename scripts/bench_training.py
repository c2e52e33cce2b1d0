"""Is training busy? The share of time spent waiting for data, and what Lightning adds to a bare loop.

    python scripts/bench_training.py [--steps 150]

Both loops run the same steps of the same mini-model on the same batches, in turn, in one process.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.ingest import ingest
from interpositive.dailies.prepared_windows import batch_to_example
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.callbacks import WaitMeter
from interpositive.training.fine_tuner import FineTuner

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        dailies = make_dailies(Path(folder), steps)
        bare, tuned, waits = [], [], []
        for _ in range(ROUNDS):
            bare.append(bare_loop(dailies, steps))
            seconds, wait = lightning_loop(dailies, steps)
            tuned.append(seconds)
            waits.append(wait)
    overhead = statistics.median(tuned) / statistics.median(bare) - 1.0
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"steps a round: {steps}; rounds: {ROUNDS}; seconds are medians (all: bare {bare}, Lightning {tuned})")
    print(f"bare loop      {statistics.median(bare):7.2f} s")
    print(f"Lightning      {statistics.median(tuned):7.2f} s   overhead {100 * overhead:+.1f} % (bar: below 5 %)")
    print(f"waiting for data: {100 * statistics.median(waits):.1f} % of the step (bar: below 10 %)")


def make_dailies(folder: Path, steps: int) -> ProductionDataModule:
    spec = StageSpec(num_frames=24, scenes=("12A", "44C"), takes_per_scene=1)
    render_production(spec, folder / "stage", with_truth=False, progress=False)
    ingest(folder / "stage" / "dailies", folder / "catalogue.sqlite", num_workers=0, progress=False)
    with Catalogue(folder / "catalogue.sqlite") as catalogue:
        takes = [take.model_copy(update={"split": "train"}) for take in catalogue.takes()]
    model = CandidateFusion()
    dailies = ProductionDataModule(
        takes,
        WireRemoval().example,
        model.prepare,
        folder=folder / "prepared",
        recipe_digest="bench",
        window_frames=16,
        num_windows=6,
        num_val_windows=1,
        num_batches=steps,
        progress=False,
    )
    dailies.prepare_data()
    dailies.setup("fit")
    return dailies


def bare_loop(dailies: ProductionDataModule, steps: int) -> float:
    tuner = FineTuner(CandidateFusion(), max_steps=steps)
    configured = tuner.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    model = tuner.mini_model.train()
    began = time.perf_counter()
    for step, batch in enumerate(dailies.train_dataloader()):
        losses = model.losses(batch_to_example(batch), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return time.perf_counter() - began


def lightning_loop(dailies: ProductionDataModule, steps: int) -> tuple[float, float]:
    meter = WaitMeter()
    trainer = lightning.Trainer(
        max_steps=steps,
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        gradient_clip_val=1.0,
        limit_val_batches=0,
        callbacks=[meter],
    )
    tuner = FineTuner(CandidateFusion(), max_steps=steps)
    loader = dailies.train_dataloader()
    dailies.trainer = None
    trainer.fit(tuner, train_dataloaders=_Examples(loader))
    return meter.waiting_seconds + meter.stepping_seconds, meter.share


class _Examples:
    """A loader whose batches are examples already, as the data module hands them over."""

    def __init__(self, loader: torch.utils.data.DataLoader[dict[str, torch.Tensor]]) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return (batch_to_example(batch) for batch in self.loader)


if __name__ == "__main__":
    main()
