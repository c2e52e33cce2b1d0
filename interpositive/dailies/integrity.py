"""Whether a take on disk is still the one that was ingested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from interpositive.dailies.inside import open_inside
from interpositive.dailies.take import Take
from interpositive.errors import IntegrityError, MediaError
from interpositive.media.sequence_reader import list_frames
from interpositive.records.digests import hash_stream, sha256_of_file, sha256_of_files, sha256_of_value
from interpositive.records.hash_lists.expecting import ExpectedFile
from interpositive.records.take_digests import ReadDigester, TakeDigests


def take_digest(path: Path) -> str:
    """SHA-256 of a movie file; for a frame sequence, one over its frames' names and digests (no sidecars)."""
    return sha256_of_files(list_frames(path)) if path.is_dir() else sha256_of_file(path)


def digest_originals(
    source: Path, path: Path, frames: Sequence[Path] = (), expected: Mapping[Path, ExpectedFile] | None = None
) -> tuple[str, TakeDigests]:
    """Read a movie, or the ``frames`` of a sequence, once: its SHA-256 and the digests that reads are checked by.

    Raises ``MediaError`` for a file that does not lie in ``source``, ``IntegrityError`` for one that is not
    what hash lists ``expected``.
    """
    files, sha256s = [], {}
    for file in frames or (path,):
        sha256, digester = hashlib.sha256(), ReadDigester()
        comparison = (expected or {}).get(file, ExpectedFile()).compare()
        with open_inside(source, file) as stream:
            hash_stream(stream, [sha256, digester, *comparison.hashers])
        if reason := comparison.finish():
            raise IntegrityError(f"{file.name} {reason}", remedy="copy the file from the card again")
        files.append(digester.digests(file.name if frames else ""))
        sha256s[file.name] = sha256.hexdigest()
    return sha256_of_value(sha256s) if frames else sha256s[path.name], TakeDigests(files=tuple(files))


def refuse_changed(take: Take) -> None:
    """Raise ``MediaError`` if a take's footage is gone, ``IntegrityError`` if it is not what was ingested."""
    path = Path(take.path)
    if not path.exists():
        raise MediaError(f"the footage of {take.name} is gone", found=f"nothing at {path}", remedy="ingest it again")
    found = take_digest(path)
    if found != take.sha256:
        raise IntegrityError(
            f"{path} is not the take that was ingested",
            found=f"sha256 {found}",
            expected=f"sha256 {take.sha256}",
            remedy="restore the footage from its source, or ingest it anew and train again",
        )
