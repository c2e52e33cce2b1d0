"""The quick reader for 8-bit proxies: decord behind the same contract."""

from __future__ import annotations

import ctypes
import importlib
import os
from typing import Any
from unittest import mock

from interpositive.media.eight_bit_reader import EightBitReader
from interpositive.media.media_file import check_file_once, refuse_touched
from interpositive.media.pyav_reader import PyAVReader


class DecordReader(EightBitReader):
    """Frame-exact access to an 8-bit movie through decord.

    Beside what all 8-bit readers refuse it refuses a display rotation; groups
    of pictures that reach behind their entry point, of which decord gives a
    frame three off; and MPEG-TS unless every frame is an entry point, of which
    it gives frames of another second. decord reads files by itself: with ``digests`` the whole file is checked
    before it is opened, once in a process, and frames are refused if it was touched since.
    """

    library = "decord"

    _checked: os.stat_result | None = None

    def _open(self) -> Any:
        decord = _import_decord()
        self._checked = None if self.digests is None else check_file_once(self.path, self.digests)
        decord.logging.set_level(decord.logging.QUIET)
        # An absolute path cannot be taken for an address or a list of files.
        handle = decord.VideoReader(os.path.abspath(self.path), ctx=decord.cpu(0), num_threads=1)
        # The first packet may tell the decoder which encoder's faults to allow for, so it is always
        # decoded first.
        handle[0].asnumpy()
        return handle

    def _decode(self, handle: Any, start: int, stop: int) -> Any:
        frames = handle.get_batch(range(start, stop)).asnumpy()
        if self._checked is not None:
            refuse_touched(self.path, self._checked)
        return frames

    def _unfit(self, reader: PyAVReader) -> dict[str, bool]:
        index = reader.index
        return {
            f"{index.num_doubtful_entries} entry points that later frames reach behind": index.num_doubtful_entries > 0,
            f"{index.num_leading_frames} frames of open groups, which decord takes for their neighbours": (
                index.num_leading_frames > 0
            ),
            "MPEG-TS, in which decord loses its place": (reader.container_format == "mpegts" and not index.intra_only),
            f"a display rotation of {reader.info.rotation_degrees} degrees": reader.info.rotation_degrees != 0,
        }


def _import_decord() -> Any:
    # decord loads its libraries into the global scope, an old zlib among them; whatever reads a PNG
    # afterwards (OpenImageIO, OpenCV, Pillow) then calls that zlib and crashes. Kept local, it disturbs
    # nobody.
    with mock.patch.object(ctypes, "RTLD_GLOBAL", ctypes.RTLD_LOCAL):
        return importlib.import_module("decord")
