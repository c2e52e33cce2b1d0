"""Which code a run was made with: the package's own sources, and the commit and changes where it is a checkout."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from interpositive._version import __version__
from interpositive.records.base import Record
from interpositive.records.digests import sha256_of_file

CODE_DIFF_NAME = "code.diff"
MOST_DIFF_BYTES = 1 << 20

_PACKAGE = Path(__file__).resolve().parents[1]
# What of a checkout can decide a run; the rest of the tree is nobody's business.
_WATCHED = ("interpositive", "conf", "pyproject.toml", "requirements")
_SOURCES = (".py", ".yaml", ".yml", ".toml", ".txt", ".in", ".overrides")
_NO_HELPERS = ("-c", "core.fsmonitor=false", "-c", "core.quotepath=off", "-c", "core.hooksPath=/dev/null")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary")
_PATIENCE_SECONDS = 30


class CodeState(Record):
    """The package's code as it was measured.

    ``source_sha256`` is over the name and content of each of the package's ``num_files`` Python files, the same for a
    checkout and a wheel of it. ``commit`` and ``described`` (the nearest tag, and how many commits later) are empty
    outside of a checkout. ``differs`` says that the package, its configuration or its requirements are not those of
    the commit; ``diff_sha256`` is then the digest of ``code.diff``, and empty where that would have been too long.
    """

    version: str
    source_sha256: str
    num_files: int
    commit: str = ""
    described: str = ""
    differs: bool = False
    diff_sha256: str = ""

    def words(self) -> str:
        """The code in a few words, as for a table."""
        at = f", commit {self.commit[:12]}{' with changes' if self.differs else ''}" if self.commit else ""
        return f"{self.version}, sources {self.source_sha256[:12]}{at}"


@dataclass(frozen=True)
class MeasuredCode:
    """The state, and the ``diff`` against the commit: empty where there is none, or it is longer than 1 MiB."""

    state: CodeState
    diff: bytes


def measure_code(package: Path = _PACKAGE) -> MeasuredCode:
    """Measure the code that lies in ``package``; a machine without git, or a wheel, has no commit."""
    files = sorted(package.rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(package).as_posix()} {sha256_of_file(path)}\n".encode())
    state = CodeState(version=__version__, source_sha256=digest.hexdigest(), num_files=len(files))
    top = package.parent
    # A package installed below somebody's checkout is no part of it.
    if _git(top, "ls-files", "--error-unmatch", f"{package.name}/__init__.py") is None:
        return MeasuredCode(state, b"")
    commit = _git(top, "rev-parse", "HEAD")
    if commit is None:
        return MeasuredCode(state, b"")
    diff = _diff(top)
    state = state.model_copy(
        update={
            "commit": commit.decode().strip(),
            "described": (_git(top, "describe", "--tags", "--always", "--long") or b"").decode().strip(),
            "differs": bool(diff),
            "diff_sha256": hashlib.sha256(diff).hexdigest() if 0 < len(diff) <= MOST_DIFF_BYTES else "",
        }
    )
    return MeasuredCode(state, diff if len(diff) <= MOST_DIFF_BYTES else b"")


def _diff(top: Path) -> bytes:
    """What ``git apply`` needs to get from the commit to what lies there, new files included."""
    watched = [name for name in _WATCHED if (top / name).exists()]
    diff = _git(top, *_DIFF, "HEAD", "--", *watched) or b""
    listed = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *watched) or b""
    for name in sorted(filter(None, listed.decode(errors="surrogateescape").split("\0"))):
        if name.endswith(_SOURCES) and len(diff) <= MOST_DIFF_BYTES:
            diff += _git(top, *_DIFF, "--no-index", "--", "/dev/null", name, codes=(0, 1)) or b""
    return diff


def _git(top: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes | None:
    """What git says of the checkout; None without git, without a checkout, or where it refuses."""
    try:
        done = subprocess.run(
            ["git", *_NO_HELPERS, *arguments],
            cwd=top,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode in codes else None
