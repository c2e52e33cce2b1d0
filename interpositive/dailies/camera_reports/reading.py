"""One door to all camera reports: the family is told by what is in the file, never by its name."""

from __future__ import annotations

from pathlib import Path

from interpositive.dailies.camera_reports import arri, blackmagic, mosys, opentrackio, red
from interpositive.dailies.camera_reports.contract import HEAD_BYTES, MOST_BYTES, ReportFamily, refuse
from interpositive.errors import InterpositiveError, PaperworkError
from interpositive.records.camera_data import CameraReport

FAMILIES: tuple[ReportFamily, ...] = (
    arri.FAMILY,
    red.FRAMES,
    red.STATIC,
    blackmagic.FAMILY,
    opentrackio.FAMILY,
    mosys.FAMILY,
)


def family_of(path: Path) -> ReportFamily | None:
    """The family a file belongs to by its first bytes; None if it is no camera report that we know."""
    try:
        with Path(path).open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return None
    head = head.removeprefix(b"\xef\xbb\xbf")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "ignore").encode()
    return next((family for family in FAMILIES if family.recognises(head)), None)


def read_camera_report(path: Path) -> CameraReport:
    """Read one report whole, or raise ``PaperworkError`` with the line at fault and how to mend it."""
    path = Path(path)
    family = family_of(path)
    if family is None:
        raise PaperworkError(
            f"{path.name} is no camera report that can be read",
            found="a file of another kind" if path.is_file() else "no file",
            expected=", ".join(family.name for family in FAMILIES),
            remedy="export the report with the camera maker's tool",
        )
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise refuse(path.name, "larger than a camera report", found=f"{size} bytes", expected=f"{MOST_BYTES} at most")
    try:
        return family.read(path.read_bytes(), path.name)
    except InterpositiveError:
        raise
    except (ValueError, OverflowError) as error:
        # Thousands of digits, which are a number to every pattern and to no machine.
        raise refuse(path.name, "a value that no camera writes", found=" ".join(str(error).split())[:120]) from None
