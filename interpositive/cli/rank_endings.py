"""How ranks end: each leaves word of its own trouble, and the cause is told from what it dragged along.

Word goes through a pipe, which holds it until it is read: a disk that is full may be the very trouble.
"""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import interpositive.errors
from interpositive.errors import InterpositiveError, RankLostError
from interpositive.training.run_folder import LOGS_NAME

Word = dict[str, Any]

# Two words of this size fit into a pipe that nobody reads yet, whatever they are written in.
_MOST_CHARACTERS = 2000


def leave_word(handle: int, error: BaseException, mistake: InterpositiveError | None) -> None:
    """Say what ended this rank: a ``mistake`` in its own words, anything else with the end of its traceback."""
    word: Word = {"when": time.time()}
    if mistake is not None:
        parts = {"what": mistake.what, "found": mistake.found, "expected": mistake.expected, "remedy": mistake.remedy}
        word |= {"kind": type(mistake).__name__}
        word |= {key: value and str(value)[:_MOST_CHARACTERS] for key, value in parts.items()}
    else:
        word |= {"kind": None, "traceback": "".join(traceback.format_exception(error))[-4 * _MOST_CHARACTERS :]}
    # Nobody may be there any more to hear it.
    with suppress(BrokenPipeError):
        os.write(handle, json.dumps(word, ensure_ascii=False).encode(errors="replace") + b"\n")


def hear_word(handle: int) -> Word | None:
    """The first word that a rank which has ended left, None if it left none; closes the pipe."""
    os.set_blocking(handle, False)
    with os.fdopen(handle, "rb") as stream:
        # A process of the rank's that outlives it keeps the pipe open, and an empty one gives nothing then.
        said = stream.read() or b""
    line, ended, _ = said.partition(b"\n")
    return json.loads(line) if ended else None


def find_cause(words: Mapping[int, Word], codes: Sequence[int], first: int, folder: Path) -> Exception:
    """The error to raise for a run whose ranks left ``words`` and ended with ``codes``, ``first`` being the first seen.

    A mistake that a rank names is the cause, whoever was seen first; then a rank that a signal ended; then the
    earliest of what is left, for a rank that loses its neighbour complains too.
    """
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


def _mistake(word: Word) -> InterpositiveError:
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
    place = "above" if number == 0 else f"in {folder / LOGS_NAME}/rank_{number}.txt"
    return f"its last words are {place}"
