"""What quick 8-bit readers share: they refuse what they would get wrong, and the reference describes the movie."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, cast

import numpy as np

from interpositive.errors import InterpositiveError, MediaError
from interpositive.media.contract import Frames, MediaInfo, check_window
from interpositive.media.pyav_reader import INHERITED, PyAVReader
from interpositive.records.take_digests import FileDigests


class EightBitReader(ABC):
    """Frame-exact access to an 8-bit movie through another library, ``uint8`` codes.

    Such libraries let nobody name the matrix and take the tagged one; untagged
    pictures they decode as BT.601. So a movie is refused when that would be a
    wrong colour: untagged from 720 lines up, a ``matrix`` that is named by hand,
    more than 8 bits, or RGB; and so are several picture tracks, of which it may
    take another. A library may add reasons of its own. 8-bit proxies written by
    ``MovieWriter`` are always accepted. Where colour is stored at half
    resolution it is repeated instead of interpolated, so edges of colour differ
    from the reference reader's.

    Opens at the first use, anew in each process that uses it, and can be
    pickled at any time: what is open stays behind.
    """

    library: str

    def __init__(self, path: Path, matrix: str | None = None, digests: FileDigests | None = None) -> None:
        self.path = Path(path)
        self.matrix = matrix
        self.digests = digests
        self._info: MediaInfo | None = None
        self._handle: Any = None
        self._process_id = 0

    @property
    def info(self) -> MediaInfo:
        """What the movie is, as its packets say; the library's own count is not asked."""
        if self._info is None:
            reader = PyAVReader(self.path, self.matrix, digests=self.digests)
            try:
                self._refuse_unfit(reader)
                self._info = reader.info
            finally:
                reader.close()
        return self._info

    def __len__(self) -> int:
        return self.info.num_frames

    def window(self, start: int, stop: int) -> Frames:
        """Decode frames ``start <= n < stop`` as ``t h w 3``."""
        check_window(self.path, start, stop, self.info.num_frames)
        try:
            frames = self._decode(self._movie(), start, stop)
        except InterpositiveError:
            raise
        # Each library's errors are a class of its own, made on the way through its C interface.
        except Exception as error:
            raise MediaError(
                f"frames {start} to {stop} of {self.path.name} cannot be decoded",
                found=(str(error).strip().splitlines() or [type(error).__name__])[-1],
                expected="a whole, decodable movie",
                remedy="copy the file again from the source, or read it with the pyav reader",
            ) from error
        return cast(Frames, np.ascontiguousarray(frames))

    def close(self) -> None:
        """Let go of the file; a later read opens it again."""
        self._handle = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    @abstractmethod
    def _open(self) -> Any:
        """A new handle of the library; it knows its length."""

    @abstractmethod
    def _decode(self, handle: Any, start: int, stop: int) -> Any:
        """Frames ``t h w 3`` as ``uint8``."""

    def _unfit(self, reader: PyAVReader) -> dict[str, bool]:
        """Reasons of this library to refuse a movie, and whether they hold."""
        del reader
        return {}

    def _movie(self) -> Any:
        if self._handle is not None and self._process_id != os.getpid():
            # A handle does not survive a fork, not even its end.
            INHERITED.append(self._handle)
            self._handle = None
        if self._handle is None:
            num_frames = self.info.num_frames
            handle = self._open()
            if len(handle) != num_frames:
                raise MediaError(
                    f"{self.path.name} is counted differently by {self.library}",
                    found=f"{len(handle)} frames",
                    expected=f"{num_frames} frames, as its packets say",
                    remedy="read it with the pyav reader",
                )
            self._handle = handle
            self._process_id = os.getpid()
        return self._handle

    def _refuse_unfit(self, reader: PyAVReader) -> None:
        info = reader.info
        reasons = {
            f"{info.bits} bit": info.bits > 8,
            "RGB codes": info.colour.source == "rgb",
            f"untagged pictures, which are {info.colour.matrix} by the rule and bt601 to {self.library}": (
                info.colour.source == "rule" and info.colour.matrix != "smpte170m"
            ),
            f"a matrix named by hand ({info.colour.matrix})": info.colour.source == "named",
            f"{reader.num_picture_tracks} picture tracks, of which it may take another than the first": (
                reader.num_picture_tracks > 1
            ),
            **self._unfit(reader),
        }
        found = [reason for reason, holds in reasons.items() if holds]
        if found:
            raise MediaError(
                f"{self.library} would give wrong frames or colours of {info.path.name}",
                found="; ".join(found),
                expected="8-bit YUV whose matrix is tagged",
                remedy="read it with the pyav reader, or make proxies at ingest",
            )
