"""Pictures kept as integer codes, whose values are made for the part that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from interpositive.motion.hole_pixels import HolePixels


_HIGHEST_CODE = 65535


class CodedPicture:
    """A picture ``h w 3`` of 8- or 16-bit codes that is read as an array of its values at full scale is, by its parts.

    A frame of 1920 x 1080 takes 6 MiB so, and 24 as values.
    """

    def __init__(self, codes: NDArray[Any]) -> None:
        self.codes = codes
        self.shape = codes.shape

    def __getitem__(self, part: Any) -> NDArray[np.float32]:
        codes = self.codes[part]
        values: NDArray[np.float32] = codes.astype(np.float32, order="C") / np.float32(np.iinfo(codes.dtype).max)
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:
        if copy is False:
            raise ValueError("the values of a coded picture are made anew")
        return np.asarray(self[...], dtype)


class CodedFrames:
    """Frames ``t h w 3`` of codes, each a :class:`CodedPicture`."""

    def __init__(self, codes: NDArray[Any]) -> None:
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, frame: int) -> CodedPicture:
        return CodedPicture(self.codes[frame])


class CodedValues:
    """Values ``m c`` of pixels as 16-bit codes between the lowest and the highest of them, read as an array's rows are.

    Half of what they take as values, and within 1/131,070 of their range of these.
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        self._lowest, self._step = np.float32(lowest), np.float32((highest - lowest) / _HIGHEST_CODE)
        codes = (values - self._lowest) / self._step if self._step else np.zeros_like(values)
        self._codes = np.rint(codes).clip(0, _HIGHEST_CODE).astype(np.uint16)

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def nbytes(self) -> int:
        """What they take."""
        return int(self._codes.nbytes)

    def __getitem__(self, which: Any) -> NDArray[np.float32]:
        codes = as_pixels(self._codes)[which].view(np.uint16).reshape(-1, self._codes.shape[1])
        values: NDArray[np.float32] = codes * self._step
        values += self._lowest
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:
        if copy is False:
            raise ValueError("coded values are made anew")
        return np.asarray(self[:], dtype)


class MendedPicture:
    """A ``picture`` ``h w 3`` with ``values`` (``m 3``) at some ``pixels``, read by its parts as an array of values."""

    def __init__(self, picture: NDArray[np.float32] | CodedPicture, pixels: HolePixels, values: NDArray[Any]) -> None:
        self.picture, self.pixels, self.values = picture, pixels, values
        self.shape: tuple[int, ...] = picture.shape

    def __getitem__(self, part: Any) -> NDArray[np.float32]:
        everything = slice(0, self.shape[0]), slice(0, self.shape[1])
        look = self.pixels.filling(self.picture, self.values)
        if isinstance(part, tuple) and all(isinstance(each, slice) and each.stop is not None for each in part):
            return look(part)
        some: NDArray[np.float32] = look(everything)[part]
        return some

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.float32]:
        if copy is False:
            raise ValueError("the values of a mended picture are made anew")
        return np.asarray(self[...], dtype)


class MendedFrames:
    """Frames ``t h w 3``, those in ``mended`` with other values at some pixels; each is read by its parts."""

    def __init__(
        self, frames: NDArray[np.float32] | CodedFrames, mended: Mapping[int, tuple[HolePixels, NDArray[Any]]]
    ) -> None:
        self.unmended, self._mended = frames, mended
        self.shape: tuple[int, ...] = len(frames), *frames[0].shape

    def __len__(self) -> int:
        return len(self.unmended)

    def __getitem__(self, frame: int) -> Picture:
        picture = self.unmended[frame]
        return MendedPicture(picture, *self._mended[frame]) if frame in self._mended else picture


Frames = NDArray[np.float32] | CodedFrames | MendedFrames
"""Frames ``t h w 3``, each of which is a picture."""
Picture = NDArray[np.float32] | CodedPicture | MendedPicture
"""What is read as an array ``h w 3`` of values by its parts, or made one by ``np.asarray``."""


def as_frames(frames: NDArray[Any]) -> NDArray[np.float32] | CodedFrames:
    """Frames ``t h w 3`` of values as they are, and of codes by their parts."""
    return CodedFrames(frames) if frames.dtype.kind == "u" else frames


def value_range(frames: Frames) -> tuple[float, float]:
    """Lowest and highest value that a fill of these frames may have: [0, 1], and as far beyond as they go."""
    if isinstance(frames, MendedFrames):
        return value_range(frames.unmended)
    if isinstance(frames, CodedFrames):
        return 0.0, 1.0
    return min(0.0, float(frames.min())), max(1.0, float(frames.max()))


def as_pixels(values: NDArray[Any]) -> NDArray[Any]:
    """Values ``... c`` with a pixel as one thing: numpy moves these several times faster than an axis of three."""
    return values.view(np.dtype((np.void, values.itemsize * values.shape[-1])))[..., 0]
