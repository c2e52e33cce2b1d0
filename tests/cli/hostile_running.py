"""Runs hostile configurations through the real command line, each in a process of its own, and watches what happens.

    python tests/cli/hostile_running.py '[0, 1, 2]'     # all without numbers

The modules are loaded once; each configuration then runs in a fork, in an empty folder, with an audit hook that writes
down every process started, address connected to, file written outside of the folder and module imported that is
neither the package's nor known. Prints a line of JSON for each: how it ended, and what it did.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from hostile_configs import Hostile, corpus  # noqa: E402

SECRET_VARIABLE = "INTERPOSITIVE_CANARY_SECRET"
SECRET = "c4n4ry-7f3a91e2-never-shown"
SECONDS = 30
MEMORY_MB = 1024
_STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "subprocess.Popen")
_CONNECTS = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.chown")
_LOADS = ("pickle.find_class", "webbrowser.open")


def warm() -> None:
    """Load what every command loads, and compose once, so that a fork begins where they differ.

    Hydra's parsers are slow until they have seen their grammars, and what they learn they keep.
    """
    from hydra.core.plugins import Plugins

    import interpositive._torchvision_guard
    import interpositive.cli.hydra_app
    from interpositive.cli.main import VERBS

    Plugins.instance()
    for verb in VERBS:
        __import__(f"interpositive.cli.verbs.{verb}")
    for metric in ("lpips", "flip", "psnr", "warp_error", "warp_error_relative", "flicker_score"):
        __import__(f"interpositive.metrics.{metric}")
    import interpositive.mini_models.candidate_fusion
    import interpositive.tasks.wire_removal  # noqa: F401
    from interpositive.cli.main import main

    told = ["trainer.max_steps=3", "+damage={a: '${seed}/b'}", "hydra/launcher=joblib"]
    before, sys.argv = sys.argv, ["interpositive", "train", *told, "--cfg", "job"]
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        main()
    sys.argv = before
    assert shown.getvalue().startswith("production:")


def run_one(hostile: Hostile, scratch: Path) -> dict[str, Any]:
    """Fork, run, and tell: exit code, output, what was done, growth of memory in MB, seconds."""
    folder = scratch / "here"
    shutil.rmtree(scratch, ignore_errors=True)
    folder.mkdir(parents=True)
    canary = scratch / "canary"
    for name, content in hostile.files.items():
        path = folder / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        filled = _filled(content, canary)
        path.write_bytes(filled if isinstance(filled, bytes) else filled.encode())
    Path(f"{canary}.pickle").write_bytes(_filled(b"cos\nsystem\n(S'touch CANARY'\ntR.", canary))
    (scratch / "canary_module.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    before = {path for path in scratch.rglob("*")}
    arguments = [_filled(argument, canary) for argument in hostile.arguments]
    if hostile.files:
        arguments.insert(1, f"--config-dir={folder / 'own'}")
    out_path, did_path = scratch / "printed", scratch / "did"
    began = time.monotonic()
    # Else the first collection in the fork would copy all that was loaded.
    gc.freeze()
    child = os.fork()
    if child == 0:
        _become(arguments, folder, scratch, out_path, did_path)
    gc.unfreeze()
    status, usage = _wait(child)
    did = did_path.read_text().splitlines() if did_path.exists() else []
    new = [p for p in scratch.rglob("*") if p not in before | {out_path, did_path} and p.is_file()]
    printed = out_path.read_text(errors="replace")
    leaked = SECRET in printed or any(SECRET.encode() in p.read_bytes() for p in new)
    return {
        "code": os.waitstatus_to_exitcode(status) if status is not None else "out of time",
        "printed": printed[-3000:],
        "traceback": "Traceback (most recent call last)" in printed,
        "did": sorted(set(did)),
        "canary": canary.exists() or Path(f"{canary}.mkv").exists(),
        "leaked": leaked,
        "wrote": [str(p.relative_to(scratch)) for p in new if p != canary],
        "grew_mb": max(0, (usage.ru_maxrss - resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024),
        "seconds": round(time.monotonic() - began, 2),
    }


def faults(hostile: Hostile, outcome: dict[str, Any]) -> list[str]:
    """What is wrong with an outcome; empty where the configuration was refused as it should be."""
    found = []
    if outcome["canary"] or outcome["did"]:
        found.append(f"executed: {outcome['did'] or 'the canary exists'}")
    if outcome["leaked"]:
        found.append("the secret was printed or written")
    if outcome["code"] not in (2, 3, 5):
        found.append(f"ended with {outcome['code']}")
    if outcome["traceback"]:
        found.append("a traceback")
    if outcome["printed"].count("\ninterpositive ") + outcome["printed"].startswith("interpositive ") != 1:
        found.append("not one message")
    if hostile.names not in outcome["printed"]:
        found.append(f"{hostile.names!r} is not named")
    if outcome["wrote"]:
        found.append(f"wrote {outcome['wrote'][:3]}")
    if outcome["grew_mb"] > MEMORY_MB:
        found.append(f"took {outcome['grew_mb']} MB")
    return found


def _filled(content: Any, canary: Path) -> Any:
    if isinstance(content, bytes):
        return content.replace(b"CANARY", str(canary).encode())
    return content.replace("CANARY", str(canary)).replace("SECRET", SECRET_VARIABLE)


def _become(arguments: Sequence[str], folder: Path, scratch: Path, out_path: Path, did_path: Path) -> None:
    """The child: never returns."""
    os.chdir(folder)
    printed = os.open(out_path, os.O_WRONLY | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(printed, descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", errors="backslashreplace")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + 4 * MEMORY_MB * 2**20,) * 2)
    os.environ[SECRET_VARIABLE] = SECRET
    os.environ.pop("HYDRA_FULL_ERROR", None)
    sys.path.insert(0, str(scratch))
    sys.argv = ["interpositive", *arguments]
    code = 1
    try:
        _watch(os.open(did_path, os.O_WRONLY | os.O_CREAT), scratch)
        from interpositive.cli.main import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _watch(descriptor: int, scratch: Path) -> None:
    known = {name.partition(".")[0] for name in sys.modules} | set(sys.stdlib_module_names) | {"interpositive"}
    known -= {"antigravity", "pty", "this", "webbrowser"}

    def outside(path: object) -> bool:
        if isinstance(path, int) or path is None:
            return False
        full = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
        return not full.startswith(f"{scratch}/") and full not in ("/dev/null", "/dev/tty")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        seen = None
        if event in _STARTS or event in _CONNECTS or event in _LOADS:
            seen = f"{event} {args!r:.200}"
        elif event == "open":
            path, _, flags = args
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(flags, int) else False
            seen = f"open {path} to write" if writes and outside(path) else None
        elif event in _CHANGES and outside(args[0]):
            seen = f"{event} {args!r:.200}"
        elif event == "import" and args[0].partition(".")[0] not in known:
            seen = f"import {args[0]}"
        if seen:
            os.write(descriptor, f"{seen}\n".encode(errors="replace"))

    sys.addaudithook(hook)


def _wait(child: int) -> tuple[int | None, Any]:
    pidfd = os.pidfd_open(child)
    try:
        ended, _, _ = select.select([pidfd], [], [], SECONDS)
    finally:
        os.close(pidfd)
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return (status if ended else None), usage


def run(indices: Iterable[int]) -> None:
    warm()
    cases = corpus()
    with tempfile.TemporaryDirectory() as scratch:
        for index in indices:
            outcome = run_one(cases[index], Path(scratch).resolve() / "case")
            print(json.dumps({"index": index, **outcome}), flush=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]) if len(sys.argv) > 1 else range(len(corpus())))
