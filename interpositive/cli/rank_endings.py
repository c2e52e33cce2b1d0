"""How ranks end: each leaves word of its own trouble, and the cause is told from what it dragged along."""

from __future__ import annotations

import json
import signal
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interpositive.errors
from interpositive.errors import InterpositiveError, RankLostError
from interpositive.records.publishing import write_file_whole

LOGS_FOLDER = "logs"
PARENT_VARIABLE = "INTERPOSITIVE_LAUNCHED_BY"


def ending_path(folder: Path, number: int) -> Path:
    """Where a rank leaves word."""
    return folder / LOGS_FOLDER / f"rank_{number}.json"


def leave_word(folder: Path, number: int, error: BaseException, mistake: InterpositiveError | None) -> None:
    """Write down what ended this rank: a ``mistake`` in its own words, anything else with its traceback."""
    word: dict[str, Any] = {"when": time.time()}
    if mistake is not None:
        parts = {"what": mistake.what, "found": mistake.found, "expected": mistake.expected, "remedy": mistake.remedy}
        word |= {"kind": type(mistake).__name__} | {key: value and str(value) for key, value in parts.items()}
    else:
        word |= {"kind": None, "traceback": "".join(traceback.format_exception(error))}
    write_file_whole(ending_path(folder, number), json.dumps(word, indent=1))


def find_cause(folder: Path, first: int, codes: Sequence[int]) -> Exception:
    """The error to raise for a run whose ranks ended with ``codes``, ``first`` being the first one seen to fail.

    A mistake that a rank names is the cause, whoever was seen first; then a rank that a signal ended; then the
    earliest of what is left, for a rank that loses its neighbour complains too.
    """
    paths = {number: ending_path(folder, number) for number in range(len(codes))}
    words = {number: json.loads(path.read_text()) for number, path in paths.items() if path.is_file()}
    mistakes = [number for number, word in words.items() if word["kind"] not in (None, RankLostError.__name__)]
    if mistakes:
        return _mistake(words[min(mistakes, key=lambda number: words[number]["when"])])
    if codes[first] < 0:
        return _lost(first, codes[first], folder)
    if not words:
        found = f"exit code {codes[first]}"
        return RankLostError(f"rank {first} ended without a word", found=found, remedy=_where(first, folder))
    number = min(words, key=lambda number: words[number]["when"])
    if words[number]["kind"]:
        return _mistake(words[number])
    return RuntimeError(f"rank {number} of {len(codes)} failed:\n{words[number]['traceback']}")


def _mistake(word: dict[str, Any]) -> InterpositiveError:
    kind: type[InterpositiveError] = getattr(interpositive.errors, word["kind"])
    return kind(word["what"], found=word["found"], expected=word["expected"], remedy=word["remedy"] or "")


def _lost(number: int, code: int, folder: Path) -> RankLostError:
    name = signal.Signals(-code).name
    hint = " (which is also how a machine without memory ends a process)" if name == "SIGKILL" else ""
    return RankLostError(
        f"rank {number} was lost, and the others ended with it",
        found=f"ended by {name}{hint}",
        remedy=f"the same command goes on from the newest checkpoint; {_where(number, folder)}",
    )


def _where(number: int, folder: Path) -> str:
    place = "above" if number == 0 else f"in {folder / LOGS_FOLDER}/rank_{number}.txt"
    return f"its last words are {place}"
