"""Every file of a folder of interchange samples, read or refused: the table of ``docs/interchange.md``.

    python scripts/check_interchange.py <folder> [--write docs/interchange.md]

Each file goes the way that ``interpositive inspect`` goes: footage through the readers in a worker process,
paperwork through its own reader. The table counts what was read by format, and names every file that was refused with
the reason as a user sees it. Exits with 1 if any file ends in something other than a result or a reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interpositive.dailies.paperwork_kinds import Summary, describe_paperwork
from interpositive.errors import InterpositiveError
from interpositive.review.kinds import kind_of
from interpositive.review.looking import look_at

# No edit decision list says what it counts at: the first of these that its timecodes allow is taken.
EDL_RATES = ("24", "25", "30000/1001")
HEADING = "<!-- The tables below are written by scripts/check_interchange.py. -->"


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``kind`` as it was read; ``reason`` where it was refused."""

    path: Path
    kind: str
    read: str = ""
    reason: str = ""
    defect: bool = False


def main() -> int:
    arguments = _arguments()
    paths = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    outcomes = [outcome_of(path) for path in paths]
    table = "\n".join(table_lines(outcomes, arguments.folder))
    print(table)
    if arguments.write is not None:
        before = arguments.write.read_text().partition(HEADING)[0]
        arguments.write.write_text(f"{before}{HEADING}\n\n{table}\n")
    defects = [outcome for outcome in outcomes if outcome.defect]
    for outcome in defects:
        print(f"DEFECT {outcome.path}: {outcome.reason}", file=sys.stderr)
    return 1 if defects else 0


def outcome_of(path: Path) -> Outcome:
    """Read one file as inspect would, without a contact sheet and digests."""
    family = path.suffix.lower().lstrip(".") or path.name
    try:
        if kind_of(path) in ("movie", "sequence", "still"):
            info = look_at(path, num_pictures=1, with_digest=False, timeout_seconds=60).info
            what = "still" if info.kind == "still" else "movie"
            shown = f"{info.codec} {info.pixel_format} {info.width}x{info.height}"
            return Outcome(path, f"{what}, {family}", f"{shown}, {info.num_frames} frames")
        summary = described(path, EDL_RATES if family == "edl" else (None,))
        return Outcome(path, summary.kind, "; ".join(f"{label} {words}" for label, words in summary.facts[:3]))
    except InterpositiveError as error:
        return Outcome(path, family, reason=_in_one_line(error))
    except Exception as error:
        return Outcome(path, family, reason=f"{type(error).__name__}: {error}", defect=True)


def described(path: Path, rates: Sequence[str | None]) -> Summary:
    """The summary of a file of paperwork, by the first of these rates that it can be counted at."""
    for rate in rates[:-1]:
        with suppress(InterpositiveError):
            return describe_paperwork(path, rate)
    return describe_paperwork(path, rates[-1])


def _in_one_line(error: InterpositiveError) -> str:
    parts = [error.what, f"found {error.found}" if error.found is not None else "", error.remedy]
    return " ".join("; ".join(part for part in parts if part).split())


def table_lines(outcomes: list[Outcome], folder: Path) -> list[str]:
    """Two tables in Markdown: what is read by kind, and each file that is refused."""
    kinds: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if not outcome.reason:
            kinds[outcome.kind].append(outcome)
    refused = [outcome for outcome in outcomes if outcome.reason]
    lines = [f"{len(outcomes)} files: {len(outcomes) - len(refused)} read, {len(refused)} refused with a reason.", ""]
    lines += ["| read as | files | for example |", "|---|---|---|"]
    for kind, members in sorted(kinds.items()):
        one = members[0]
        lines.append(f"| {kind} | {len(members)} | `{one.path.name}`: {_cell(one.read, folder, 160)} |")
    again = Counter(outcome.path.name for outcome in refused)
    lines += ["", "| refused | reason |", "|---|---|"]
    seen: set[str] = set()
    for outcome in refused:
        name = outcome.path.name
        if name not in seen:
            seen.add(name)
            times = f" ({again[name]} times)" if again[name] > 1 else ""
            lines.append(f"| `{name}`{times} | {_cell(outcome.reason, folder, 400)} |")
    return lines


def _cell(text: str, folder: Path, most: int) -> str:
    """Text that fits a cell and names no place of this machine."""
    for place in (str(folder.resolve()), str(folder), tempfile.gettempdir()):
        text = text.replace(f"{place}/", "")
    text = text.replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= most else f"{text[:most]} …"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path, default=None, help="the page whose tables are replaced")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
