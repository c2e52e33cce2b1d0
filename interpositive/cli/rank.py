"""One rank of a training, as the launcher starts it: ``rank <configuration file> <run folder>``."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from interpositive.cli.rank_endings import PARENT_VARIABLE, leave_word

_PR_SET_PDEATHSIG = 1


def main(config_path: Path, folder: Path) -> None:
    """Train as one of the ranks; what goes wrong is left in writing for the process that started this one."""
    die_with(int(os.environ[PARENT_VARIABLE]))
    # Heavy, and only after a parent that is gone has been noticed.
    import yaml

    from interpositive.cli.assembling import refuse_foreign_targets
    from interpositive.cli.chatter import quiet_libraries
    from interpositive.cli.mistakes import as_mistake
    from interpositive.cli.training import train_here
    from interpositive.errors import InterpositiveError

    number = int(os.environ["RANK"])

    def end(lost: InterpositiveError) -> None:
        leave_word(folder, number, lost, lost)
        os._exit(lost.exit_code)

    try:
        plain = yaml.safe_load(config_path.read_text())
        refuse_foreign_targets(plain)
        quiet_libraries()
        train_here(plain, folder, end)
    except Exception as error:
        mistake = as_mistake(error)
        leave_word(folder, number, error, mistake)
        if mistake is None:
            raise
        raise SystemExit(mistake.exit_code) from None


def die_with(parent: int) -> None:
    """Have the kernel end this process when ``parent`` is gone, even if that was killed or this one is stopped.

    Only Linux can; elsewhere ranks outlive a launcher that was killed, until their training ends.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(f"the process {parent} that started this rank is gone")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
