"""What lies in a folder of dailies: movies, frame sequences, slate sheets, and what is none of these."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.dailies.catalogue import FileState
from interpositive.dailies.slate_rules import SIDECAR_NAME
from interpositive.errors import MediaError
from interpositive.media.containers import is_movie
from interpositive.media.still_formats import FRAME_EXTENSIONS, sniff_still, split_frame_name

_PAPERWORK = {
    "a document": {".txt", ".md", ".rst", ".pdf", ".rtf", ".doc", ".docx", ".html", ".log"},
    "paperwork of the edit or the camera": {
        *(".csv", ".tsv", ".ale", ".edl", ".xml", ".fcpxml", ".otio", ".aaf", ".json", ".yaml", ".yml"),
        *(".mhl", ".md5", ".sha1", ".sha256", ".xxhash", ".xxh64", ".xxh128", ".rmd", ".sif", ".bim", ".cpf", ".f4"),
    },
    "a colour file": {".cdl", ".cc", ".ccc", ".cube", ".3dl", ".clf", ".ctf", ".lut", ".look", ".ocio"},
    "sound": {".wav", ".bwf", ".mp3", ".aif", ".aiff", ".flac", ".m4a"},
}
_IGNORED_EXTENSIONS = {extension: why for why, extensions in _PAPERWORK.items() for extension in extensions}
_IGNORED_NAMES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Footage:
    """One movie file, or one folder of numbered frames with the paths of its ``frames``."""

    path: Path
    state: FileState
    frames: tuple[Path, ...] = ()


@dataclass
class Walk:
    """All that was met: ``footage`` and ``sheets`` in path order; what was left out, each with one reason."""

    source: Path
    footage: list[Footage] = field(default_factory=list)
    sheets: list[Path] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    ignored: list[tuple[Path, str]] = field(default_factory=list)


def walk_source(source: Path, leave_out: Collection[Path] = ()) -> Walk:
    """List a folder of dailies, in path order.

    What a file is its first bytes say, not its name: of numbered files that go together the first is looked
    into, of stills that stand alone each.

    Links out of the folder, special files and names that are no UTF-8 are
    refused; hidden files and paperwork are ignored. A folder with two numbered
    frames or more is one sequence. ``leave_out`` are paths of our own.
    Raises ``MediaError`` if ``source`` is no folder that can be read.
    """
    source = Path(source)
    if not source.is_dir():
        raise MediaError(
            f"there is no folder of dailies at {source}",
            found="a file" if source.exists() else "nothing",
            expected="a folder with movies or folders of frames",
            remedy="check the path, and that the disk is mounted",
        )
    walk = Walk(source.resolve())
    _walk_folder(walk, walk.source, {path.absolute() for path in leave_out})
    walk.footage.sort(key=lambda footage: footage.path.parts)
    return walk


def state_of(path: Path, frames: Collection[Path] = ()) -> FileState:
    """Size and last change of a movie; of a sequence the sum of sizes and the latest change."""
    stats = [(frame.stat()) for frame in frames] or [path.stat()]
    latest = max(one.st_mtime_ns for one in (*stats, path.stat()))
    return FileState(sum(one.st_size for one in stats), latest)


def _walk_folder(walk: Walk, folder: Path, leave_out: set[Path]) -> None:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        if folder == walk.source:
            raise MediaError(f"{folder} cannot be read", found=error.strerror) from error
        walk.refused.append((folder, f"the folder cannot be read: {error.strerror}"))
        return
    files = []
    for name in names:
        path = folder / name
        if path in leave_out:
            continue
        if reason := _reason_to_ignore(name):
            walk.ignored.append((path, reason))
        elif not _is_utf8(name):
            walk.refused.append((path, "its name is not valid UTF-8"))
        elif path.is_symlink() and not _link_may_be_used(walk, path):
            continue
        elif path.is_dir():
            _walk_folder(walk, path, leave_out)
        elif not stat.S_ISREG(path.stat().st_mode):
            walk.refused.append((path, f"not a regular file ({stat.filemode(path.stat().st_mode)[0]})"))
        elif name.lower() == SIDECAR_NAME:
            walk.sheets.append(path)
        elif why := _IGNORED_EXTENSIONS.get(path.suffix.lower()):
            walk.ignored.append((path, why))
        else:
            files.append(path)
    _sort_out(walk, folder, files)


def _sort_out(walk: Walk, folder: Path, files: list[Path]) -> None:
    """Tell the frames of a sequence from movies and from other sequences in the same folder."""
    families: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in files:
        if (name := split_frame_name(path)) is not None:
            families[name.stem, name.extension].append(path)
    stills = {key: _stills_of(members) for key, members in families.items() if len(members) > 1}
    sequences = {key: frames for key, frames in stills.items() if len(frames) > 1}
    frames = {frame for members in sequences.values() for frame in members}
    for path in files:
        if path in frames:
            continue
        if path.suffix.lower() in FRAME_EXTENSIONS and not is_movie(path):
            walk.refused.append((path, "a single still frame, not a take"))
        else:
            walk.footage.append(Footage(path, state_of(path)))
    if len(sequences) > 1:
        stems = ", ".join(f"{stem}#{extension}" for stem, extension in sorted(sequences))
        walk.refused.append((folder, f"frames of {len(sequences)} sequences in one folder ({stems[:160]})"))
    elif frames:
        ordered = tuple(sorted(frames, key=lambda frame: (_number(frame), frame.name)))
        walk.footage.append(Footage(folder, state_of(folder, ordered), ordered))


def _stills_of(members: list[Path]) -> list[Path]:
    """Which files of one name are frames; those of a frame's extension are, even damaged, unless they are movies."""
    try:
        if sniff_still(members[0]) is not None:
            return members
    except OSError:
        # Whoever opens it as footage says why it cannot be read.
        pass
    if members[0].suffix.lower() not in FRAME_EXTENSIONS:
        return []
    return [path for path in members if not is_movie(path)] if is_movie(members[0]) else members


def _number(frame: Path) -> int:
    name = split_frame_name(frame)
    assert name is not None
    return name.number


def _reason_to_ignore(name: str) -> str:
    if name.startswith("."):
        return "hidden"
    return "left by the file browser" if name.lower() in _IGNORED_NAMES else ""


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _link_may_be_used(walk: Walk, path: Path) -> bool:
    """Use a link only where its target lies in the source but is not walked for itself."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        walk.refused.append((path, "a link to nothing"))
        return False
    if not target.is_relative_to(walk.source):
        walk.refused.append((path, "a link that leads out of the source folder"))
        return False
    if target.is_dir() or not any(part.startswith(".") for part in target.relative_to(walk.source).parts):
        walk.ignored.append((path, f"a link to {target.relative_to(walk.source)}, which is read itself"))
        return False
    return True
