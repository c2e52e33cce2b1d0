"""A folder compared with the hash lists in it, file by file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.expecting import ExpectedFile
from interpositive.records.hash_lists.gathering import HashLists, names_on_disk, read_hash_lists
from interpositive.records.hash_lists.histories import ListProblem, one_line
from interpositive.records.hash_lists.manifests import CHAIN_NAME, HISTORY_FOLDER

FileState = Literal["verified", "changed", "missing", "unlisted", "unchecked"]


@dataclass(frozen=True)
class FileCheck:
    """One file, by its path in the folder: what was found, why, and the list that vouches for it."""

    path: str
    state: FileState
    reason: str = ""
    hash_list: str = ""


@dataclass(frozen=True)
class FolderCheck:
    """The result of a verification; ``verified`` only if every file is listed and unchanged, and every list whole."""

    folder: Path
    files: tuple[FileCheck, ...]
    problems: tuple[ListProblem, ...]

    @property
    def verified(self) -> bool:
        """Whether some file was verified, and nothing at all speaks against the folder."""
        return not self.problems and bool(self.files) and all(file.state == "verified" for file in self.files)

    def of(self, *states: FileState) -> list[FileCheck]:
        """The files with one of these states."""
        return [file for file in self.files if file.state in states]

    def describe(self) -> str:
        """Counts, then a line for each problem and each file that was not verified."""
        counts = Counter(file.state for file in self.files)
        lines = [", ".join(f"{number} {state}" for state, number in sorted(counts.items())) or "no file is listed"]
        lines += [f"  {problem.path.relative_to(self.folder)}  {problem.reason}" for problem in self.problems]
        lines += [f"  {file.path}  {file.state}: {file.reason}" for file in self.files if file.state != "verified"]
        return "\n".join(lines)


def verify_folder(folder: Path) -> FolderCheck:
    """Read every file that the hash lists in a folder name, and compare; files that no list names are ``unlisted``.

    ``unchecked`` are files for which no list can vouch: links out of the folder, unreadable ones, those with a
    failed or contradicted record only. ``IntegrityError`` if the folder carries no hash list at all.
    """
    folder = Path(folder).resolve()
    lists = read_hash_lists(folder)
    if not lists.histories and not lists.simple:
        raise IntegrityError(
            f"{folder} carries no hash list", found="no ascmhl folder, no .mhl or .md5 file", expected="a hash list"
        )
    present = {path for path in _files(folder) if lists.expected_at(path) or not lists.leaves_out(folder / path)}
    names = names_on_disk(lists.expected, present)
    checks = [_check(lists, path, one, names.get(path)) for path, one in lists.expected.items()]
    strangers = present - set(names.values()) - _own(lists)
    hidden = _hidden_beside_manifests(lists)
    checks += [FileCheck(path, "unlisted", "no hash list names it") for path in (*strangers, *hidden)]
    return FolderCheck(folder, tuple(sorted(checks, key=lambda check: check.path)), tuple(lists.problems))


def _check(lists: HashLists, path: str, expected: ExpectedFile, name: str | None) -> FileCheck:
    vouching = expected.hash_list.relative_to(lists.folder).as_posix() if expected.hash_list else ""
    if name is None:
        return FileCheck(path, "missing", f"listed in {vouching or 'a hash list'}, not in the folder")
    place = lists.folder / name
    if not place.resolve().is_relative_to(lists.folder):
        return FileCheck(path, "unchecked", "a link that leads out of the folder")
    if not place.is_file():
        return FileCheck(path, "unchecked", "no regular file")
    if expected.trouble:
        return FileCheck(path, "unchecked", expected.trouble)
    try:
        reason = expected.check(place)
    except OSError as error:
        return FileCheck(path, "unchecked", one_line(error))
    return FileCheck(path, "changed" if reason else "verified", reason, "" if reason else vouching)


def _own(lists: HashLists) -> set[str]:
    """The lists without a history, which nobody lists; under a history they are files like all others."""
    folders = [history.folder for history in lists.histories]
    free = (path for path in lists.simple if not any(path.is_relative_to(folder) for folder in folders))
    return {path.relative_to(lists.folder).as_posix() for path in free}


def _hidden_beside_manifests(lists: HashLists) -> list[str]:
    """What lies in the folders of histories, where no list can name it; manifests and chains are checked as such."""
    found = []
    for history in lists.histories:
        place = history.folder / HISTORY_FOLDER
        known = {CHAIN_NAME, ".DS_Store", *(generation.path.name for generation in history.generations)}
        known |= {problem.path.name for problem in history.problems}
        if not place.is_symlink():
            found += [
                entry.relative_to(lists.folder).as_posix() for entry in place.iterdir() if entry.name not in known
            ]
    return found


def _files(folder: Path) -> set[str]:
    found = set()
    for place, folders, names in os.walk(folder):
        if HISTORY_FOLDER in folders:
            folders.remove(HISTORY_FOLDER)
        # A link to a folder is not walked; as a name of its own it must be listed like a file.
        links = [name for name in folders if Path(place, name).is_symlink()]
        found |= {Path(place, name).relative_to(folder).as_posix() for name in (*names, *links)}
    return found
