"""The one way to read a take of the catalogue, or its proxy: every byte is checked before it is decoded."""

from __future__ import annotations

from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Literal

from interpositive.dailies.take import Take
from interpositive.dailies.take_rows import connect_to_read
from interpositive.errors import CatalogueError, IntegrityError, MediaError
from interpositive.media.contract import FrameReader
from interpositive.media.opening import open_reader
from interpositive.records.take_digests import TakeDigests, parse_take_digests

_NUM_LISTS_KEPT = 16


def open_take(take: Take, digests: TakeDigests | None = None) -> FrameReader:
    """Open a take's original by the digests that ingest recorded, looked up unless they are given.

    A byte that is not as it was ingested raises ``IntegrityError``, naming the
    file and the byte range, in place of any frame. A take that never was in a
    catalogue has no digests and is read as it is. A sequence is read in the layer and at
    the rate that the production named for it. Raises ``MediaError`` for
    footage that is gone, ``CatalogueError`` for digests that are.
    """
    path = Path(take.path)
    if not path.exists():
        raise MediaError(f"the footage of {take.name} is gone", found=f"nothing at {path}", remedy="ingest it again")
    layer, rate = take.layer or None, take.named_rate
    return open_reader(path, digests=digests or digests_of(take), layer=layer, rate=rate)


def digests_of(take: Take) -> TakeDigests | None:
    """What a take's reads are checked by; None for a take that never was in a catalogue."""
    return _digests_of(take, take.blake3)


def proxy_digests_of(take: Take) -> TakeDigests | None:
    """What reads of a take's proxy are checked by; None for a take that never was in a catalogue."""
    return _digests_of(take, take.proxy_blake3)


def open_proxy(take: Take, backend: Literal["decord", "pyav"]) -> FrameReader:
    """Open a take's proxy by the digests that were recorded when it was made; decord where it is asked for and fit.

    Raises ``MediaError`` if it is gone. A byte that is not as it was written raises ``IntegrityError``.
    """
    path = Path(take.proxy_path or "")
    if take.proxy_path is None or not path.exists():
        raise MediaError(
            f"the proxy of {take.name} is gone", found=f"nothing at {path}",
            remedy="run the same interpositive ingest again: it makes the proxy anew",
        )  # fmt: skip
    digests = proxy_digests_of(take)
    if backend == "pyav":
        return open_reader(path, "pyav", digests=digests)
    quick = open_reader(path, "decord", digests=digests)
    try:
        len(quick)
    except MediaError:
        # Not hidden: a movie that is damaged, not merely unfit for decord, fails again below.
        quick.close()
        return open_reader(path, "pyav", digests=digests)
    return quick


def wrong_proxy(take: Take, error: IntegrityError) -> IntegrityError:
    """What to tell of a proxy that is not as it was made; unlike an original it can be made anew."""
    return IntegrityError(
        f"the proxy of {take.name} is not as ingest made it: nothing of it is used",
        found=": ".join(str(part) for part in (error.what, error.found) if part),
        expected="every byte as it was written",
        remedy="run the same interpositive ingest with check=all: it makes wrong proxies anew",
    )


def _digests_of(take: Take, root: str) -> TakeDigests | None:
    if not root:
        return None
    if not take.catalogue_path:
        raise CatalogueError(
            f"{take.name} cannot be checked",
            found="a take with digests, but of no catalogue",
            expected="a take as the catalogue gave it",
            remedy="look the take up in its catalogue",
        )
    return _digests(Path(take.catalogue_path), root)


@lru_cache(maxsize=_NUM_LISTS_KEPT)
def _digests(catalogue_path: Path, root: str) -> TakeDigests:
    # The root is what the list says: nothing that is kept here can go stale.
    with closing(connect_to_read(catalogue_path)) as connection:
        row = connection.execute("SELECT list FROM read_digests WHERE root = ?", (root,)).fetchone()
    if row is None:
        raise CatalogueError(
            "a take's digests have left the catalogue since it was chosen",
            found=f"no list with the root {root} in {catalogue_path}",
            remedy="start again from the catalogue as it is now",
        )
    return parse_take_digests(row[0], root)
