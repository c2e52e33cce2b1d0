"""Which hash lists in a folder of dailies vouch for which footage, and what they miss."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from interpositive.dailies.footage_rules import Reading
from interpositive.dailies.take import Take
from interpositive.dailies.walking import Footage, Walk
from interpositive.media.still_formats import FRAME_EXTENSIONS, split_frame_name
from interpositive.records.hash_lists.expecting import ExpectedFile
from interpositive.records.hash_lists.gathering import HashLists, composed, read_hash_lists
from interpositive.records.hash_lists.histories import one_line
from interpositive.records.hash_lists.manifests import HISTORY_FOLDER

HashListRule = Literal["check", "require", "ignore"]
# Paperwork larger than this is not read at every ingest.
_MAX_PAPERWORK_BYTES = 64 << 20


@dataclass(frozen=True)
class ListedFootage:
    """One movie or sequence, and what the hash lists say of it.

    ``expected`` are its files that a list names; ``refusal`` is a reason to quarantine it unread;
    ``hash_list`` vouches for it if its bytes agree, and is empty where not all of its files are listed:
    then ``note`` says so, in a source that has lists. ``reading`` is how the production wants it read.
    """

    footage: Footage
    expected: Mapping[Path, ExpectedFile] = field(default_factory=dict)
    refusal: str = ""
    hash_list: str = ""
    note: str = ""
    reading: Reading = field(default_factory=Reading)

    def settles(self, take: Take) -> bool:
        """Whether a take whose file is unchanged need not be read again for what the lists say now."""
        return not self.refusal and self.hash_list in ("", take.hash_list)


class Vouching:
    """The hash lists of a walked source, under a production's rule for them."""

    def __init__(self, walk: Walk, rule: HashListRule) -> None:
        self._source, self._rule = walk.source, rule
        self._lists = HashLists(walk.source) if rule == "ignore" else read_hash_lists(walk.source)
        self._broken = [history for history in self._lists.histories if history.problems]
        self._missing = self._find_missing(walk)

    @property
    def any_list(self) -> bool:
        """Whether the source carries a hash list at all."""
        return bool(self._lists.histories or self._lists.simple)

    def of(self, footage: Footage) -> ListedFootage:
        """What to expect of one movie or sequence."""
        if self._rule == "ignore":
            return ListedFootage(footage)
        for history in self._broken:
            if footage.path.is_relative_to(history.folder):
                problem = history.problems[0]
                return ListedFootage(
                    footage, refusal=f"its hash list {problem.path.name} cannot be trusted: {problem.reason}"
                )
        files = footage.frames or (footage.path,)
        expected = {file: one for file in files if (one := self._expected(file)) is not None}
        if lost := [name for name in self._missing.get(footage.path, ()) if _is_frame_of(footage, name)]:
            return ListedFootage(
                footage, refusal=f"{len(lost)} of its frames are listed but missing, the first is {lost[0]}"
            )
        if len(expected) == len(files):
            vouching = next(one.hash_list for one in expected.values() if one.hash_list)
            return ListedFootage(footage, expected, hash_list=vouching.relative_to(self._source).as_posix())
        unlisted = f"{len(files) - len(expected)} of its {len(files)} frames are" if expected else "it is"
        note = f"{unlisted} in no hash list" if self.any_list else ""
        if self._rule == "require":
            return ListedFootage(footage, refusal=f"{unlisted} in no hash list, and this production requires one")
        return ListedFootage(footage, expected, note=note)

    def missing(self) -> Iterator[tuple[Path, str]]:
        """Listed files that are not there, each with the list that names it."""
        for folder, names in self._missing.items():
            for name in names:
                place = (folder / name).relative_to(self._source).as_posix()
                hash_list = self._lists.expected[place].hash_list
                yield folder / name, f"listed in {hash_list.name if hash_list else 'a hash list'}"

    def untrusted(self) -> dict[Path, str]:
        """Lists that cannot be trusted, each with its reasons."""
        reasons: dict[Path, list[str]] = defaultdict(list)
        for problem in self._lists.problems:
            reasons[problem.path].append(problem.reason)
        return {path: "; ".join(told) for path, told in reasons.items()}

    def is_used(self, path: Path) -> bool:
        """Whether a file is one of the lists that footage is checked against, or of a chain of them."""
        whole = (history.folder for history in self._lists.histories if not history.problems)
        return path in self._lists.simple or any(path.parent == folder / HISTORY_FOLDER for folder in whole)

    def contradicted(self, paperwork: Iterable[Path]) -> dict[Path, str]:
        """Those sheets and sidecars that differ from what a list says of them; large ones are not read."""
        found = {}
        for path in paperwork:
            expected = self._expected(path)
            if expected is None or path.is_symlink() or not path.is_file():
                continue
            try:
                reason = expected.check(path) if path.stat().st_size <= _MAX_PAPERWORK_BYTES else ""
            except OSError as error:
                reason = one_line(error)
            if reason:
                found[path] = reason
        return found

    def _expected(self, file: Path) -> ExpectedFile | None:
        return self._lists.expected_at(file.relative_to(self._source).as_posix())

    def _find_missing(self, walk: Walk) -> dict[Path, list[str]]:
        missing: dict[Path, list[str]] = defaultdict(list)
        gone = [place for place in self._lists.expected if not os.path.lexists(walk.source / place)]
        met = {composed(path.relative_to(walk.source).as_posix()) for path in _met(walk)} if gone else set()
        for place in gone:
            if composed(place) not in met:
                path = walk.source / place
                missing[path.parent].append(path.name)
        return {folder: sorted(names) for folder, names in sorted(missing.items())}


def _is_frame_of(footage: Footage, name: str) -> bool:
    """Whether a file that is gone was a frame of a sequence, by its name: a picture's, or that of the other frames."""
    if Path(name).suffix.lower() in FRAME_EXTENSIONS:
        return True
    lost, there = split_frame_name(Path(name)), split_frame_name(footage.frames[0]) if footage.frames else None
    return lost is not None and there is not None and (lost.stem, lost.extension) == (there.stem, there.extension)


def _met(walk: Walk) -> Iterator[Path]:
    for footage in walk.footage:
        yield from footage.frames or (footage.path,)
    yield from walk.sheets
    yield from (path for path, _ in (*walk.refused, *walk.ignored))
