"""What a base from the soundstage is worth to a production, after how many steps, and by which adapter.

    python experiments/soundstage_base/run.py --output <folder> [--material <folder>] [--steps 25 50 …] [--only NAME …]

Every point is a run of its own through the command line's own door, with its whole schedule. What is finished is not
repeated, so that a killed or longer run goes on; the table goes to <folder>/table.md, the curve to <folder>/curve.png.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import torch
from held_out_footage import PRODUCTIONS, HeldOut, bring_in
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from reporting import QUALITY, STEADINESS, Point, draw, format_table

from interpositive.cli.hydra_app import config_folder
from interpositive.cli.training import assemble_training, train_here
from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.publishing import write_file_whole
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production
from interpositive.training.held_out import held_out_windows, measure_window

NUMBERS = (QUALITY, STEADINESS)
STEPS = (0, 25, 50, 100, 200, 400, 800)
# Chosen once, before anything was measured: weights that know something are moved less.
VARIANTS: dict[str, list[str]] = {
    "from scratch": ["trainer.learning_rate=0.002"],
    "base + full": ["trainer.learning_rate=0.0005", "adapter=full"],
    "base + lora": ["trainer.learning_rate=0.002", "adapter=lora"],
    "base + norms": ["trainer.learning_rate=0.002", "adapter=norms"],
}
QUIET = ["wandb=disabled", "progress=false", "metric=[psnr,warp_error_relative]", "trainer.judge_seconds=null"]
EVERY_RUN = [
    *QUIET,
    *("dailies.window_frames=20", "dailies.num_val_windows=2"),
    *("trainer.warmup_steps=10", "trainer.ema_decay=0.95", "trainer.held_out_windows=6", "trainer.held_out_frames=3"),
]


def main() -> None:
    beside = Path(__file__).resolve().parents[3] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--only", nargs="*", default=[], help="names of held-out productions")
    parser.add_argument("--windows", type=int, default=16, help="that a production learns from")
    parser.add_argument("--prepare-workers", type=int, default=2)
    options = parser.parse_args()
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    workers = f"dailies.num_prepare_workers={options.prepare_workers}"
    base = train_base(output, workers)
    shared = [*EVERY_RUN, workers, f"dailies.num_windows={options.windows}"]
    there: list[HeldOut] = []
    for production in PRODUCTIONS:
        if options.only and production.name not in options.only:
            continue
        if bring_in(production, options.material, output):
            there.append(production)
        else:
            print(f"{production.name}: not measured, {production.source} is not in the material", file=sys.stderr)
    points: list[Point] = []
    # The shortest first: what is there so far is a whole table.
    for steps in sorted(options.steps):
        for production in there:
            if steps == 0:
                points += at_the_start(production, base, output, shared)
            for variant in VARIANTS if steps else ():
                points += measured(production, variant, steps, base, output, shared)
            report(points, base, output)


def train_base(output: Path, workers: str) -> Path:
    """The base's run folder, trained once."""
    run = output / "runs" / "base"
    workspace = output / "productions" / "soundstage_base"
    if (run / RUN_RECORD_NAME).exists():
        return run
    stage = output / "stages" / "soundstage_base"
    if not stage.exists():
        spec = plain_config("soundstage", ["stage=base", f"output={stage}"])["stage"]
        arguments = {key: value for key, value in spec.items() if key != "_target_"}
        render_production(StageSpec(**arguments), stage, with_truth=False, num_workers=2)
    keys = ["experiment=soundstage_base", f"production.workspace={workspace}", workers, *QUIET]
    plain = plain_config("train", keys)
    if not (workspace / "catalogue.sqlite").exists():
        explicit = plain["production"]["split"]["explicit"]
        ingest(stage, workspace / "catalogue.sqlite", split_rule=SplitRule(explicit=explicit), progress=False)
    train_here(plain, run)
    return run


def at_the_start(production: HeldOut, base: Path, output: Path, shared: list[str]) -> list[Point]:
    """What the base does in a production before it learns there."""
    kept = output / "starts" / f"{production.name}.json"
    if not kept.exists():
        parts = assemble_training(plain_config("train", [*keys_of(production, output), *shared, f"start_from={base}"]))
        settings, dailies, model = parts.settings, parts.dailies, parts.mini_model.eval()
        num, frames, seed = settings.held_out_windows, settings.held_out_frames, settings.seed
        windows = held_out_windows(dailies.window_groups("val"), parts.task.example, num, frames, seed, {})
        methods = ("prior", model.trained_method)
        found = [measure_window(model, window, methods, parts.metrics).values for window in windows]
        both = {method: {name: [v[method][name] for v in found] for name in NUMBERS} for method in methods}
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_file_whole(kept, json.dumps(both))
    both = json.loads(kept.read_text())
    return [Point(production.name, production.is_stage, "base", 0, both["trained"], both["prior"], 0, 0.0)]


def measured(production: HeldOut, variant: str, steps: int, base: Path, output: Path, shared: list[str]) -> list[Point]:
    """A run's last point, and the point before its first step: what the base does, or the prior."""
    run = output / "runs" / production.name / variant.replace(" ", "") / f"steps_{steps}"
    if not (run / RUN_RECORD_NAME).exists():
        every = [
            f"trainer.{name}={steps}" for name in ("max_steps", "judge_every", "validate_every", "checkpoint_every")
        ]
        keys = [*keys_of(production, output), *shared, *every, *VARIANTS[variant]]
        if variant != "from scratch":
            keys.append(f"start_from={base}")
        train_here(plain_config("train", keys), run)
    course, record = HeldOutCourse.read(run), RunRecord.read(run)
    first, last = course.points[0], course.points[-1]
    prior, trained = first.by_window["prior"], last.by_window[course.method]
    before = prior if variant == "from scratch" else first.by_window[course.method]
    names = (production.name, production.is_stage, variant)
    return [
        Point(*names, 0, before, prior, 0, 0.0),
        Point(*names, steps, trained, prior, record.num_parameters, record.seconds_training),
    ]


def keys_of(production: HeldOut, output: Path) -> list[str]:
    """Which production it is, and where it is kept."""
    workspace = output / "productions" / production.name
    return ["production=default", f"production.name={production.name}", f"production.workspace={workspace}"]


def plain_config(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """A verb's resolved configuration, as the command line would have it."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose(verb, list(overrides)), resolve=True)
    return dict(plain)


def report(points: Sequence[Point], base: Path, output: Path) -> None:
    record = RunRecord.read(base)
    head = (
        f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; base: {record.steps} steps in "
        f"{record.seconds_training / 60:.1f} min, held-out prior "
        f"{record.scores['held_out/psnr_hole/prior']:.2f} dB, "
        f"trained {record.scores['held_out/psnr_hole/trained']:.2f} dB"
    )
    table = "\n\n".join([head, format_table(points)])
    (output / "table.md").write_text(table + "\n")
    for is_stage, name, title in (
        (True, "curve.png", "soundstage, other sets than the base's"),
        (False, "curve_real.png", "real shots"),
    ):
        draw([point for point in points if point.is_stage == is_stage], output / name, title)
    print(table, flush=True)


if __name__ == "__main__":
    main()
