"""The H.264 movies that a reviewer watches: plate, result, matte, and each method, frame for frame."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from interpositive.media.colour_management import display_view, full_scale
from interpositive.media.contract import Frames
from interpositive.media.encodings import REVIEW_DISPLAY
from interpositive.media.movie_writer import MovieWriter
from interpositive.records.cdl import Cdl

_LIGHT = {"preset": "veryfast", "x264-params": "bframes=0:mbtree=0:rc-lookahead=0:sync-lookahead=0:threads=1"}
"""A dozen encoders work side by side, and each holds every picture that it looks ahead at."""


class ReviewMovies:
    """Writes movies of one raster side by side into a folder, opened as their first frame comes.

    Pictures of a known ``encoding`` are written as the review display shows them, graded by ``cdl``;
    where it is empty they are written as stored.
    An odd width or height is made even by repeating the last column or line, because H.264 asks for it.
    """

    def __init__(
        self, folder: Path, rate: Fraction, quality: int = 16, *, encoding: str = "", cdl: Cdl | None = None
    ) -> None:
        self.folder = folder
        self.rate = rate
        self.quality = quality
        self.encoding, self.cdl = encoding, cdl
        self._writers: dict[str, MovieWriter] = {}

    def write(self, pictures: Mapping[str, Frames]) -> None:
        """Append one frame ``h w 3`` (codes or float) to each named movie."""
        for name, picture in pictures.items():
            self._append(name, _review_codes(self._shown(picture)))

    def write_matte(self, mask: NDArray[np.float32]) -> None:
        """Append a mask ``h w`` in [0, 1] to the movie of mattes, grey and as it is."""
        self._append("matte", _review_codes(grey_picture(mask)))

    def _shown(self, picture: Frames) -> Frames:
        unchanged = self.encoding in ("", REVIEW_DISPLAY) and self.cdl is None
        return picture if unchanged else display_view(full_scale(picture), self.encoding, self.cdl)

    def _append(self, name: str, codes: Frames) -> None:
        if name not in self._writers:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writers[name] = MovieWriter(
                self.folder / f"{name}.mp4",
                self.rate,
                codes.shape[1],
                codes.shape[0],
                quality=self.quality,
                encoder_options=_LIGHT,
            )
        self._writers[name].write(codes[None])

    def close(self) -> dict[str, str]:
        """Finish the movies; gives their file names by role."""
        for writer in self._writers.values():
            writer.close()
        return {name: f"{name}.mp4" for name in self._writers}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.__exit__(kind, error, trace)


def grey_picture(mask: NDArray[np.float32]) -> Frames:
    """A mask ``h w`` in [0, 1] as 8-bit grey codes ``h w 3``."""
    return np.repeat(np.rint(mask * 255.0).astype(np.uint8)[..., None], 3, axis=-1)


def _review_codes(picture: Frames) -> Frames:
    if picture.dtype.kind == "f":
        picture = np.rint(np.nan_to_num(picture, nan=0.0).clip(0.0, 1.0) * 65535.0).astype(np.uint16)
    height, width = picture.shape[:2]
    return cast(Frames, np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))
