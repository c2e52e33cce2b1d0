"""A trial's own process: what crashes, is killed or leaks in it is the trial's alone.

Started as ``python -m interpositive.cli.sweeps.trial_process <run folder>``. The first line of its input is the
resolved configuration as JSON; when the input ends, whoever started it has died, and it stops as if told to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Train; exit codes are those of :mod:`interpositive.errors`."""
    from interpositive.cli.chatter import quiet_libraries
    from interpositive.cli.hydra_app import config_folder
    from interpositive.cli.mistakes import reported

    folder, plain = Path(sys.argv[1]), json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_with, args=(sys.stdin.fileno(),), daemon=True).start()
    with reported("train", config_folder()):
        quiet_libraries()
        from interpositive.cli.launching import launch

        launch(plain, folder)


def _stop_with(told: int) -> None:
    # Not by way of sys.stdin, whose lock a waiting thread would keep from an interpreter that ends.
    while os.read(told, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
