"""Pictures kept as integer codes, whose values are made for the part that is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        self._codes = codes

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, frame: int) -> CodedPicture:
        return CodedPicture(self._codes[frame])


Picture = NDArray[np.float32] | CodedPicture
"""What is read as an array ``h w 3`` of values by its parts, or made one by ``np.asarray``."""
