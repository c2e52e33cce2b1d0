"""How near a dry run comes: its estimate of time, memory and disk beside the run itself.

    python scripts/check_dry_run.py [--steps 200] [--keep FOLDER]

A small stage is rendered and ingested; then each configuration is estimated in one fresh process, and trained in
another. Exits with 1 when the time is off by more than a third, the memory or the disk by more than a quarter (and
0.1 MB), or the parameters at all. Both must have the machine to themselves.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interpositive.records.training_estimate import TrainingEstimate

# The package is imported where it is used: a worker that prepares windows imports this file first, and is not to take
# longer to start than one of the command.
BARS = {"time": 0.33, "memory": 0.25, "checkpoint": 0.25, "prepared": 0.25}
# Differences that nobody would mind, whatever their share.
SLACK = {"s": 1.0, "MB": 1e5}
CONFIGURATIONS = {
    "small network": [
        *("mini_model.scorer_width=4", "mini_model.residual_widths=[4,4,4]", "mini_model.crop_px=32"),
        *("mini_model.flow_offsets=[1]", "mini_model.camera_offsets=[2]", "dailies.num_windows=6"),
    ],
    "default network": ["dailies.num_windows=8", "dailies.num_prepare_workers=2"],
}
COMMON = [
    *(
        "production.name=stage",
        "production.training_height=108",
        "dailies.window_frames=12",
        "dailies.num_val_windows=2",
    ),
    *("dailies.batch_size=4", "dailies.num_prepare_workers=0", "trainer.held_out_windows=2"),
    *("trainer.held_out_frames=2", "metric=[psnr,warp_error]", "wandb=disabled", "progress=false"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="a folder that the stage and the runs are left in")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()} {platform.system()}, {given.steps} steps each")
    with tempfile.TemporaryDirectory() as scratch:
        home = given.keep or Path(scratch)
        make_production(home)
        missed = [line for name in CONFIGURATIONS for line in compare(name, home, given.steps)]
    print("\n".join(missed) or "every estimate is within its bar")
    sys.exit(1 if missed else 0)


def make_production(home: Path) -> None:
    from interpositive.dailies.ingest import ingest
    from interpositive.dailies.splitting import SplitRule
    from interpositive.soundstage.spec import StageSpec
    from interpositive.soundstage.writing import render_production

    if (home / "production").exists():
        return
    spec = StageSpec(width=192, height=108, num_frames=24, scenes=("12A", "44C"), takes_per_scene=2)
    render_production(spec, home / "stage", with_truth=False, num_workers=1, progress=False)
    (home / "production").mkdir()
    rule = SplitRule(explicit={"12A/02": "val", "*": "train"})
    ingest(
        home / "stage" / "dailies",
        home / "production" / "catalogue.sqlite",
        split_rule=rule,
        num_workers=0,
        progress=False,
    )


def compare(name: str, home: Path, steps: int) -> list[str]:
    """Estimate, train, print both, and say what missed its bar."""
    plain = composed(home, steps, CONFIGURATIONS[name])
    folder = home / name.replace(" ", "_")
    plain["dailies"]["prepared_folder"] = str(folder / "prepared")
    estimate: TrainingEstimate = in_a_fresh_process(estimated, plain)
    run: dict[str, float] = in_a_fresh_process(trained, plain, folder / "run")
    pairs = {
        "time": (estimate.time.total, run["seconds"], "s", 1.0),
        "memory": (estimate.memory.process, run["memory"], "MB", 1e6),
        "checkpoint": (estimate.checkpoint_bytes, run["checkpoint"], "MB", 1e6),
        "prepared": (estimate.prepared_bytes, run["prepared"], "MB", 1e6),
    }
    print(f"\n{name}: {estimate.num_trainable:,} parameters ({run['parameters']:,.0f} in the run)")
    quick, slow = estimate.time.total_range
    print(f"  by the quicker and the slower quarter of the steps tried: {quick:.2f} to {slow:.2f} s")
    missed = [] if estimate.num_trainable == run["parameters"] else [f"{name}: parameters differ"]
    for what, (told, found, unit, scale) in pairs.items():
        error = told / found - 1.0
        print(f"  {what:<11} estimated {told / scale:9.2f} {unit:<3} found {found / scale:9.2f} {unit:<3} {error:+.0%}")
        if abs(error) > BARS[what] and abs(told - found) > SLACK[unit]:
            missed.append(f"{name}: {what} is off by {error:+.0%}, bar {BARS[what]:.0%}")
    return missed


def composed(home: Path, steps: int, overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from interpositive.cli.hydra_app import config_folder

    given = [
        *(f"production.workspace={home / 'production'}", f"trainer.max_steps={steps}", "finder.max_steps=0"),
        *(f"trainer.judge_every={steps // 2}", f"trainer.validate_every={steps // 2}"),
    ]
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("train", [*COMMON, *given, *overrides]), resolve=True)
    return dict(plain)


def in_a_fresh_process(function: Any, *arguments: Any) -> Any:
    """One job in a process of its own, so that memory is that of the job alone."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def estimated(plain: dict[str, Any]) -> TrainingEstimate:
    from interpositive.cli.chatter import quiet_libraries
    from interpositive.cli.training import assemble_training
    from interpositive.training.estimating import estimate_training

    quiet_libraries()
    parts = assemble_training(plain)
    with tempfile.TemporaryDirectory() as scratch:
        return estimate_training(
            parts.mini_model, parts.dailies, parts.settings, parts.compute, parts.metrics, Path(scratch)
        )


def trained(plain: dict[str, Any], folder: Path) -> dict[str, float]:
    from interpositive.cli.chatter import quiet_libraries
    from interpositive.cli.training import train_here

    quiet_libraries()
    record = train_here(plain, folder)
    checkpoints = [sum(file.stat().st_size for file in path.iterdir()) for path in folder.glob("checkpoints/step=*")]
    windows = list(Path(plain["dailies"]["prepared_folder"]).rglob("*.safetensors"))
    return {
        "parameters": record.num_parameters,
        "seconds": record.seconds_training,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "checkpoint": max(checkpoints),
        "prepared": sum(path.stat().st_size for path in windows),
    }


if __name__ == "__main__":
    main()
