"""All hash lists that lie in a folder, and what they expect of the files in it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.expecting import ExpectedFile, expected_by_history, expected_by_list
from interpositive.records.hash_lists.histories import History, ListProblem, one_line, read_histories
from interpositive.records.hash_lists.manifests import HISTORY_FOLDER
from interpositive.records.hash_lists.simple_lists import SIMPLE_EXTENSIONS, read_simple_list


@dataclass
class HashLists:
    """The lists in ``folder``: ``expected`` files by path in it, ``problems`` of lists that cannot be trusted.

    ``simple`` are the paths of lists without a history, read or not.
    """

    folder: Path
    histories: list[History] = field(default_factory=list)
    simple: list[Path] = field(default_factory=list)
    expected: dict[str, ExpectedFile] = field(default_factory=dict)
    problems: list[ListProblem] = field(default_factory=list)

    def expected_at(self, place: str) -> ExpectedFile | None:
        """What the lists expect of the file at ``place`` in the folder; None if none names it."""
        return self.expected.get(place) or self.expected.get(self._composed.get(composed(place), ""))

    @cached_property
    def _composed(self) -> dict[str, str]:
        return {composed(place): place for place in self.expected}

    def leaves_out(self, path: Path) -> bool:
        """Whether a history that covers ``path`` leaves it out by its patterns."""
        return any(
            path.is_relative_to(history.folder) and history.ignored.match(path.relative_to(history.folder).as_posix())
            for history in self.histories
        )

    def _expect(self, folder: Path, expected: dict[str, ExpectedFile]) -> None:
        for path, one in expected.items():
            place = (folder / path).relative_to(self.folder).as_posix()
            self.expected.setdefault(place, ExpectedFile()).join(one)


def read_hash_lists(folder: Path) -> HashLists:
    """Read every ASC MHL history, MHL 1.x file and plain list of digests in a folder, at any depth."""
    lists = HashLists(folder)
    lists.simple = sorted(_simple_lists(folder))
    for path in lists.simple:
        try:
            hash_list = read_simple_list(path)
        except (IntegrityError, OSError) as error:
            lists.problems.append(ListProblem(path, one_line(error)))
        else:
            lists._expect(path.parent, expected_by_list(hash_list))
    lists.histories = read_histories(folder)
    for history in lists.histories:
        lists.problems += history.problems
        lists._expect(history.folder, expected_by_history(history))
    return lists


def _simple_lists(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        if HISTORY_FOLDER in folders:
            folders.remove(HISTORY_FOLDER)
        for name in names:
            if Path(name).suffix.lower() in SIMPLE_EXTENSIONS and not name.startswith("."):
                yield Path(place, name)


def composed(place: str) -> str:
    """A path with its accented letters in the one form that every file system's form leads to."""
    return unicodedata.normalize("NFC", place)


def names_on_disk(expected: Iterable[str], present: Iterable[str]) -> dict[str, str]:
    """The present path for each expected one that is there, also where an accented letter is composed differently."""
    there = set(present)
    by_form = {composed(path): path for path in there}
    found = {path: path if path in there else by_form.get(composed(path)) for path in expected}
    return {path: name for path, name in found.items() if name is not None}
