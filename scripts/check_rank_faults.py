"""Does a run notice that one of its ranks has died, stopped or lost its network, and go on to the same end?

    python scripts/check_rank_faults.py --starters launcher torchrun
    python scripts/check_rank_faults.py --blows SIGSTOP --ranks 0 --phases save --network not
    python scripts/check_rank_faults.py --network only

A small training runs on two ranks of this machine, started by our own launcher or by torchrun. One rank is killed
(SIGKILL) or stopped (SIGSTOP) at a chosen step, forward, backward, while a checkpoint is saved or the held-out windows
are judged; or it is slowed down twentyfold, which is no loss; or the run is told to stop (SIGTERM). Timed is how
long the run goes on until it says so. Then the same command resumes it, and archive, last checkpoint and the list of
windows drawn are compared, byte for byte, with a run that nobody disturbed. At the end each rank lives in a network
namespace of its own, as on two machines, and the cable between them is cut (needs root and ip).

The ranks are the product's own, unchanged: what hurts them is imported at their start from a folder of this script's.
Exits 1 when a loss is found later than --limit seconds, a code is wrong, or an end differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass
class Case:
    """One disturbance: who started the ranks, which rank is struck, where, and how."""

    starter: str
    rank: int
    phase: str
    blow: str
    found_seconds: float = 0.0
    code: int = 0
    message: str = ""
    faults: list[str] = field(default_factory=list)


class Bench:
    """A tiny production, the undisturbed end of its training, and runs of it that are disturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sys.path.insert(0, str(ROOT / "tests"))
        from productions import make_production

        production = make_production(folder / "made")
        conf = folder / "conf" / "production"
        conf.mkdir(parents=True)
        text = f"defaults: [default, _self_]\nname: tiny\nworkspace: {production.folder}\ntraining_height: 64\n"
        (conf / "tiny.yaml").write_text(text)
        self.config = ["--config-dir", str(conf.parent), "production=tiny", "compute=two_process_cpu", *SMALL]
        self.whole = folder / "undisturbed"

    def command(self, starter: str, run: Path) -> list[str]:
        """The training's command line, as a user would type it."""
        verb = ["interpositive.cli.main", "train", *self.config, f"run_folder={run}"]
        if starter == "launcher":
            return [sys.executable, "-m", *verb]
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", *verb]

    def start(self, command: Sequence[str], plan: dict[str, object] | None = None) -> subprocess.Popen[str]:
        """Start a command, in a session of its own, with a blow planned or without."""
        site = self.folder / "site"
        shutil.rmtree(site, ignore_errors=True)
        paths = [str(ROOT)]
        if plan is not None:
            site.mkdir()
            (site / "sitecustomize.py").write_text(SITE)
            (site / "plan.json").write_text(json.dumps(plan))
            paths.insert(0, str(site))
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
        path = self.folder / "site" / "struck"
        try:
            pid, when = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid, when

    def resume(self, starter: str, run: Path) -> list[str]:
        """Go on with the same command; what is wrong with its end."""
        process = self.start(self.command(starter, run))
        said = process.communicate()[1]
        if process.returncode:
            return [f"resuming ended with {process.returncode}: {said.strip().splitlines()[-1:]}"]
        return [f"{name} differs" for name in differences(self.whole, run)]


def differences(one: Path, other: Path) -> list[str]:
    """Which of a run's results are not the same bytes: archive, last checkpoint's tensors, windows drawn."""
    names = ["windows.csv", "archive/weights.safetensors"]
    names += [str(path.relative_to(one)) for path in one.glob(f"checkpoints/step={STEPS}.ckpt/*.safetensors")]
    assert len(names) > 2
    return [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()]


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


def disturb(bench: Bench, case: Case, limit: float) -> Case:
    """Strike, time what follows, resume, and compare."""
    run = bench.folder / f"{case.starter}_{case.rank}_{case.phase}_{case.blow}"
    step = JUDGED if case.phase == "judging" else SAVED * 2 if case.phase == "save" else SAVED + 2
    slow = case.blow == "SLOW"
    plan = {
        "rank": case.rank,
        "phase": case.phase,
        "step": step,
        "signal": 0 if slow else int(signal.Signals[case.blow]),
        "delay": 0.05,
    }
    stopping = case.blow == "SIGTERM"
    words = ["asked to stop"] if stopping else ["lost"]
    process = bench.start(bench.command(case.starter, run), plan)
    listener = Listener(process, words)
    try:
        if not wait_until(lambda: bench.struck() is not None or process.poll() is not None, 300) or not bench.struck():
            case.faults.append(f"no blow fell: {listener.lines[-1:]}")
            return case
        pid, when = bench.struck() or (0, 0.0)
        if stopping:
            # The one who is told is the command itself; the blow only says when.
            process.terminate()
        if slow:
            slow_down(pid, process)
        wait_until(lambda: process.poll() is not None, 120)
        ended = time.time()
        listener.thread.join(5)
        case.code = process.returncode if process.returncode is not None else -1
        when_found, case.message = listener.heard or (ended, "")
        case.found_seconds = when_found - when
    finally:
        end_session(process)
    judge(case, run, limit)
    if not slow:
        case.faults += bench.resume(case.starter, run)
    elif not case.faults:
        case.faults += [f"{name} differs" for name in differences(bench.whole, run)]
    shutil.rmtree(run, ignore_errors=True)
    return case


def judge(case: Case, run: Path, limit: float) -> None:
    """What is wrong with how a disturbed run ended."""
    finished = (run / "run.json").exists()
    if case.blow == "SLOW":
        if case.code or not finished:
            case.faults.append(f"a slow rank ended the run with {case.code}: {case.message}")
        return
    # torchrun has a code of its own for a rank that failed.
    expected = {"launcher": 75 if case.blow == "SIGTERM" else 8, "torchrun": 1}[case.starter]
    if case.code != expected:
        case.faults.append(f"code {case.code}, not {expected}")
    if not case.message:
        case.faults.append("nothing said")
    if finished:
        case.faults.append("the run finished")
    if case.found_seconds > limit:
        case.faults.append(f"found after {case.found_seconds:.1f} s")


def slow_down(pid: int, process: subprocess.Popen[str]) -> None:
    """Let a rank run for a twentieth of the time, for half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        for number, seconds in ((signal.SIGSTOP, 0.38), (signal.SIGCONT, 0.02)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(seconds)


@contextmanager
def two_machines() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them, 10.77.0.1 and 10.77.0.2; their names."""
    names = (f"ipw{os.getpid()}a", f"ipw{os.getpid()}b")

    def run(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    made: list[str] = []
    try:
        for name in names:
            run("netns", "add", name)
            made.append(name)
        run("link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            run("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "veth0")
            run("-n", name, "link", "set", "veth0", "up")
            run("-n", name, "link", "set", "lo", "up")
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False)


def cut(names: tuple[str, str], how: str) -> None:
    """Pull the cable at the first machine, which it notices; or let every packet get lost, which nobody notices."""
    if how == "pulled":
        subprocess.run(["ip", "-n", names[0], "link", "set", "veth0", "down"], check=True)
        return
    for number, name in enumerate(names, 1):
        # To a card that is not there.
        neighbour = [f"10.77.0.{3 - number}", "lladdr", "02:00:00:00:00:77", "dev", "veth0", "nud", "permanent"]
        subprocess.run(["ip", "-n", name, "neigh", "replace", *neighbour], check=True)


def cut_cable(bench: Bench, how: str, limit: float) -> list[Case]:
    """Two ranks on two machines, as torchrun would start them; the cable is cut in the midst of the steps."""
    run = bench.folder / f"network_{how}"
    cases = [Case("two machines", rank, "any", f"cable {how}") for rank in (0, 1)]
    with two_machines() as names:
        plan = {"rank": 0, "phase": "forward", "step": SAVED + 2, "signal": 0, "delay": 0.05}
        processes = []
        command = bench.command("launcher", run)
        command[command.index("compute=two_process_cpu")] = "compute=cpu"
        command.insert(-1, "compute.num_nodes=2")
        for rank, name in enumerate(names):
            variables = {
                "RANK": rank,
                "LOCAL_RANK": 0,
                "WORLD_SIZE": 2,
                "MASTER_ADDR": "10.77.0.1",
                "MASTER_PORT": 29511,
            }
            variables |= {"LOCAL_WORLD_SIZE": 1, "GROUP_RANK": rank, "GLOO_SOCKET_IFNAME": "veth0"}
            prefix = ["ip", "netns", "exec", name, "env", *(f"{key}={value}" for key, value in variables.items())]
            processes.append(
                bench.start([*prefix, *command], plan) if rank == 0 else bench_again(bench, [*prefix, *command])
            )
        listeners = [Listener(process, ["lost"]) for process in processes]
        try:
            if not wait_until(lambda: bench.struck() is not None or processes[0].poll() is not None, 300):
                cases[0].faults.append(f"never came to its steps: {listeners[0].lines[-3:]}")
            began = time.time()
            cut(names, how)
            wait_until(lambda: all(process.poll() is not None for process in processes), 120)
            for case, process, listener in zip(cases, processes, listeners, strict=True):
                listener.thread.join(5)
                case.code = process.returncode if process.returncode is not None else -1
                when, case.message = listener.heard or (time.time(), "")
                case.found_seconds = when - began
                case.starter = "launcher"
                judge(case, run, limit)
                case.starter = "two machines"
        finally:
            for process in processes:
                end_session(process)
    cases[0].faults += bench.resume("launcher", run)
    shutil.rmtree(run, ignore_errors=True)
    return cases


def bench_again(bench: Bench, command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a further rank beside one that has its plan already."""
    paths = [str(bench.folder / "site"), str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def why_no_namespaces() -> str:
    """Why this machine cannot pretend to be two; empty if it can."""
    if shutil.which("ip") is None:
        return "no ip command"
    try:
        with two_machines():
            return ""
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()


def planned(arguments: argparse.Namespace) -> Iterator[Case]:
    """Every case that was asked for."""
    for starter in arguments.starters:
        for blow in arguments.blows:
            phases = ["forward"] if blow == "SLOW" else arguments.phases
            ranks = [0] if blow == "SIGTERM" else arguments.ranks
            for rank in ranks:
                yield from (Case(starter, rank, phase, blow) for phase in phases)


def main() -> int:
    """Disturb, print a table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starters", nargs="+", default=["launcher", "torchrun"], choices=["launcher", "torchrun"])
    parser.add_argument("--blows", nargs="+", default=["SIGKILL", "SIGSTOP", "SLOW", "SIGTERM"])
    parser.add_argument("--ranks", nargs="+", type=int, default=[0, 1], choices=[0, 1])
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=PHASES)
    parser.add_argument("--network", choices=["too", "only", "not"], default="too", help="two machines, cable cut")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds within which a loss must be found")
    arguments = parser.parse_args()
    machine = f"{os.uname().machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, {socket.gethostname()}\n")
    print(f"{'started by':<13} {'rank':>4} {'in':<9} {'blow':<13} {'found':>7} {'code':>4}  then")
    cases: list[Case] = []

    def tell(case: Case) -> None:
        cases.append(case)
        found = "" if case.blow == "SLOW" else f"{case.found_seconds:.1f} s"
        then = "; ".join(case.faults) or "same end"
        print(
            f"{case.starter:<13} {case.rank:>4} {case.phase:<9} {case.blow:<13} {found:>7} {case.code:>4}  {then}",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        process = bench.start(bench.command("launcher", bench.whole))
        said = process.communicate()[1]
        if process.returncode:
            print(said, file=sys.stderr)
            return 1
        if arguments.network != "only":
            for case in planned(arguments):
                tell(disturb(bench, case, arguments.limit))
        reason = "not asked for" if arguments.network == "not" else why_no_namespaces()
        if reason:
            print(f"two machines: left out ({reason})")
        else:
            for how in ("pulled", "losing all"):
                for case in cut_cable(bench, how, arguments.limit):
                    tell(case)
    wrong = sum(bool(case.faults) for case in cases)
    slowest = max((case.found_seconds for case in cases if case.blow not in ("SLOW", "SIGTERM")), default=0.0)
    print(f"\n{len(cases)} cases, {wrong} wrong; the slowest loss was found after {slowest:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
