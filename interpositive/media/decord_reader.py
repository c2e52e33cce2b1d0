"""The quick reader for 8-bit proxies: decord behind the same contract."""

from __future__ import annotations

import ctypes
import importlib
import os
from pathlib import Path
from typing import Any, cast
from unittest import mock

import numpy as np

from interpositive.errors import MediaError
from interpositive.media.contract import Frames, MediaInfo
from interpositive.media.pyav_reader import INHERITED, PyAVReader, check_window


class DecordReader:
    """Frame-exact access to an 8-bit movie through decord, ``uint8`` codes.

    decord lets nobody name the matrix and takes the tagged one; untagged
    pictures it decodes as BT.601. So a movie is refused when that would be a
    wrong colour: untagged from 720 lines up, a ``matrix`` that named by
    hand, more than 8 bits, RGB, a display rotation, or groups of pictures
    that reach behind their entry point (decord then gives a frame three off). 8-bit proxies written by
    ``MovieWriter`` are always accepted. Where colour is stored at half
    resolution decord repeats it instead of interpolating, so its edges of
    colour differ from the reference reader's.

    Opens at the first use, in the process that uses it (a decord handle does
    not survive a fork), and can be pickled at any time: what is open stays behind.
    """

    def __init__(self, path: Path, matrix: str | None = None) -> None:
        self.path = Path(path)
        self.matrix = matrix
        self._info: MediaInfo | None = None
        self._handle: Any = None
        self._process_id = 0

    @property
    def info(self) -> MediaInfo:
        """What the movie is, as its packets say; decord's own header is not asked."""
        if self._info is None:
            reader = PyAVReader(self.path, self.matrix)
            try:
                _refuse_unfit(reader)
                self._info = reader.info
            finally:
                reader.close()
        return self._info

    def __len__(self) -> int:
        return self.info.num_frames

    def window(self, start: int, stop: int) -> Frames:
        """Decode frames ``start <= n < stop`` as ``t h w 3``."""
        info = self.info
        check_window(self.path, start, stop, info.num_frames)
        try:
            frames = self._movie().get_batch(range(start, stop)).asnumpy()
        # decord's errors are a class of its own, made on the way through its C interface.
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

    def _movie(self) -> Any:
        if self._handle is not None and self._process_id != os.getpid():
            INHERITED.append(self._handle)
            self._handle = None
        if self._handle is None:
            decord = _import_decord()
            decord.logging.set_level(decord.logging.QUIET)
            # An absolute path cannot be taken for an address or a list of files.
            handle = decord.VideoReader(os.path.abspath(self.path), ctx=decord.cpu(0), num_threads=1)
            if len(handle) != self.info.num_frames:
                raise MediaError(
                    f"{self.path.name} is counted differently by decord",
                    found=f"{len(handle)} frames",
                    expected=f"{self.info.num_frames} frames, as its packets say",
                    remedy="read it with the pyav reader",
                )
            # The first packet may tell the decoder which encoder's faults to allow for, so it is always
            # decoded first.
            handle[0].asnumpy()
            self._handle = handle
            self._process_id = os.getpid()
        return self._handle


def _import_decord() -> Any:
    # decord loads its libraries into the global scope, an old zlib among them; whatever reads a PNG
    # afterwards (OpenImageIO, OpenCV, Pillow) then calls that zlib and crashes. Kept local, it disturbs
    # nobody.
    with mock.patch.object(ctypes, "RTLD_GLOBAL", ctypes.RTLD_LOCAL):
        return importlib.import_module("decord")


def _refuse_unfit(reader: PyAVReader) -> None:
    info = reader.info
    reasons = {
        f"{info.bits} bit": info.bits > 8,
        "RGB codes": info.colour.source == "rgb",
        f"untagged pictures, which are {info.colour.matrix} by the rule and bt601 to decord": (
            info.colour.source == "rule" and info.colour.matrix != "smpte170m"
        ),
        f"a matrix named by hand ({info.colour.matrix})": info.colour.source == "named",
        f"{reader.index.num_doubtful_entries} entry points that later frames reach behind": (
            reader.index.num_doubtful_entries > 0
        ),
        f"{reader.index.num_leading_frames} frames of open groups, which decord takes for their neighbours": (
            reader.index.num_leading_frames > 0
        ),
        f"a display rotation of {info.rotation_degrees} degrees": info.rotation_degrees != 0,
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found:
        raise MediaError(
            f"decord would give wrong frames or colours of {info.path.name}",
            found="; ".join(found),
            expected="8-bit YUV whose matrix is tagged, in closed groups, not rotated",
            remedy="read it with the pyav reader, or make proxies at ingest",
        )
