"""ASC MHL 2.0 manifests and chain files, as read from a folder's ``ascmhl`` folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.formats import ASC_MHL_FORMATS, HASH_FORMATS, FolderDigest
from interpositive.records.hash_lists.listed import HashList, ListedFile, ListedFolder, ListedHash, stay_inside
from interpositive.records.hash_lists.xml_parts import iterate_parts, text_of

MANIFEST_NAMESPACE = "urn:ASC:MHL:v2.0"
CHAIN_NAMESPACE = "urn:ASC:MHL:DIRECTORY:v2.0"
HISTORY_FOLDER = "ascmhl"
CHAIN_NAME = "ascmhl_chain.xml"
_IN = f"{{{MANIFEST_NAMESPACE}}}"
_IN_CHAIN = f"{{{CHAIN_NAMESPACE}}}"
_NO_HASHES = {f"{_IN}path", f"{_IN}previousPath", f"{_IN}metadata"}


@dataclass(frozen=True)
class ChainLink:
    """One line of a chain file: the generation's ``number``, its manifest and that manifest's C4 digest."""

    number: int
    name: str
    c4: bytes


def read_manifest(path: Path) -> HashList:
    """Read one generation; ``IntegrityError`` says what in it cannot be trusted."""
    files: list[ListedFile] = []
    folders: list[ListedFolder] = []
    ignored: list[str] = []
    references: list[tuple[str, bytes]] = []
    root: dict[str, FolderDigest] = {}
    tags = {f"{_IN}{tag}" for tag in ("hash", "directoryhash", "roothash", "pattern", "hashlistreference")}
    for element in iterate_parts(path, f"{_IN}hashlist", tags):
        match element.tag.removeprefix(_IN):
            case "hashlist":
                if element.get("version") != "2.0":
                    raise IntegrityError(
                        "another version of ASC MHL", found=str(element.get("version"))[:40], expected="2.0"
                    )
            case "hash":
                files.append(_file(element))
            case "directoryhash":
                folders.append(ListedFolder(_path(element), _folder_digests(element), _previous(element)))
            case "roothash":
                root = _folder_digests(element)
            case "pattern":
                ignored.append(text_of(element))
            case "hashlistreference":
                references.append((_path(element), _c4(element, _IN)))
    return HashList(path, tuple(files), tuple(folders), root, tuple(ignored), tuple(references))


def read_chain(path: Path) -> list[ChainLink]:
    """Read a chain file, in its own order; ``IntegrityError`` says what in it cannot be trusted."""
    links = []
    for element in iterate_parts(path, f"{_IN_CHAIN}ascmhldirectory", {f"{_IN_CHAIN}hashlist"}):
        if element.tag != f"{_IN_CHAIN}hashlist":
            continue
        number, name = str(element.get("sequencenr", "")), stay_inside(text_of(_child(element, f"{_IN_CHAIN}path")))
        if not number.isdecimal() or len(number) > 9 or "/" in name:
            raise IntegrityError(
                f"{path.name} has a line that names no generation",
                found=f"number {number[:40]!r}, file {name[:100]!r}",
                expected="a number from 1 and the name of a file beside it",
            )
        links.append(ChainLink(int(number), name, _c4(element, _IN_CHAIN)))
    return links


def _child(element: Any, tag: str) -> Any:
    child = element.find(tag)
    if child is None:
        where = element.tag.rsplit("}", 1)[-1]
        raise IntegrityError(f"a {where} without a {tag.rsplit('}', 1)[-1]}", expected="ASC MHL 2.0")
    return child


def _path(element: Any) -> str:
    return stay_inside(text_of(_child(element, f"{_IN}path")))


def _previous(element: Any) -> str | None:
    previous = element.find(f"{_IN}previousPath")
    return None if previous is None else stay_inside(text_of(previous))


def _c4(element: Any, namespace: str) -> bytes:
    return HASH_FORMATS["c4"].to_bytes(text_of(_child(element, f"{namespace}c4")))


def _file(element: Any) -> ListedFile:
    hashes, unknown = [], []
    for child in element:
        name = child.tag.removeprefix(_IN)
        if name in ASC_MHL_FORMATS:
            digest = HASH_FORMATS[name].to_bytes(text_of(child))
            hashes.append(ListedHash(name, digest, failed=child.get("action") == "failed"))
        elif child.tag not in _NO_HASHES:
            unknown.append(name[:40])
    return ListedFile(_path(element), tuple(hashes), _previous(element), tuple(unknown))


def _folder_digests(element: Any) -> dict[str, FolderDigest]:
    content, structure = (
        {
            name: HASH_FORMATS[name].to_bytes(text_of(digest))
            for digest in _child(element, f"{_IN}{kind}")
            if (name := digest.tag.removeprefix(_IN)) in ASC_MHL_FORMATS
        }
        for kind in ("content", "structure")
    )
    return {name: FolderDigest(content[name], structure[name]) for name in content if name in structure}
