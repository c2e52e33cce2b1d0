"""Does a sweep survive a trial that is killed, one that cannot train, and its own death half-way?

    python scripts/check_sweep.py --compute two_process_cpu
    python scripts/check_sweep.py --compute cpu --launcher joblib

An Optuna sweep of twelve trials on a tiny production is run twice, each trial trained in processes of its own. In
both, the process of one trial is killed by SIGKILL, as by a system without memory. The second sweep is itself killed
by SIGKILL in the middle of a trial and started again with the same command. It must end with eleven results and one
recorded failure; no file of a trial that had ended may have been touched; and every proposal, result and weight must
be that of the sweep that was left in peace. Then a grid with an illegal value must end with that one failed.
Exits 1 when any of it does not hold.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from productions import make_production

from interpositive.records.digests import sha256_of_file
from interpositive.records.sweep_record import TrialRecord, trial_folder, trials_of
from interpositive.training.run_folder import machine_description

NUM_TRIALS = 12
KILLED_TRIAL = 4
SWEEP_KILLED_IN = 7
SECONDS_AT_MOST = 1200.0
WEIGHTS = "archive/weights.safetensors"
TINY = [
    *("dailies.window_frames=8", "dailies.num_windows=2", "dailies.num_val_windows=1", "dailies.batch_size=2"),
    *("dailies.num_prepare_workers=0", "trainer.warmup_steps=1", "trainer.validate_every=2"),
    *("trainer.max_steps=6", "trainer.checkpoint_every=1", "trainer.held_out_windows=1", "trainer.held_out_frames=1"),
    *("mini_model.residual_widths=[4,4,4]", "mini_model.crop_px=32", "mini_model.flow_offsets=[1]"),
    *("mini_model.camera_offsets=[2]", "wandb=disabled"),
]
OPTUNA = [
    *("hydra/sweeper=optuna", f"hydra.sweeper.num_trials={NUM_TRIALS}", "hydra.sweeper.num_random_trials=5"),
    "hydra.sweeper.objectives=[psnr_hole,num_parameters]",
    *("trainer.learning_rate=tag(log,interval(1e-4,1e-1))", "mini_model.scorer_width=int(interval(3,9))"),
]


@dataclass(frozen=True)
class Stage:
    """What all sweeps share: where they lie, and how the command begins."""

    folder: Path
    command: tuple[str, ...]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def sweep(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a sweep; what it says goes into a file beside its folder."""
        with (self.folder / f"{name}.txt").open("ab") as said:
            command = [*self.command, *arguments, f"run_folder={self.folder / name}"]
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leave no sweep behind."""
        for process in self.started:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], sweep: subprocess.Popen[bytes], what: str) -> None:
    """Wait until something holds while a sweep runs."""
    until = time.monotonic() + SECONDS_AT_MOST
    while not condition():
        if sweep.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the sweep ended ({sweep.poll()}) or waited too long before {what}")
        time.sleep(0.02)


def process_of_trial(folder: Path) -> int | None:
    """The process that a trial trains in, found by its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"interpositive.cli.sweeps.trial_process" in words and str(folder).encode() in words:
            return int(path.parent.name)
    return None


def has_checkpoint(folder: Path) -> bool:
    """Whether a trial has begun to learn."""
    return any((folder / "checkpoints").glob("step=*.ckpt"))


def kill_trial(sweep: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill the training of one trial once it has begun."""
    wait_for(lambda: has_checkpoint(folder), sweep, f"{folder.name} had a checkpoint")
    process = process_of_trial(folder)
    if process is None:
        raise SystemExit(f"the process of trial {folder.name} was not found")
    os.kill(process, signal.SIGKILL)


def files_of_ended(sweep: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of every file of every trial that has ended; locks are opened, not written."""
    ended = [trial_folder(sweep, trial.number) for trial in trials_of(sweep) if trial.state != "running"]
    files = [path for folder in ended for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(sweep)): (sha256_of_file(path), path.stat().st_mtime_ns) for path in files}


def seen(trial: TrialRecord) -> tuple[object, ...]:
    """What must be the same, whatever was killed: all but the time it took."""
    return trial.number, trial.parameters, trial.state, trial.values, trial.exit_code


def weights_of(sweep: Path) -> list[str]:
    """The digest of each finished trial's weights."""
    return [
        sha256_of_file(trial_folder(sweep, trial.number) / WEIGHTS)
        for trial in trials_of(sweep)
        if trial.state == "finished"
    ]


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compute", default="two_process_cpu")
    parser.add_argument("--launcher", default="basic", help="basic, joblib or submitit_local")
    told = parser.parse_args(given)
    rows: list[tuple[str, str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="check_sweep_") as scratch:
        folder = Path(scratch).resolve()
        production = make_production(folder)
        (folder / "own" / "production").mkdir(parents=True)
        (folder / "own" / "production" / "tiny.yaml").write_text(
            f"defaults: [default, _self_]\nname: tiny\nworkspace: {production.folder}\ntraining_height: 64\n"
        )
        launcher = [f"hydra/launcher={told.launcher}"] + (["hydra.launcher.n_jobs=2"] if "job" in told.launcher else [])
        start = (sys.executable, "-m", "interpositive.cli.main", "train", "--multirun", "--config-dir")
        stage = Stage(
            folder, (*start, str(folder / "own"), "production=tiny", f"compute={told.compute}", *TINY, *launcher)
        )
        try:
            started = time.monotonic()
            peace = undisturbed(stage)
            took = time.monotonic() - started
            rows += disturbed(stage, peace)
            rows += illegal(stage)
        finally:
            stage.end()
    print(f"machine: {machine_description()}; compute={told.compute}, launcher={told.launcher}")
    print(f"{NUM_TRIALS} trials in peace: {took:.0f} s\n")
    width = max(len(name) for name, _, _ in rows)
    for name, found, holds in rows:
        print(f"{name:<{width}}  {found:<34}  {'holds' if holds else 'DOES NOT HOLD'}")
    return int(not all(holds for _, _, holds in rows))


def undisturbed(stage: Stage) -> Path:
    """A sweep of which one trial is killed, and nothing else."""
    sweep = stage.sweep("peace", *OPTUNA)
    kill_trial(sweep, trial_folder(stage.folder / "peace", KILLED_TRIAL))
    if sweep.wait():
        raise SystemExit((stage.folder / "peace.txt").read_text())
    return stage.folder / "peace"


def disturbed(stage: Stage, peace: Path) -> list[tuple[str, str, bool]]:
    """The same sweep, itself killed in the middle of a trial, and started again at once."""
    folder = stage.folder / "storm"
    sweep = stage.sweep("storm", *OPTUNA)
    kill_trial(sweep, trial_folder(folder, KILLED_TRIAL))
    wait_for(lambda: has_checkpoint(trial_folder(folder, SWEEP_KILLED_IN)), sweep, f"trial {SWEEP_KILLED_IN} learned")
    sweep.kill()
    sweep.wait()
    before = files_of_ended(folder)
    half = sum(trial.state != "running" for trial in trials_of(folder))
    code = stage.sweep("storm", *OPTUNA).wait()
    said = (stage.folder / "storm.txt").read_text()
    trials, after = trials_of(folder), files_of_ended(folder)
    states = [trial.state for trial in trials]
    failed = [trial for trial in trials if trial.state == "failed"]
    repeated = sum(after.get(name) != found for name, found in before.items())
    numbers = ", ".join(f"{t.number} ({t.exit_code})" for t in failed)
    same = sum(seen(a) == seen(b) for a, b in zip(trials, trials_of(peace), strict=True))
    proposed = sum(a.parameters == b.parameters for a, b in zip(trials, trials_of(peace), strict=True))
    weights = sum(a == b for a, b in zip(weights_of(folder), weights_of(peace), strict=True))
    table = [line for line in said.splitlines() if line.startswith("*  ")]
    print(said[said.rindex("sweep ", 0, said.rindex("finished before")) :])
    return [
        ("sweep killed, started again: exit code", str(code), code == 0),
        ("trials ended when the sweep was killed", str(half), 0 < half < NUM_TRIALS),
        ("results", str(states.count("finished")), states.count("finished") == NUM_TRIALS - 1),
        ("recorded failures (exit code)", numbers, [t.number for t in failed] == [KILLED_TRIAL]),
        (f"files of ended trials touched, of {len(before)}", str(repeated), repeated == 0 and len(before) > 0),
        ("proposals equal to those in peace", f"{proposed} of {NUM_TRIALS}", proposed == NUM_TRIALS),
        ("records equal to those in peace", f"{same} of {NUM_TRIALS}", same == NUM_TRIALS),
        ("weights equal to those in peace", f"{weights} of {NUM_TRIALS - 1}", weights == NUM_TRIALS - 1),
        ("trials on the printed Pareto front", str(len(table)), len(table) > 0),
        ("a row for each trial in sweep.csv", "", len((folder / "sweep.csv").read_text().splitlines()) > NUM_TRIALS),
    ]


def illegal(stage: Stage) -> list[tuple[str, str, bool]]:
    """A grid with a value that no network can have."""
    code = stage.sweep("grid", "mini_model.crop_px=32,-8,40").wait()
    trials = trials_of(stage.folder / "grid")
    states = [trial.state for trial in trials]
    said = f"{states.count('finished')} results, {states.count('failed')} failure"
    return [
        ("grid with an illegal value", said, code == 0 and states == ["finished", "failed", "finished"]),
        ("its reason", trials[1].reason.splitlines()[0][:34], bool(trials[1].reason)),
    ]


if __name__ == "__main__":
    sys.exit(main())
