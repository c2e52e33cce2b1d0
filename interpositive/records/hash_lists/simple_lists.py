"""Hash lists without a history: MHL 1.x files, and plain lists as ``md5sum`` and its kin write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.formats import HASH_FORMATS
from interpositive.records.hash_lists.listed import HashList, ListedFile, ListedHash, stay_inside
from interpositive.records.hash_lists.xml_parts import iterate_parts, open_part, text_of

# The extension says the kind of digest; two kinds of xxHash are told apart by their length.
_PLAIN_FORMATS = {
    ".md5": ("md5",),
    ".sha1": ("sha1",),
    ".sha256": ("sha256",),
    ".xxh64": ("xxh64",),
    ".xxh128": ("xxh128",),
    ".xxhash": ("xxh64", "xxh128"),
}
SIMPLE_EXTENSIONS = {".mhl", *_PLAIN_FORMATS}
_COREUTILS = re.compile(r"^\\?(?P<digest>[0-9A-Fa-f]+) [ *](?P<path>.+)$")
_BSD = re.compile(r"^[A-Za-z0-9]+ \((?P<path>.+)\) = (?P<digest>[0-9A-Fa-f]+)$")


def read_simple_list(path: Path) -> HashList:
    """Read a list that covers the folder it lies in; ``IntegrityError`` says what in it cannot be trusted."""
    files = _old_mhl(path) if path.suffix.lower() == ".mhl" else _plain(path)
    if not files:
        raise IntegrityError(f"{path.name} lists no file", expected="a digest and a path for each file")
    return HashList(path, tuple(files))


def _old_mhl(path: Path) -> list[ListedFile]:
    files = []
    for element in iterate_parts(path, "hashlist", {"hash"}):
        if element.tag == "hash":
            found = [_old_hash(child) for child in element]
            name = element.find("file")
            if name is None:
                raise IntegrityError(f"{path.name} has a hash without a file", expected="MHL 1.x")
            hashes = tuple(one for one in found if one is not None)
            files.append(ListedFile(stay_inside(text_of(name)), hashes))
    return files


def _old_hash(element: Any) -> ListedHash | None:
    text = text_of(element)
    match element.tag:
        case "md5" | "sha1":
            return ListedHash(element.tag, HASH_FORMATS[element.tag].to_bytes(text))
        case "xxhash64be":
            return ListedHash("xxh64", HASH_FORMATS["xxh64"].to_bytes(text))
        case "xxhash64":
            return ListedHash("xxh64", HASH_FORMATS["xxh64"].to_bytes(text)[::-1])
        case "xxhash":
            if not text.isdecimal() or int(text[:11]) >= 1 << 32:
                raise IntegrityError(
                    "this is no 32-bit xxHash", found=text[:40], expected="a decimal number of 32 bits"
                )
            return ListedHash("xxh32", int(text).to_bytes(4, "big"))
    return None


def _plain(path: Path) -> list[ListedFile]:
    formats = {2 * HASH_FORMATS[name].num_bytes: name for name in _PLAIN_FORMATS[path.suffix.lower()]}
    files = []
    with open_part(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                text = repr(line[:100])
            if not text.strip() or text.startswith(("#", ";")):
                continue
            found = _COREUTILS.match(text) or _BSD.match(text)
            name = formats.get(len(found["digest"])) if found else None
            if found is None or name is None:
                raise IntegrityError(
                    f"{path.name} is no list of digests",
                    found=f"line {number}: {text[:80]!r}",
                    expected=f"a digest of {' or '.join(map(str, formats))} digits and a path",
                )
            hashed = ListedHash(name, HASH_FORMATS[name].to_bytes(found["digest"]))
            files.append(ListedFile(stay_inside(found["path"]), (hashed,)))
    return files
