"""The digests that film hash lists are made of, and how each is written as text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import xxhash

from interpositive.errors import IntegrityError

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_C4_LETTERS = 88


class Digesting(Protocol):
    """A digest that takes in bytes as they come."""

    def update(self, chunk: bytes, /) -> object:
        """Take in some more bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""


@dataclass(frozen=True)
class HashFormat:
    """One kind of digest, ``num_bytes`` long; as text it is hexadecimal, highest byte first."""

    name: str
    make: Callable[[], Digesting]
    num_bytes: int

    def to_text(self, digest: bytes) -> str:
        """The digest as a hash list writes it."""
        return digest.hex()

    def to_bytes(self, text: str) -> bytes:
        """The digest that a hash list wrote; ``IntegrityError`` if it cannot be one."""
        try:
            digest = bytes.fromhex(text)
        except ValueError:
            digest = b""
        if len(digest) != self.num_bytes or len(text) != 2 * self.num_bytes:
            raise IntegrityError(
                f"this is no {self.name} digest", found=text[:100], expected=f"{2 * self.num_bytes} hexadecimal digits"
            )
        return digest


class _C4(HashFormat):
    """SHA-512 in base 58 behind the letters ``c4`` (SMPTE ST 2114)."""

    def to_text(self, digest: bytes) -> str:
        number, letters = int.from_bytes(digest, "big"), ""
        while number:
            number, letter = divmod(number, 58)
            letters = _BASE58[letter] + letters
        return "c4" + letters.rjust(_C4_LETTERS, _BASE58[0])

    def to_bytes(self, text: str) -> bytes:
        number = 0
        legal = text.startswith("c4") and len(text) == _C4_LETTERS + 2 and set(text[2:]) <= set(_BASE58)
        for letter in text[2:] if legal else "":
            number = number * 58 + _BASE58.index(letter)
        if not legal or number >= 1 << 512:
            raise IntegrityError(
                "this is no C4 digest", found=text[:100], expected=f"c4 and {_C4_LETTERS} letters of base 58"
            )
        return number.to_bytes(64, "big")


def _md5() -> Digesting:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Digesting:
    return hashlib.sha1(usedforsecurity=False)


HASH_FORMATS: Mapping[str, HashFormat] = {
    one.name: one
    for one in (
        _C4("c4", hashlib.sha512, 64),
        HashFormat("md5", _md5, 16),
        HashFormat("sha1", _sha1, 20),
        HashFormat("sha256", hashlib.sha256, 32),
        HashFormat("xxh128", xxhash.xxh3_128, 16),
        HashFormat("xxh3", xxhash.xxh3_64, 8),
        HashFormat("xxh32", xxhash.xxh32, 4),
        HashFormat("xxh64", xxhash.xxh64, 8),
    )
}
# Those that an ASC MHL manifest may hold.
ASC_MHL_FORMATS = ("c4", "md5", "sha1", "xxh128", "xxh3", "xxh64")


@dataclass(frozen=True)
class FolderDigest:
    """A folder's digest over the bytes in it (``content``) and over bytes and names (``structure``)."""

    content: bytes
    structure: bytes


def folder_digest(hash_format: HashFormat, children: Mapping[str, bytes | FolderDigest]) -> FolderDigest:
    """A folder's digest from those of the files and folders right inside it, by name (ASC MHL, directory hashes)."""

    def digest(parts: Sequence[bytes]) -> bytes:
        maker = hash_format.make()
        # The order is that of the written digests, which for C4 is not the order of their bytes.
        for part in sorted(parts, key=hash_format.to_text):
            maker.update(part)
        return maker.digest()

    contents, structures = [], []
    for name, child in children.items():
        inner = child if isinstance(child, FolderDigest) else FolderDigest(child, child)
        contents.append(inner.content)
        maker = hash_format.make()
        maker.update(name.encode() + inner.structure)
        structures.append(maker.digest())
    return FolderDigest(digest(contents), digest(structures))
