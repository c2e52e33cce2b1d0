"""Trainings on two ranks, one of which is struck at a chosen moment; and how it is watched what becomes of them.

The ranks are the product's own, unchanged: what strikes them is imported at their start from a folder of this module's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from productions import PRODUCTION_YAML, make_production

ROOT = Path(__file__).resolve().parents[1]
STEPS, JUDGED, SAVED = 24, 12, 6
PHASES = ("forward", "backward", "save", "judging")
SMALL = f"""
    dailies.window_frames=8 dailies.num_windows=4 dailies.num_val_windows=1 dailies.batch_size=2
    dailies.num_prepare_workers=0 trainer.max_steps={STEPS} trainer.warmup_steps=2 trainer.ema_decay=0.9
    trainer.validate_every={JUDGED} trainer.judge_every={JUDGED} trainer.checkpoint_every={SAVED}
    trainer.held_out_windows=2 trainer.held_out_frames=2 mini_model.scorer_width=4 mini_model.residual_widths=[4,4,4]
    mini_model.crop_px=32 mini_model.flow_offsets=[1] mini_model.camera_offsets=[2] metric=[psnr] wandb=disabled
    progress=false
""".split()
# Seen at the start of every Python process below the command, before anything of the package is imported.
SITE = """
import importlib.abc, importlib.util, json, os, sys, threading, time
from pathlib import Path

PLAN = json.loads(Path(__file__).with_name("plan.json").read_text())


def strike():
    mark = Path(__file__).with_name("struck")
    if mark.exists():
        return
    mark.write_text(json.dumps([os.getpid(), time.time()]))
    if PLAN["signal"]:
        os.kill(os.getpid(), PLAN["signal"])


def arm():
    from interpositive.training import checkpoints, fine_tuner, held_out_judge

    # So that a run lasts long enough to be slowed down, and a judgement to be struck in.
    delay, at, phase = PLAN["delay"], PLAN["step"], PLAN["phase"]

    def before(owner, name, due, late=0.0):
        original = getattr(owner, name)

        def struck(*args, **kwargs):
            if due(*args):
                threading.Timer(late, strike).start() if late else strike()
            return original(*args, **kwargs)

        setattr(owner, name, struck)

    step = fine_tuner.FineTuner.training_step

    def training_step(tuner, *args):
        time.sleep(delay)
        here = tuner.global_step == at
        if here and phase == "forward":
            strike()
        loss = step(tuner, *args)
        if here and phase == "backward":
            loss.register_hook(lambda gradient: strike())
        return loss

    fine_tuner.FineTuner.training_step = training_step
    first = os.environ["RANK"] == "0"
    if phase == "save" and first:
        before(checkpoints, "write_checkpoint", lambda snapshot, path: f"step={at}." in str(path))
    elif phase == "save":
        before(checkpoints.Checkpoints, "_save", lambda _, trainer: trainer.global_step == at)
    elif phase == "judging" and first:
        before(held_out_judge, "measure_window", lambda *_: True)
    elif phase == "judging":
        judge = held_out_judge.HeldOutJudge
        before(judge, "on_train_batch_end", lambda self, trainer, *_: trainer.global_step == at, late=0.2)


class Arming(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "interpositive.training.run":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            arm()

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("RANK") == str(PLAN["rank"]):
    sys.meta_path.insert(0, Arming())
"""


class Bench:
    """A tiny production, the undisturbed end of its training, and runs of it that are disturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        production = make_production(folder / "made")
        conf = folder / "conf" / "production"
        conf.mkdir(parents=True)
        (conf / "tiny.yaml").write_text(PRODUCTION_YAML.format(folder=production.folder))
        self.config = ["--config-dir", str(conf.parent), "production=tiny", "compute=two_process_cpu", *SMALL]
        self.whole = folder / "undisturbed"
        self.site = folder / "site"

    def command(self, starter: str, run: Path) -> list[str]:
        """The training's command line, as a user would type it."""
        verb = ["interpositive.cli.main", "train", *self.config, f"run_folder={run}"]
        if starter == "launcher":
            return [sys.executable, "-m", *verb]
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", *verb]

    def plan(self, blow: Mapping[str, object] | None) -> None:
        """Have what is started from now on receive a blow, once; or none."""
        shutil.rmtree(self.site, ignore_errors=True)
        if blow is not None:
            self.site.mkdir()
            (self.site / "sitecustomize.py").write_text(SITE)
            (self.site / "plan.json").write_text(json.dumps(blow))

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command, in a session of its own."""
        paths = [str(self.site), str(ROOT)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def struck(self) -> tuple[int, float] | None:
        """Process and time of the blow, once it has fallen."""
        try:
            pid, when = json.loads((self.site / "struck").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid, when

    def train(self, starter: str, run: Path) -> list[str]:
        """Begin a run, or go on with it, in peace; what is wrong with how that ended."""
        self.plan(None)
        process = self.start(self.command(starter, run))
        said = process.communicate()[1]
        return [f"it ended with {process.returncode}: {said.strip().splitlines()[-1:]}"] if process.returncode else []

    def differences(self, run: Path) -> list[str]:
        """Results that are not those of the undisturbed run: archive, last checkpoint's tensors, windows drawn."""
        last = self.whole.glob(f"checkpoints/step={STEPS}.ckpt/*.safetensors")
        names = ["windows.csv", "archive/weights.safetensors", *(str(path.relative_to(self.whole)) for path in last)]
        assert len(names) > 2
        return [f"{name} differs" for name in names if (self.whole / name).read_bytes() != (run / name).read_bytes()]


class Listener:
    """Reads what a command says, and notes when it first speaks of a lost rank."""

    def __init__(self, process: subprocess.Popen[str], words: Sequence[str]) -> None:
        self.lines: list[str] = []
        self.heard: tuple[float, str] | None = None
        self.words = words
        assert process.stderr is not None
        self.thread = threading.Thread(target=self._listen, args=(process.stderr,), daemon=True)
        self.thread.start()

    def _listen(self, stream: Iterator[str]) -> None:
        for line in stream:
            self.lines.append(line.rstrip())
            if self.heard is None and any(word in line for word in self.words):
                self.heard = (time.time(), line.strip())


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end_session(process: subprocess.Popen[str]) -> None:
    """Leave nothing of a command behind, stopped ranks included."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    mark = str(process.args[-1])
    for line in listed.splitlines():
        if mark in line or mark.removeprefix("run_folder=") in line:
            try:
                os.kill(int(line.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue
    process.wait()
