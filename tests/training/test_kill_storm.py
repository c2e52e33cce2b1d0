"""The kill storm in short: five kills of real trainers, by the script that makes two hundred runs of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_kill_storm.py"


def test_killed_five_times_runs_end_as_the_one_in_peace(tmp_path: Path) -> None:
    # A process of its own, for a fork of this one would take the threads' locks along, but not the threads.
    command = [sys.executable, str(SCRIPT), "--trials", "1", "--kills", "5", "--saves", "1", "--with-workers", "0"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: int(number) for name, number in re.findall(r"\| ([^|]+) \| (\d+) \|", done.stdout)}
    assert found["SIGKILLs"] >= 5 and found["inside a save"] >= 1
    assert found["runs that ended byte for byte as the one in peace"] == found["runs"] > 0
    assert found["processes left"] == found["pieces of shared memory left"] == 0
    assert list(tmp_path.iterdir()) == []
