"""One door to all readers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from interpositive.errors import ConfigError, MediaError
from interpositive.media.contract import FrameReader
from interpositive.records.take_digests import TakeDigests

Backend = Literal["auto", "decord", "torchcodec", "pyav", "sequence"]


def open_reader(
    path: Path,
    backend: Backend = "auto",
    matrix: str | None = None,
    digests: TakeDigests | None = None,
    layer: str | None = None,
    rate: Fraction | None = None,
) -> FrameReader:
    """Choose the reader for a take: a folder of numbered frames or a movie file, by content and not by name.

    ``auto`` reads movies by PyAV, the reference, exact above 8 bits too; the
    8-bit readers refuse what they would get wrong. ``matrix`` names the colour
    matrix of a movie that has no or a wrong tag; ``layer`` and ``rate`` (frames a second)
    say of a frame sequence what it may leave open, and are refused for a movie. With ``digests``
    every read is checked before it is decoded; for decord, which reads files by itself, the whole file is.
    Nothing is opened yet except to see whether the path is there.
    """
    path = Path(path)
    if not path.exists():
        raise MediaError(f"{path} is not there", found="nothing", expected="a movie file or a folder of frames")
    if backend not in get_args(Backend):
        raise ConfigError("there is no such reader", found=backend, expected=f"one of {', '.join(get_args(Backend))}")
    is_folder = path.is_dir()
    if backend != "auto" and is_folder != (backend == "sequence"):
        raise MediaError(
            f"{path.name} is not for the {backend} reader",
            found="a folder" if is_folder else "a file",
            expected="a folder of numbered frames for sequence, a movie file for the others",
            remedy="set the reader to auto",
        )
    # Each reader's library is imported only when it is the one that is used.
    if is_folder:
        from interpositive.media.sequence_reader import SequenceReader

        return SequenceReader(path, rate=rate, digests=digests, layer=layer)
    if layer is not None or rate is not None:
        raise MediaError(
            f"{path.name} says its picture and rate itself",
            found=f"layer {layer}" if layer is not None else f"rate {rate}",
            expected="a folder of frames, for which these can be named",
            remedy="leave it out for a movie",
        )
    file_digests = digests.files[0] if digests else None
    if backend == "decord":
        from interpositive.media.decord_reader import DecordReader

        return DecordReader(path, matrix=matrix, digests=file_digests)
    if backend == "torchcodec":
        from interpositive.media.torchcodec_reader import TorchcodecReader

        return TorchcodecReader(path, matrix=matrix, digests=file_digests)
    from interpositive.media.pyav_reader import PyAVReader

    return PyAVReader(path, matrix=matrix, digests=file_digests)
