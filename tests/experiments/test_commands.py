"""Commands of studies and benchmarks call what there is: nothing else runs most of them, and figures hang on them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUDIES = ROOT / "experiments"
# Modules there are named as the scoreboard's are.
APART = [STUDIES / "flicker_calibration", STUDIES / "deflicker"]
STAND_INS = [ROOT / "tests", *(ROOT / "tests" / each for each in ("cli", "media", "training"))]
WHAT_ROTS = {"attr-defined", "call-arg", "import-not-found", "name-defined", "syntax", "valid-type"}


def commands_of(folders: list[Path]) -> list[Path]:
    return sorted(found for folder in folders for found in folder.glob("*.py"))


@pytest.mark.parametrize(
    "folders, beside",
    [
        (
            [ROOT / "scripts", *(each for each in STUDIES.iterdir() if each.is_dir() and each not in APART)],
            [STUDIES / "soundstage_base", STUDIES / "scoreboard", ROOT / "scripts", *STAND_INS],
        ),
        (APART, [APART[0], STUDIES / "soundstage_base"]),
    ],
)
def test_every_command_calls_what_there_is(folders: list[Path], beside: list[Path]) -> None:
    commands = commands_of(folders)
    assert commands
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--explicit-package-bases", *map(str, commands)],
        env={**os.environ, "MYPYPATH": os.pathsep.join(map(str, beside))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode in (0, 1), checked.stdout + checked.stderr
    assert f"checked {len(commands)} source files" in checked.stdout
    rotten = [
        line
        for line in checked.stdout.splitlines()
        # Of our own modules that are gone it says that they are installed without types.
        if set(re.findall(r"\[([\w-]+)\]$", line)) & WHAT_ROTS or 'Skipping analyzing "interpositive' in line
    ]
    assert not rotten, "\n".join(rotten)
