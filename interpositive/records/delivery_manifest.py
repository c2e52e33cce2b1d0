"""The record that accounts for every altered pixel of a delivered shot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path, PureWindowsPath
from typing import Any

from pydantic import Field

from interpositive.errors import IntegrityError
from interpositive.records.base import Record
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.digests import sha256_of_file
from interpositive.records.hash_lists.expecting import expected_by_history
from interpositive.records.hash_lists.histories import History, ListProblem, has_history, read_history
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode

MANIFEST_NAME = "manifest.json"


class DeliveredFile(Record):
    """One file of a delivery; ``path`` is relative to the delivery folder and uses ``/``."""

    path: str
    role: str
    sha256: str
    num_bytes: int


class SourceFile(Record):
    """Something a delivery was made from: a movie, or a folder of frames with one digest over their digests."""

    path: str
    role: str
    sha256: str


class LendingTake(Record):
    """Another take, or a clean plate, that was asked for pixels, and by what right; ``take`` is empty for a path.

    ``start_timecode`` is that of its first frame, None where it has none.
    """

    name: str
    take: str = ""
    path: str
    sha256: str
    because: str
    rate: str
    start_timecode: str | None = None

    def timecode(self, frame: int) -> str | None:
        """The timecode of one of its frames, counted from 0; None where it has none."""
        start = self.start_timecode
        if start is None:
            return None
        rate = Fraction(self.rate)
        return wrapped_timecode(timecode_to_frame(start, rate) + frame, rate, is_drop_frame(start))


class LentPixels(Record):
    """How many pixels one frame of another take gave to a delivered frame; parts of pixels add up.

    ``frame`` is counted from 0 in the take.
    """

    lender: str
    frame: int
    timecode: str | None = None
    pixels: float


class FrameAccount(Record):
    """What happened on one frame; pixel counts are of the full raster.

    ``seen_pixels`` of the mask are shown by any frame, or kept of the plate itself; None where the method did not
    look. ``lent`` is what other takes gave, before neighbouring frames are blended. ``grain`` is that of the fill
    against the plate's around it, before and after it was matched; None where it was not.
    ``expected_psnr_hole`` (dB) is how near the truth the repair is expected to be, None where nothing told.
    """

    frame: int
    timecode: str | None
    mask_pixels: int
    altered_pixels: int
    untouched_violations: int
    seen_pixels: int | None = None
    lent: list[LentPixels] = Field(default_factory=list)
    grain: tuple[float, float] | None = None
    expected_psnr_hole: float | None = None


class DeliveryManifest(Record):
    """Digests of plate, mask, model, config and every frame; versions, seeds and per-frame account.

    ``asked`` is what was asked of the task for this shot, ``verdict`` what to do with it (ship, look or redo), and
    ``lenders`` are other takes that gave it pixels.
    ``hash_list`` is the ASC MHL generation that seals all files of the delivery, this record among them.
    """

    schema_version: int = 1
    production: str
    task: str
    shot: str
    method: str
    created: str
    rate: str
    width: int
    height: int
    num_frames: int
    first_frame: int
    start_timecode: str | None
    reel: str | None = None
    frame_format: str
    encoding: str
    sources: list[SourceFile]
    config_sha256: str
    seed: int
    versions: dict[str, str]
    training_takes: list[str]
    gate: dict[str, float | None] = Field(default_factory=dict)
    verdict: str = ""
    verdict_reason: str = ""
    asked: dict[str, Any] = Field(default_factory=dict)
    lenders: list[LendingTake] = Field(default_factory=list)
    delivered: DeliveredShot | None = None
    frames: list[FrameAccount]
    files: list[DeliveredFile]
    hash_list: str = ""
    notes: list[str] = Field(default_factory=list)


def read_and_verify(folder: Path) -> DeliveryManifest:
    """Read a delivery's manifest and check every file against it, and it against the hash list it names.

    ``IntegrityError`` names the first file that is missing, added to frames or
    matte, or changed, and refuses a manifest that points out of its folder.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise IntegrityError(f"{folder} is not a delivery", found=f"no {MANIFEST_NAME}", expected="a delivery folder")
    try:
        manifest = DeliveryManifest.model_validate_json(path.read_text())
    except ValueError as error:
        raise IntegrityError(f"{path} is damaged", found=str(error)[:300], expected="a delivery manifest") from None
    known = {entry.path for entry in manifest.files}
    for entry in manifest.files:
        if not _stays_inside(entry.path):
            raise IntegrityError(
                f"{path} names a file outside its delivery", found=entry.path, expected="a path relative to the folder"
            )
        delivered = folder / entry.path
        if delivered.is_symlink() or not delivered.resolve().is_relative_to(folder.resolve()):
            raise IntegrityError(f"{delivered} is a link", found=str(delivered.resolve()), expected="the file itself")
        if not delivered.is_file():
            raise IntegrityError(f"{delivered} is missing from the delivery", expected=f"sha256 {entry.sha256}")
        found = sha256_of_file(delivered)
        if found != entry.sha256:
            raise IntegrityError(
                f"{delivered} is not the file that was delivered",
                found=f"sha256 {found}",
                expected=f"sha256 {entry.sha256}",
                remedy="restore the file from its source, or deliver the shot again into a new folder",
            )
    for group in ("frames", "matte"):
        for stray in sorted((folder / group).glob("*")):
            if stray.relative_to(folder).as_posix() not in known:
                raise IntegrityError(f"{stray} was added after delivery", expected="only files named in the manifest")
    if manifest.hash_list:
        _refuse_unsealed(folder, manifest)
    return manifest


def _refuse_unsealed(folder: Path, manifest: DeliveryManifest) -> None:
    history = read_history(folder) if has_history(folder) else History(folder)
    if manifest.hash_list not in {entry.path.relative_to(folder).as_posix() for entry in history.generations}:
        history.problems.append(ListProblem(folder / manifest.hash_list, "it is missing"))
    for problem in history.problems:
        raise IntegrityError(
            f"the hash list of {folder} cannot be trusted",
            found=f"{problem.path.name}: {problem.reason}",
            expected=f"the seal that {MANIFEST_NAME} names",
            remedy="restore the folder ascmhl as it was delivered",
        )
    sealed = expected_by_history(history)
    for path in (MANIFEST_NAME, *(entry.path for entry in manifest.files)):
        if path not in sealed:
            raise IntegrityError(f"{folder / path} is not in the hash list of its delivery", found=manifest.hash_list)
    if reason := sealed[MANIFEST_NAME].check(folder / MANIFEST_NAME):
        raise IntegrityError(f"{folder / MANIFEST_NAME} is not the file that was delivered", found=reason)


def _stays_inside(path: str) -> bool:
    # A Windows path knows both separators and drives, and so refuses what any system would take for outside.
    parts = PureWindowsPath(path)
    return bool(parts.parts) and not parts.anchor and ".." not in parts.parts
