"""The XML of an Interoperable Master Format package (SMPTE ST 2067-2): what it lists, and what of it is there.

Only names and sizes are looked at. A package is read to be recognised, not to be played.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from lxml import etree

from interpositive.errors import PaperworkError
from interpositive.records.base import Record
from interpositive.records.identity import rate_text

MOST_BYTES = 16 << 20
_KINDS = {
    "AssetMap": "IMF asset map",
    "PackingList": "IMF packing list",
    "CompositionPlaylist": "IMF composition playlist",
    "VolumeIndex": "IMF volume index",
    "OutputProfileList": "IMF output profile list",
}


class ImfDocument(Record):
    """One document of a package.

    ``files`` are the names it lists that lie beside it, ``missing`` those that do not; ``num_assets`` is what a map
    or packing list counts. ``edit_rate``, ``num_frames`` and ``picture_files`` are a composition's picture.
    """

    kind: str
    title: str = ""
    made_by: str = ""
    num_assets: int = 0
    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    edit_rate: str = ""
    num_frames: int | None = None
    picture_files: int = 0


def is_imf_document(head: bytes) -> bool:
    """Whether the first bytes of a file open one of a package's documents."""
    return any(b"<" + name.encode() in head or b":" + name.encode() in head for name in _KINDS)


def read_imf_document(path: Path) -> ImfDocument:
    """Read one document; ``PaperworkError`` for XML that is broken, and for names that lead out of the package."""
    root = _root(path)
    name = etree.QName(root).localname
    if name not in _KINDS:
        raise PaperworkError(
            f"{path.name} is no document of an IMF package", found=f"<{name}>", expected=", ".join(_KINDS)
        )
    makers = dict.fromkeys(filter(None, (_text(root, "Issuer"), _text(root, "Creator"))))
    document = ImfDocument(
        kind=_KINDS[name],
        title=_text(root, "ContentTitle") or _text(root, "Annotation") or _text(root, "AnnotationText"),
        made_by=" / ".join(makers),
        num_assets=len(_found(root, "Asset")),
    )
    if name == "AssetMap":
        listed = [_inside(text, path) for text in _texts(root, "Path")]
        present = tuple(file for file in listed if (path.parent / file).is_file())
        missing = tuple(file for file in listed if file not in present)
        return document.model_copy(update={"files": present, "missing": missing})
    if name == "CompositionPlaylist":
        rate, frames, resources = _picture(root, path)
        return document.model_copy(update={"edit_rate": rate, "num_frames": frames, "picture_files": resources})
    return document


def _root(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise PaperworkError(f"{path.name} is larger than a package's document", expected=f"{MOST_BYTES} bytes at most")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(path.read_bytes(), parser)
    except etree.XMLSyntaxError as error:
        raise PaperworkError(
            f"{path.name}, line {error.lineno}: the XML is broken",
            found=error.msg,
            expected="a whole document",
            remedy="copy the package again",
        ) from None
    if root.getroottree().docinfo.doctype:
        raise PaperworkError(f"{path.name} declares a document type, which no package does", found="<!DOCTYPE")
    return root


def _found(node: Any, name: str) -> list[Any]:
    return [child for child in node.iter("{*}" + name) if isinstance(child.tag, str)]


def _text(node: Any, name: str) -> str:
    child = node.find("{*}" + name)
    return " ".join((child.text or "").split())[:120] if child is not None else ""


def _texts(node: Any, name: str) -> list[str]:
    return [(child.text or "").strip() for child in _found(node, name)]


def _inside(text: str, path: Path) -> str:
    named = PurePosixPath(text)
    if not text or named.is_absolute() or ".." in named.parts or "\\" in text or ":" in text:
        raise PaperworkError(
            f"{path.name} names a file outside the package",
            found=text or "an empty name",
            expected="names of files beside it",
            remedy="do not open this package; ask who made it",
        )
    return text


def _picture(root: Any, path: Path) -> tuple[str, int, int]:
    """Edit rate, length in frames and number of resources of the main image."""
    rate = _ratio(_text(root, "EditRate"), path)
    frames, resources = 0, 0
    for sequence in _found(root, "MainImageSequence"):
        for resource in _found(sequence, "Resource"):
            lasts = _text(resource, "SourceDuration") or _text(resource, "IntrinsicDuration")
            times = _text(resource, "RepeatCount") or "1"
            if not lasts.isdecimal() or not times.isdecimal():
                raise PaperworkError(f"{path.name} has a resource without a length", found=lasts or "nothing")
            frames += int(lasts) * int(times)
            resources += 1
    return rate, frames, resources


def _ratio(text: str, path: Path) -> str:
    parts = text.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise PaperworkError(f"{path.name} has no edit rate", found=text or "nothing", expected="such as 24000 1001")
    return rate_text(Fraction(int(parts[0]), int(parts[1])))
