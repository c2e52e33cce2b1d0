"""Commands as a user types them, each in a process of its own: a fork of one that has loaded the package once.

Loading takes longer than most commands. Started as ``python commands.py``, it reads a line of JSON for each command
(its arguments, and the folder it is typed in) and answers with one (exit code, and what was printed).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_STREAMS = ("out", "err")


class Commands:
    """Runs commands one after the other, with one environment; to be used in a ``with``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, __file__]
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment), text=True
        )

    def run(self, *arguments: str, folder: Path) -> tuple[int, str, str]:
        """Exit code and both streams of ``interpositive <arguments>``."""
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps({"arguments": arguments, "folder": str(folder)}), file=self._server.stdin, flush=True)
        ended: dict[str, Any] = json.loads(self._server.stdout.readline())
        return ended["code"], ended["out"], ended["err"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate()


def _load() -> None:
    from interpositive.cli import hydra_app
    from interpositive.cli.main import VERBS

    for verb in VERBS:
        __import__(f"interpositive.cli.verbs.{verb}")
    hydra_app.config_folder()


def _become(arguments: list[str], folder: str, printed: Mapping[str, Path]) -> None:
    os.chdir(folder)
    for number, path in enumerate(printed.values(), 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["interpositive", *arguments]


def main() -> None:
    """Answer until the input ends; in each fork, be the command."""
    _load()
    for line in sys.stdin:
        asked = json.loads(line)
        scratch = Path(tempfile.mkdtemp())
        printed = {name: scratch / name for name in _STREAMS}
        child = os.fork()
        if child == 0:
            _become(asked["arguments"], asked["folder"], printed)
            break
        _, status = os.waitpid(child, 0)
        texts = {name: path.read_text(errors="replace") for name, path in printed.items()}
        shutil.rmtree(scratch)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), **texts}), flush=True)
    else:
        return
    # Outside of the loop, so that it ends as any command does.
    from interpositive.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
