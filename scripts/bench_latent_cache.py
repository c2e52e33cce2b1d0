"""How much quicker is an epoch from kept latents than one that encodes its windows each time?

    python scripts/bench_latent_cache.py [--backbones wan ltx_video ...] [--rounds 5]

With tiny random weights, each backbone goes over the same windows in turn: once as training does, reading the prepared
latents, and once encoding the frames and what the network is told of them anew. An epoch is all windows, each with its
loss and gradients. Exits with 1 where kept latents are not ready at least 5 times as quickly.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import interpositive.training  # noqa: F401  isort: skip
import torch
from productions import make_production
from tiny_backbones import BACKBONES, MINI_MODELS, make_all
from torch.utils.data import DataLoader

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import batch_to_example, make_prepared_window
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.pretrained_fill import PretrainedFill
from interpositive.tasks.wire_removal import WireRemoval

BAR = 5.0
WINDOWS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, 1 thread; {WINDOWS} windows")
    print(f"{'':<12}{'getting examples ready':^34}{'whole epoch, with learning':^34}")
    print(f"{'backbone':<12}{'kept':>10}{'encoded':>12}{'times':>10}  {'kept':>10}{'encoded':>12}{'times':>10}")
    with tempfile.TemporaryDirectory() as scratch:
        production, weights = make_production(Path(scratch)), make_all(Path(scratch) / "weights")
        ratios = [
            compare(name, weights[name], production.takes, Path(scratch), arguments.rounds)
            for name in arguments.backbones
        ]
    print(f"bar: {BAR:g} times as quick at getting ready; seconds are medians of {arguments.rounds} rounds, in turn")
    sys.exit(0 if min(ratios) >= BAR else 1)


def compare(name: str, weights: Path, takes: list, folder: Path, rounds: int) -> float:  # type: ignore[type-arg]
    torch.manual_seed(0)
    small = {"weights": str(weights), "precision": "float32", "window_frames": 9, "gradient_checkpointing": False}
    model = PretrainedFill(**{**MINI_MODELS[name], **small})
    model.settle_in(folder / name)
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    dailies = ProductionDataModule(
        takes, task.example, model.prepare, folder=folder / name, recipe_digest=name, height=64, window_frames=9,
        num_windows=WINDOWS, num_val_windows=1, batch_size=1, num_prepare_workers=0, progress=False,
    )  # fmt: skip
    dailies.prepare_data()
    dailies.setup("fit")
    recipe = dailies.recipe("train")

    def kept() -> list[Example]:
        return [batch_to_example(batch) for batch in DataLoader(dailies.prepared["train"], batch_size=1)]

    def encoded() -> list[Example]:
        made = [example for index in range(WINDOWS) for example in make_prepared_window(recipe, index)]
        return [
            Example(one.input[None], one.mask[None], None, {k: v[None] for k, v in one.condition.items()})
            for one in made
        ]

    seconds: dict[str, list[tuple[float, float]]] = {"kept": [], "encoded": []}
    for _ in range(rounds):
        for side, ready in (("kept", kept), ("encoded", encoded)):
            began = time.perf_counter()
            examples = ready()
            ready_after = time.perf_counter() - began
            for number, example in enumerate(examples):
                model.zero_grad()
                sum(model.losses(example, generator_from("step", number)).values()).backward()  # type: ignore[union-attr]
            seconds[side].append((ready_after, time.perf_counter() - began))
    medians = {
        side: [statistics.median(column) for column in zip(*rows, strict=True)] for side, rows in seconds.items()
    }
    line = f"{name:<12}"
    for column in (0, 1):
        a, b = medians["kept"][column], medians["encoded"][column]
        line += f"{a:>9.3f}s{b:>11.3f}s{b / a:>9.1f}x  "
    print(line, flush=True)
    return medians["encoded"][0] / medians["kept"][0]


if __name__ == "__main__":
    main()
