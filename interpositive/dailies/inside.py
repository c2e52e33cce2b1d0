"""Paths that paperwork and links name, kept inside the folder they may speak of."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import IO

from interpositive.errors import MediaError

# A name of a Windows drive, a URL or an FFmpeg protocol: "C:", "file:", "concat:".
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


def path_inside(folder: Path, text: str) -> Path:
    """The file in ``folder`` that a sidecar names by ``text``, a relative path with ``/`` or ``\\``.

    Raises ``MediaError`` for an absolute path, a drive or address, ``..``, a
    control character, an empty name, and a link that leads out of ``folder``.
    The file need not exist.
    """
    plain = text.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    reasons = {
        "an empty name": not parts,
        "a control character": any(ord(letter) < 32 or ord(letter) == 127 for letter in text),
        "an absolute path": plain.startswith("/"),
        "a drive or an address": _SCHEME.match(plain) is not None,
        "'..'": ".." in parts,
    }
    for reason, holds in reasons.items():
        if holds:
            raise _leads_out(folder, text, reason)
    path = folder.joinpath(*parts)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise _leads_out(folder, text, f"a link to {os.path.realpath(path)}")
    return path


def open_inside(folder: Path, path: Path) -> IO[bytes]:
    """Open a regular file whose true place is in ``folder``, wherever links on the way may lead by now.

    What was opened is compared with what the path without links leads to, so
    a link that was put in its place after the folder was listed is found.
    Never waits for a pipe. Raises ``MediaError``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise MediaError(f"{path.name} cannot be read", found=getattr(error, "strerror", None) or error) from error
    try:
        status, true_path = os.fstat(handle), os.path.realpath(path)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{path.name} is not a regular file", found=stat.filemode(status.st_mode))
        same = os.path.samestat(status, os.lstat(true_path))
        if not same or not Path(true_path).is_relative_to(os.path.realpath(folder)):
            raise MediaError(
                f"{path.name} is a link that leads out of the source folder",
                found=true_path,
                expected=f"a file within {folder}",
                remedy="copy the footage itself into the folder",
            )
        return open(handle, "rb", buffering=0)
    except OSError as error:
        os.close(handle)
        raise MediaError(f"{path.name} changed while it was opened", found=error.strerror) from error
    except BaseException:
        os.close(handle)
        raise


def _leads_out(folder: Path, text: str, found: str) -> MediaError:
    return MediaError(
        f"{text!r} leads out of {folder.name}",
        found=found,
        expected="a path relative to the folder, without '..'",
        remedy="name the file by its place in the folder",
    )
