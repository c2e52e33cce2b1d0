"""What hash lists expect of files: the digests that each must have, whatever list or generation says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.records.digests import Hasher, hash_file
from interpositive.records.hash_lists.formats import HASH_FORMATS, Digesting
from interpositive.records.hash_lists.histories import History, follow
from interpositive.records.hash_lists.listed import HashList, ListedFile


@dataclass
class ExpectedFile:
    """The digests recorded for one file, by format, each with the list that recorded it first.

    ``hash_list`` is the latest list that vouches for the file; ``trouble`` says why none can.
    """

    digests: dict[str, bytes] = field(default_factory=dict)
    recorded_in: dict[str, Path] = field(default_factory=dict)
    hash_list: Path | None = None
    _contradiction: str = ""
    _without_digest: str = ""

    @property
    def trouble(self) -> str:
        """Why the lists cannot vouch for the file, whatever its bytes; empty if they can."""
        return self._contradiction or ("" if self.digests else self._without_digest)

    def join(self, later: ExpectedFile) -> None:
        """Take in what a later list says of the same file; the first digest of each format stays."""
        for name, digest in later.digests.items():
            known = self.digests.setdefault(name, digest)
            first, second = self.recorded_in.setdefault(name, later.recorded_in[name]), later.recorded_in[name]
            if known != digest:
                self._contradiction = f"{second.name} contradicts {first.name}: they list different {name} digests"
        self.hash_list = later.hash_list or self.hash_list
        self._contradiction = self._contradiction or later._contradiction
        self._without_digest = self._without_digest or later._without_digest

    def compare(self) -> Comparison:
        """A comparison to feed with the file's bytes."""
        return Comparison(self)

    def check(self, path: Path, also: Sequence[Hasher] = ()) -> str:
        """Read a file once, for the recorded digests and for other hashers; gives what is wrong, or nothing."""
        comparison = self.compare()
        hash_file(path, [*also, *comparison.hashers])
        return comparison.finish()


class Comparison:
    """``hashers`` take in a file's bytes, whoever reads them; then :meth:`finish` says what is wrong."""

    def __init__(self, expected: ExpectedFile) -> None:
        self._expected = expected
        self._by_name: dict[str, Digesting] = {name: HASH_FORMATS[name].make() for name in expected.digests}

    @property
    def hashers(self) -> Sequence[Hasher]:
        """One for each recorded digest."""
        return tuple(self._by_name.values())

    def finish(self) -> str:
        """In words, why nothing can vouch for the file, or the first digest that differs; empty if all agree."""
        for name, hasher in self._by_name.items():
            found, listed = hasher.digest(), self._expected.digests[name]
            if found != listed:
                to_text, hash_list = HASH_FORMATS[name].to_text, self._expected.recorded_in[name].name
                return f"differs from the hash list {hash_list}: {name} {to_text(found)}, listed {to_text(listed)}"
        return self._expected.trouble


def expected_by_history(history: History) -> dict[str, ExpectedFile]:
    """What all generations of a history expect, by path in the covered folder; renamed files under their last name.

    A file that the latest generation leaves out by its patterns is expected no more, unless it is there.
    """
    expected: dict[str, ExpectedFile] = {}
    for generation in history.generations:
        expected = _renamed(expected, generation)
        _record(expected, generation)
    ignored = history.ignored
    return {path: one for path, one in expected.items() if (history.folder / path).is_file() or not ignored.match(path)}


def expected_by_list(hash_list: HashList) -> dict[str, ExpectedFile]:
    """What a list without a history expects, by path in the folder it lies in."""
    expected: dict[str, ExpectedFile] = {}
    _record(expected, hash_list)
    return expected


def _record(expected: dict[str, ExpectedFile], hash_list: HashList) -> None:
    for listed in hash_list.files:
        expected.setdefault(listed.path, ExpectedFile()).join(_expected_file(listed, hash_list.path))


def _expected_file(listed: ListedFile, path: Path) -> ExpectedFile:
    holding = [one for one in listed.hashes if not one.failed]
    digests = {one.format: one.digest for one in reversed(holding)}
    one = ExpectedFile(digests, dict.fromkeys(digests, path), path if digests else None)
    if any(digests[other.format] != other.digest for other in holding):
        one._contradiction = f"{path.name} contradicts itself: it lists two digests for the file"
    if not digests:
        unknown = ", ".join(listed.unknown_formats)
        why = f"only with {unknown}, which is no known digest" if unknown else "without a digest that holds"
        one._without_digest = f"listed in {path.name} {why}"
    return one


def _renamed(expected: dict[str, ExpectedFile], generation: HashList) -> dict[str, ExpectedFile]:
    files = {one.previous_path: one.path for one in generation.files if one.previous_path is not None}
    folders = {one.previous_path: one.path for one in generation.folders if one.previous_path is not None}
    if not files and not folders:
        return expected
    renamed: dict[str, ExpectedFile] = {}
    for path, one in expected.items():
        renamed.setdefault(files.get(path) or follow(path, folders), ExpectedFile()).join(one)
    return renamed
