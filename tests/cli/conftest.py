"""The command line, called as a user would but in this process."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from interpositive.cli.main import main


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, and what it printed to either stream."""

    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Command]:
    """Runs ``interpositive <arguments>`` in an empty folder; an exception that is no SystemExit is a traceback."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.delenv("INTERPOSITIVE_CONFIG", raising=False)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["interpositive", *arguments])
        GlobalHydra.instance().clear()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    with warnings.catch_warnings():
        yield run
    GlobalHydra.instance().clear()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
