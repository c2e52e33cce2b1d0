"""What is judged and against what: one shot, or a folder of shots whose partners are found by name."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from interpositive.errors import MediaError
from interpositive.media.containers import MOVIE_EXTENSIONS
from interpositive.media.still_formats import FRAME_EXTENSIONS
from interpositive.records.delivery_manifest import MANIFEST_NAME, read_and_verify

ROLES = ("result", "against", "reference", "plate", "mask")


@dataclass(frozen=True)
class JudgedPaths:
    """One shot: its name, and where each role's pictures lie (a movie, or a folder of frames)."""

    name: str
    paths: Mapping[str, Path]


def find_shots(given: Mapping[str, Path]) -> tuple[list[JudgedPaths], list[str]]:
    """The shots that ``given`` (a path by role, the result among them) describes, in name order, and notes.

    The result is a movie, a folder of frames, a delivery (its frames; as a mask
    its matte), or a folder of those; then every other role is such a folder too,
    and belongs together by name. A delivery is verified. ``MediaError`` lists
    what has no partner and names that occur twice.
    """
    for role, path in given.items():
        if not path.exists():
            raise MediaError(f"there is no {role} at {path}", found="nothing", expected="a movie or a folder")
    result = given["result"]
    if not _holds_shots(result):
        for role, path in given.items():
            if role != "result" and _holds_shots(path):
                raise MediaError(
                    f"the {role} {path} is no single shot, but the result is",
                    found="a folder without frames of its own",
                    expected="a movie or a folder of frames",
                    remedy="name the shot inside it, or give a folder of shots as result too",
                )
        return [JudgedPaths(shot_name(result), {role: pictures_path(path, role) for role, path in given.items()})], []
    notes: list[str] = []
    found = {role: _list_shots(path, role, notes) for role, path in given.items()}
    names = sorted(found["result"])
    missing = {role: [name for name in names if name not in shots] for role, shots in found.items()}
    if any(missing.values()):
        raise MediaError(
            "some shots of the result have no partner of the same name",
            found="; ".join(f"no {role} for {', '.join(absent)}" for role, absent in missing.items() if absent),
            expected="a movie or folder of the shot's name in each folder, as "
            + ", ".join(f"{path}/{names[0]}" for role, path in given.items() if role != "result"),
            remedy="add or rename them, or move the shots that are not to be judged away",
        )
    for role, shots in found.items():
        if extra := sorted(set(shots) - set(names)):
            notes.append(f"not judged, since the result has no such shot: {role} {', '.join(extra)}")
    return [
        JudgedPaths(name, {role: pictures_path(shots[name], role) for role, shots in found.items()}) for name in names
    ], notes


def shot_name(path: Path) -> str:
    """A movie's name without its extension, a folder's name whole; composed letters, so that systems agree."""
    return unicodedata.normalize("NFC", path.name if path.is_dir() else path.stem)


def pictures_path(path: Path, role: str) -> Path:
    """Where a role's pictures are: in a delivery (verified first) its frames, or its matte for a mask; else ``path``.

    ``IntegrityError`` if a delivery is not what was delivered.
    """
    if not _is_delivery(path):
        return path
    read_and_verify(path)
    return path / ("matte" if role == "mask" else "frames")


def _is_delivery(path: Path) -> bool:
    return (path / MANIFEST_NAME).is_file()


def _holds_frames(folder: Path) -> bool:
    return any(p.suffix.lower() in FRAME_EXTENSIONS and not p.name.startswith(".") for p in _entries(folder))


def _holds_shots(path: Path) -> bool:
    return path.is_dir() and not _is_delivery(path) and not _holds_frames(path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise MediaError(
            f"{folder} cannot be read", found=error.strerror or str(error), expected="a folder that may be listed"
        ) from error


def _list_shots(folder: Path, role: str, notes: list[str]) -> dict[str, Path]:
    """The shots of a folder by name; hidden files and what is no picture are passed over, other folders noted."""
    if not _holds_shots(folder):
        raise MediaError(
            f"the {role} {folder} is a single shot, but the result is a folder of shots",
            found="a delivery" if _is_delivery(folder) else "frames" if folder.is_dir() else "a file",
            expected="a folder with a movie or a folder of frames for each shot",
        )
    files = MOVIE_EXTENSIONS | ({".json"} if role == "mask" else set())
    named: dict[str, list[Path]] = defaultdict(list)
    for path in _entries(folder):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if _is_delivery(path) or _holds_frames(path):
                named[shot_name(path)].append(path)
            else:
                notes.append(f"not judged, since it holds neither frames nor a delivery: {role} folder {path.name}")
        elif path.suffix.lower() in files:
            named[shot_name(path)].append(path)
    if not named:
        raise MediaError(
            f"the {role} {folder} holds no shots",
            found="neither a movie nor a folder of frames",
            expected=f"movies ({', '.join(sorted(MOVIE_EXTENSIONS))}), folders of frames, or deliveries",
        )
    twice = {name: paths for name, paths in named.items() if len(paths) > 1}
    if twice:
        raise MediaError(
            f"the {role} {folder} has two shots of one name",
            found="; ".join(" and ".join(path.name for path in paths) for paths in twice.values()),
            expected="each shot once",
            remedy="move one of them away",
        )
    return {name: paths[0] for name, paths in named.items()}
