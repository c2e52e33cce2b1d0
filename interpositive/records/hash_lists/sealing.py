"""A folder sealed with a new ASC MHL generation that says nothing of the machine or the person that made it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree

from interpositive._version import __version__
from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.expecting import ExpectedFile, expected_by_history
from interpositive.records.hash_lists.formats import HASH_FORMATS, Digesting, FolderDigest
from interpositive.records.hash_lists.histories import c4_of_file, computed_folder_digests, read_histories
from interpositive.records.hash_lists.ignoring import DEFAULT_IGNORED, IgnorePatterns
from interpositive.records.hash_lists.listed import ListedFile, ListedHash, stay_inside
from interpositive.records.hash_lists.manifests import (
    CHAIN_NAME,
    CHAIN_NAMESPACE,
    HISTORY_FOLDER,
    MANIFEST_NAMESPACE,
    ChainLink,
    read_chain,
)
from interpositive.records.publishing import write_file_whole

TOOL_NAME = "interpositive"
# The fast digest that film tools use by default, and the strong one that the chain uses.
SEAL_FORMATS = ("c4", "xxh128")


def generation_path(number: int, name: str, created: datetime) -> str:
    """Where in a folder of this ``name`` a generation lies that was made at ``created``."""
    plain = re.sub(r"[^\w. -]", "_", name)[:64]
    return f"{HISTORY_FOLDER}/{number:04d}_{plain}_{created.astimezone(UTC):%Y-%m-%d_%H%M%SZ}.mhl"


def seal_folder(folder: Path, name: str, created: datetime | None = None) -> Path:
    """Write a folder's next ASC MHL generation over all files in it, and extend its chain; gives the manifest's path.

    ``name`` is the folder's name in the manifest's, as the folder may get its own later. Host, user and place are
    left empty. ``IntegrityError`` if the folder does not agree with its earlier generations: a file changed or
    missing, a broken chain; or if it holds a link or a folder with a history of its own.
    """
    folder, created = Path(folder), (created or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    known, chain, ignored = _earlier_generations(folder)
    paths, folders = _contents(folder, IgnorePatterns(ignored))
    if missing := sorted(set(known) - set(paths)):
        raise IntegrityError(f"{folder} lacks files of its own hash list", found=f"no {', '.join(missing[:5])}")
    files = [_digested(folder, path, known.get(path)) for path in paths]
    digests: dict[str, dict[str, FolderDigest]] = {path: {} for path in folders}
    for hash_format in SEAL_FORMATS:
        for path, digest in computed_folder_digests(files, digests, hash_format).items():
            digests[path][hash_format] = digest
    number = len(chain) + 1
    manifest = folder / generation_path(number, name, created)
    date = created.isoformat()
    write_file_whole(manifest, _manifest_xml(folder, files, digests, ignored, set(known), date))
    chain = [*chain, ChainLink(number, manifest.name, c4_of_file(manifest))]
    write_file_whole(manifest.parent / CHAIN_NAME, _chain_xml(chain))
    return manifest


def _earlier_generations(folder: Path) -> tuple[dict[str, ExpectedFile], list[ChainLink], Sequence[str]]:
    histories = read_histories(folder)
    if any(history.folder != folder for history in histories):
        raise IntegrityError(f"{folder} holds folders with hash lists of their own", expected="one history at most")
    if not histories:
        return {}, [], DEFAULT_IGNORED
    if problems := histories[0].problems:
        raise IntegrityError(f"{problems[0].path} cannot be trusted", found=problems[0].reason)
    ignored = dict.fromkeys((*DEFAULT_IGNORED, *histories[0].generations[-1].ignored))
    return expected_by_history(histories[0]), read_chain(folder / HISTORY_FOLDER / CHAIN_NAME), tuple(ignored)


def _contents(folder: Path, ignored: IgnorePatterns) -> tuple[list[str], list[str]]:
    """Paths of all files and of all folders (``.`` is the folder itself), in order."""
    files, folders = [], []
    for place, inner, names in os.walk(folder):
        relative = Path(place).relative_to(folder)
        inner[:] = sorted(name for name in inner if not ignored.match(f"{(relative / name).as_posix()}/x"))
        folders.append(relative.as_posix())
        for name in (*names, *inner):
            path = stay_inside((relative / name).as_posix())
            if Path(place, name).is_symlink():
                raise IntegrityError(f"{folder / path} is a link", expected="files and folders of its own")
            if name in names and not ignored.match(path):
                files.append(path)
    return sorted(files), sorted(folders)


def _digested(folder: Path, path: str, known: ExpectedFile | None) -> ListedFile:
    hashers: dict[str, Digesting] = {name: HASH_FORMATS[name].make() for name in SEAL_FORMATS}
    reason = (known or ExpectedFile()).check(folder / path, tuple(hashers.values()))
    if reason:
        raise IntegrityError(f"{folder / path} is not what was sealed before", found=reason)
    digests = {name: hasher.digest() for name, hasher in hashers.items()} | (known.digests if known else {})
    return ListedFile(path, tuple(ListedHash(name, digests[name]) for name in sorted(digests)))


def _manifest_xml(
    folder: Path,
    files: Sequence[ListedFile],
    folders: Mapping[str, Mapping[str, FolderDigest]],
    ignored: Sequence[str],
    known: set[str],
    date: str,
) -> bytes:
    top = _top("hashlist", MANIFEST_NAMESPACE, version="2.0")
    creator = _add(top, "creatorinfo")
    _add(creator, "creationdate", date)
    # The schema asks for the element; which machine it was is nobody's concern.
    _add(creator, "hostname", "")
    _add(creator, "tool", TOOL_NAME, version=__version__)
    steps = _add(top, "processinfo")
    _add(steps, "process", "in-place")
    _add_folder_digests(_add(steps, "roothash"), folders["."], date)
    patterns = _add(steps, "ignore")
    for pattern in ignored:
        _add(patterns, "pattern", pattern)
    hashes = _add(top, "hashes")
    for file in files:
        element = _add(hashes, "hash")
        _add(element, "path", file.path, size=str((folder / file.path).stat().st_size))
        action = "verified" if file.path in known else "original"
        for one in file.hashes:
            _add(element, one.format, HASH_FORMATS[one.format].to_text(one.digest), action=action, hashdate=date)
    for path, digests in folders.items():
        if path != ".":
            element = _add(hashes, "directoryhash")
            _add(element, "path", path)
            _add_folder_digests(element, digests, date)
    return _xml_bytes(top)


def _add_folder_digests(element: Any, digests: Mapping[str, FolderDigest], date: str) -> None:
    content, structure = _add(element, "content"), _add(element, "structure")
    for name, digest in sorted(digests.items()):
        _add(content, name, HASH_FORMATS[name].to_text(digest.content), hashdate=date)
        _add(structure, name, HASH_FORMATS[name].to_text(digest.structure), hashdate=date)


def _chain_xml(chain: Sequence[ChainLink]) -> bytes:
    top = _top("ascmhldirectory", CHAIN_NAMESPACE)
    for link in chain:
        element = _add(top, "hashlist", sequencenr=str(link.number))
        _add(element, "path", link.name)
        _add(element, "c4", HASH_FORMATS["c4"].to_text(link.c4))
    return _xml_bytes(top)


def _top(tag: str, namespace: str, **attributes: str) -> Any:
    return etree.Element(f"{{{namespace}}}{tag}", attributes, nsmap={None: namespace})


def _add(parent: Any, tag: str, text: str | None = None, **attributes: str) -> Any:
    element = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{tag}", attributes)
    element.text = text
    return element


def _xml_bytes(top: Any) -> bytes:
    written: bytes = etree.tostring(top, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written
