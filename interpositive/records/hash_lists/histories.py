"""An ASC MHL history: the generations of one folder, in order, with what speaks against trusting them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from interpositive.errors import IntegrityError
from interpositive.records.digests import hash_file
from interpositive.records.hash_lists.formats import HASH_FORMATS, FolderDigest, folder_digest
from interpositive.records.hash_lists.ignoring import DEFAULT_IGNORED, IgnorePatterns
from interpositive.records.hash_lists.listed import HashList, ListedFile
from interpositive.records.hash_lists.manifests import CHAIN_NAME, HISTORY_FOLDER, read_chain, read_manifest

_NUMBERED = re.compile(r"^(\d{4,9})(?:_.*)?\.mhl$", re.DOTALL)


@dataclass(frozen=True)
class ListProblem:
    """Why a hash list at ``path`` cannot be trusted."""

    path: Path
    reason: str


@dataclass
class History:
    """The generations that cover ``folder``, oldest first, and the ``problems`` met in reading them."""

    folder: Path
    generations: list[HashList] = field(default_factory=list)
    problems: list[ListProblem] = field(default_factory=list)

    @cached_property
    def ignored(self) -> IgnorePatterns:
        """The patterns of the latest generation, and those that no history does without."""
        latest = self.generations[-1].ignored if self.generations else ()
        return IgnorePatterns([*DEFAULT_IGNORED, *latest])


def has_history(folder: Path) -> bool:
    """Whether a folder carries an ASC MHL history."""
    return (folder / HISTORY_FOLDER).is_dir()


def read_history(folder: Path) -> History:
    """Read and check one folder's chain and manifests; what is wrong becomes a problem, never an exception.

    Found are a missing chain, manifests that were edited, dropped, renamed or added beside the chain, and
    manifests whose directory hashes do not follow from the files that they list.
    """
    history, place = History(folder), folder / HISTORY_FOLDER
    for name in _chained_manifests(history, place):
        try:
            generation = read_manifest(place / name)
            _check_folder_digests(generation)
        except (IntegrityError, OSError) as error:
            history.problems.append(ListProblem(place / name, one_line(error)))
        else:
            history.generations.append(generation)
    return history


def read_histories(folder: Path) -> list[History]:
    """The history of a folder and those of folders inside it, outermost first, with their references checked."""
    found = []
    for place, folders, _ in os.walk(folder):
        if HISTORY_FOLDER in folders:
            folders.remove(HISTORY_FOLDER)
            found.append(read_history(Path(place)))
    for history in found:
        _check_references(history)
    return found


def c4_of_file(path: Path) -> bytes:
    """A file's C4 digest, as the 64 bytes of its SHA-512."""
    digest = HASH_FORMATS["c4"].make()
    hash_file(path, [digest])
    return digest.digest()


def _chained_manifests(history: History, place: Path) -> list[str]:
    """Names of the manifests that the chain and their digests agree on."""
    chain_path = place / CHAIN_NAME

    def note(path: Path, reason: str) -> None:
        history.problems.append(ListProblem(path, reason))

    if place.is_symlink():
        note(place, "the history is a link to another place")
        return []
    try:
        present = {name for name in os.listdir(place) if name.lower().endswith(".mhl") and not name.startswith("._")}
        if CHAIN_NAME not in os.listdir(place):
            note(chain_path, "the chain file is missing, so nobody knows which generations there were")
            return []
        links = read_chain(chain_path)
    except (IntegrityError, OSError) as error:
        note(chain_path, one_line(error))
        return []
    if not links:
        note(chain_path, "the chain file names no generation")
    if [link.number for link in links] != list(range(1, len(links) + 1)):
        numbers = ", ".join(str(link.number) for link in links[:20])
        note(chain_path, f"the chain does not count its generations from 1 without a gap: {numbers}")
    for name in sorted(present - {link.name for link in links}):
        note(place / name, "this generation is not in the chain")
    whole = []
    for link in links:
        numbered = _NUMBERED.match(link.name)
        if link.name not in present:
            note(place / link.name, f"generation {link.number} is missing, the chain names it")
        elif numbered is None or int(numbered[1]) != link.number:
            note(place / link.name, f"it stands in the chain as generation {link.number}")
        elif (place / link.name).is_symlink() or not (place / link.name).is_file():
            note(place / link.name, "it is no regular file")
        elif c4_of_file(place / link.name) != link.c4:
            note(place / link.name, f"generation {link.number} was changed after it was sealed (its C4 differs)")
        else:
            whole.append(link.name)
    return whole


def _check_references(history: History) -> None:
    """Each generation of an outer history names the generations inside it, with their C4 digests."""
    moved: dict[str, str] = {}
    for generation in reversed(history.generations):
        for text, c4 in generation.references:
            path = history.folder / follow(text, moved)
            reason = ""
            if PurePosixPath(text).parent.name != HISTORY_FOLDER:
                reason = "it refers to what is no generation of a history inside"
            elif not path.is_file():
                reason = f"it refers to {text}, which is missing"
            elif not path.resolve().is_relative_to(history.folder.resolve()) or c4_of_file(path) != c4:
                reason = f"it refers to {text}, which is not the same any more"
            if reason:
                history.problems.append(ListProblem(generation.path, reason))
        for folder in generation.folders:
            if folder.previous_path is not None:
                moved[folder.previous_path] = follow(folder.path, moved)


def follow(path: str, moved: Mapping[str, str]) -> str:
    """Where a path lies after folders on its way were renamed."""
    for above in (PurePosixPath(path), *PurePosixPath(path).parents):
        if (new := moved.get(str(above))) is not None:
            return str(PurePosixPath(new) / PurePosixPath(path).relative_to(above))
    return path


def _check_folder_digests(generation: HashList) -> None:
    """Compute a manifest's directory hashes from the files it lists; ``IntegrityError`` names the first that differs.

    Digests of folders with a history of their own are taken as they stand: the files below are listed there.
    """
    nested = {str(PurePosixPath(text).parent.parent) for text, _ in generation.references}
    listed = {folder.path: folder.digests for folder in generation.folders} | {".": generation.root}
    for name in sorted({name for digests in listed.values() for name in digests}):
        computed = computed_folder_digests(generation.files, listed, name, nested)
        for path, digests in listed.items():
            if name in digests and path in computed and path not in nested and computed[path] != digests[name]:
                raise IntegrityError(
                    f"the {name} directory hash of {path} does not follow from the files listed",
                    found=HASH_FORMATS[name].to_text(digests[name].content),
                    expected=HASH_FORMATS[name].to_text(computed[path].content),
                )


def computed_folder_digests(
    files: Sequence[ListedFile],
    folders: Mapping[str, Mapping[str, FolderDigest]],
    name: str,
    taken: Collection[str] = (),
) -> dict[str, FolderDigest]:
    """Directory hashes in one format, by folder, ``.`` being the covered one.

    ``folders`` are those there are (also the empty ones), with the digests of ``taken`` ones. Folders over a file
    that has no digest in this format are left out.
    """
    paths = {*folders, *(str(PurePosixPath(file.path).parent) for file in files)}
    children: dict[str, dict[str, bytes | FolderDigest]] = {
        str(above): {} for path in paths for above in (PurePosixPath(path), *PurePosixPath(path).parents)
    }
    unknown: set[str] = set()
    for file in files:
        parent = str(PurePosixPath(file.path).parent)
        digest = next((one.digest for one in file.hashes if one.format == name), None)
        if digest is None:
            unknown.add(parent)
        else:
            children[parent][PurePosixPath(file.path).name] = digest
    computed: dict[str, FolderDigest] = {}
    for path in sorted(children, key=lambda path: len(PurePosixPath(path).parts), reverse=True):
        parent = str(PurePosixPath(path).parent)
        if path in taken:
            known = folders.get(path, {}).get(name)
        else:
            known = None if path in unknown else folder_digest(HASH_FORMATS[name], children[path])
        if known is not None:
            computed[path] = known
        if path == ".":
            continue
        if known is None:
            unknown.add(parent)
        else:
            children[parent][PurePosixPath(path).name] = known
    return computed


def one_line(error: IntegrityError | OSError) -> str:
    """What an error says, for a table or a report."""
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror}"
    said = [error.what]
    said += [f"{word} {value}" for word, value in (("found", error.found), ("expected", error.expected)) if value]
    return "; ".join(said)
