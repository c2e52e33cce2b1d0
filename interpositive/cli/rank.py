"""One rank of a training, as the launcher starts it.

``rank <configuration file> <run folder> <launcher's process> <handle of the run's lock> <handle to leave word at>``
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main(config_path: Path, folder: Path, launcher: int, lock: int, words: int) -> None:
    """Train as one of the ranks; what goes wrong is said to the process that started this one."""
    die_with(launcher)
    # Heavy, and only after a launcher that is gone has been noticed.
    import yaml

    from interpositive.cli.assembling import refuse_foreign_targets
    from interpositive.cli.chatter import quiet_libraries
    from interpositive.cli.mistakes import as_mistake
    from interpositive.cli.rank_endings import leave_word
    from interpositive.cli.training import train_here
    from interpositive.errors import InterpositiveError
    from interpositive.training.run_lock import hold_with_parent

    hold_with_parent(lock)

    def say(error: BaseException, mistake: InterpositiveError | None) -> None:
        leave_word(words, error, mistake)
        if mistake is not None and os.environ["RANK"] != "0":
            # What the first one says would be read beside the launcher's own message.
            print(f"interpositive train: {mistake}", file=sys.stderr, flush=True)

    def end(lost: InterpositiveError) -> None:
        try:
            say(lost, lost)
        finally:
            os._exit(lost.exit_code)

    try:
        plain = yaml.safe_load(config_path.read_text())
        refuse_foreign_targets(plain)
        quiet_libraries()
        train_here(plain, folder, end)
    except Exception as error:
        mistake = as_mistake(error)
        say(error, mistake)
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
    main(Path(sys.argv[1]), Path(sys.argv[2]), *(int(number) for number in sys.argv[3:]))
