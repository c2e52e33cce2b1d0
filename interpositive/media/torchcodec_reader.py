"""The optional third reader: torchcodec, where it is installed, behind the same contract."""

from __future__ import annotations

import importlib
from typing import Any

from interpositive.errors import ConfigError
from interpositive.media.eight_bit_reader import EightBitReader
from interpositive.media.media_file import MediaFile
from interpositive.media.pyav_reader import PyAVReader


class TorchcodecReader(EightBitReader):
    """Frame-exact access to an 8-bit movie through torchcodec, which knows every frame's time before it seeks.

    It needs the FFmpeg libraries of the system beside its own package.
    ``ConfigError`` when either is missing. Beside what all 8-bit readers refuse
    it refuses HEVC unless every frame is an entry point: asked for an earlier
    frame, version 0.11 gives other pixels than in order.
    """

    library = "torchcodec"

    def _unfit(self, reader: PyAVReader) -> dict[str, bool]:
        return {
            "HEVC, whose frames torchcodec changes when it goes back": (
                reader.info.codec == "hevc" and not reader.info.intra_only
            )
        }

    def _open(self) -> Any:
        decoders = _import_decoders()
        file = MediaFile(self.path, self.digests)
        with file.vouched_for():
            handle = decoders.VideoDecoder(
                file, seek_mode="exact", dimension_order="NHWC", num_ffmpeg_threads=1, device="cpu"
            )
        return _Movie(file, handle)

    def _decode(self, handle: Any, start: int, stop: int) -> Any:
        with handle.file.vouched_for():
            return handle.decoder.get_frames_in_range(start, stop).data.numpy()


class _Movie:
    """A decoder and the file that it reads from."""

    def __init__(self, file: MediaFile, decoder: Any) -> None:
        self.file = file
        self.decoder = decoder

    def __len__(self) -> int:
        return len(self.decoder)


def _import_decoders() -> Any:
    try:
        return importlib.import_module("torchcodec.decoders")
    # A missing FFmpeg is a RuntimeError of a page's length.
    except (ImportError, RuntimeError, OSError) as error:
        raise ConfigError(
            "the torchcodec reader cannot be used here",
            found=(str(error).strip().splitlines() or [type(error).__name__])[0],
            expected="the torchcodec package (0.11 for a torch without CUDA) and FFmpeg 4 to 8 as shared libraries",
            remedy="install both, or set the reader to auto",
        ) from error
