"""What is done to untrusted footage in a worker: look, digest, compare, probe."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from interpositive.dailies.integrity import digest_originals
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.dailies.vouching import ListedFootage
from interpositive.dailies.walking import state_of
from interpositive.errors import IntegrityError, MediaError
from interpositive.media.contract import MediaInfo
from interpositive.media.probing import Check, decode_frames, probe_media, refuse_strangers
from interpositive.records.take_digests import TakeDigests

Probe = Callable[[Path], MediaInfo]
# A disk or network slower than this is taken for one that hangs, and so is a decoder that gets through less.
SLOWEST_BYTES_PER_SECOND: dict[Check, float] = {"ends": 10e6, "all": 0.1e6}


@dataclass(frozen=True)
class Inspection:
    """What a file or sequence is, and the digests of what was seen."""

    info: MediaInfo
    sha256: str
    digests: TakeDigests


def inspect_footage(listed: ListedFootage, probe: Probe | None, check: Check, source: Path) -> Inspection:
    """Digest, compare with hash lists and probe one file or sequence of ``source``.

    ``probe`` stands in for ``probe_media`` with ``check``. Raises ``IntegrityError``
    for what its hash list contradicts, ``MediaError`` for all else that cannot be a take.
    """
    footage = listed.footage
    if listed.refusal:
        raise IntegrityError(listed.refusal)
    if probe is None:
        refuse_strangers(footage.path)
        reading = listed.reading
        probe = partial(probe_media, check=check, layer=reading.layer or None, rate=reading.rate)
    # First the bytes: what its hash list contradicts is never decoded.
    sha256, digests = digest_originals(source, footage.path, footage.frames, listed.expected)
    info = probe(footage.path)
    if info.variable_rate:
        raise MediaError("variable frame rate: its frames cannot be counted on")
    if info.num_frames < 1:
        raise MediaError("it has no frame")
    if state_of(footage.path, footage.frames) != footage.state:
        raise MediaError("it changed while it was read; is it still being copied?")
    return Inspection(info, sha256, digests)


@dataclass(frozen=True)
class CheckedTake:
    """A take with what its reads are checked by, so that a worker need not open the catalogue."""

    take: Take
    digests: TakeDigests | None


def decode_whole(job: CheckedTake) -> int:
    """Decode every frame of a take, checked by its digests; gives their number."""
    with closing(open_take(job.take, job.digests)) as reader:
        decode_frames(reader, 0, len(reader))
        return len(reader)
