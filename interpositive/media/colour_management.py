"""From one colour encoding to another, and to a screen: OpenColorIO behind three functions.

Frames are ``float32`` with RGB last, at full scale (code / highest code). Pictures of the
scene meet pictures of a screen without tone mapping: a screen's white is scene light 1.0.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import PyOpenColorIO as ocio
from numpy.typing import NDArray

from interpositive.errors import ColourError
from interpositive.media.contract import Frames, code_range
from interpositive.media.encodings import REVIEW_DISPLAY, find_encoding, ocio_config
from interpositive.records.cdl import Cdl

Picture = NDArray[np.float32]

VIEW = "ACES 2.0 - SDR 100 nits (Rec.709)"
GRADING_SPACE = "acescct"
"""Where a CDL is applied, and what the view's cube is laid out in."""
BRIGHTEST = 65504.0
"""The largest half: what is brighter, or infinite, counts as this where a number is needed."""

_CUBE_EDGE = 97
# ACEScct of no light, below which the view is black, and of 222 times diffuse white, where it is white.
_CUBE_RANGE = (0.0729055341958355, 1.0)


def convert(frames: Frames, source: str, target: str) -> Picture:
    """Bring full-scale ``float32`` frames ``… 3`` from one encoding into another; a new array.

    Values beyond [0, 1] and outside the target's gamut are kept wherever its curve goes on; Canon
    Log 3, Apple Log and the ADX densities end at what their makers defined. What is not finite
    stays what it is, in its own channel. There and back is exact to about 1e-6 of a pixel's
    largest channel. ``ColourError`` for names that are not known.
    """
    _refuse_codes(frames)
    first, second = find_encoding(source), find_encoding(target)
    if first == second:
        return np.array(frames, np.float32)
    return _keeping_strange(_conversion(first.colour_space, second.colour_space), frames)


def apply_cdl(frames: Frames, cdl: Cdl, *, inverse: bool = False) -> Picture:
    """Grade codes ``… 3`` by an ASC CDL, in whatever encoding they are; as version 1.2 has it, cut to [0, 1].

    ``inverse`` takes the grade away again, where nothing was cut off; a slope or saturation of 0
    has no way back and is a ``ColourError``.
    """
    _refuse_codes(frames)
    if inverse and (min(cdl.slope) == 0.0 or cdl.saturation == 0.0):
        raise ColourError("a grade that wipes colours out cannot be taken away", found=f"{cdl.sop_text} {cdl.sat_text}")
    return _keeping_strange(_processor(_grade(cdl, inverse)), frames)


def display_view(frames: Frames, encoding: str, cdl: Cdl | None = None) -> Picture:
    """Frames ``… 3`` as the review display shows them, full-scale codes in [0, 1].

    Scene light goes through ``cdl``, which is applied in ACEScct, and the ACES 2 output
    transform, by a cube that keeps within about one 8-bit code of it in natural colours.
    Pictures of another display are converted to this one, what it cannot show cut off; those
    of the review display are only cut to [0, 1]. What is not a number is black.
    ``ColourError`` for a CDL on a picture of a display: it was not graded in there.
    """
    _refuse_codes(frames)
    shown = find_encoding(encoding)
    if cdl is not None and cdl.is_identity:
        cdl = None
    if shown.of_scene:
        return _applied(_view(shown.colour_space, cdl), frames).clip(0.0, 1.0)
    if cdl is not None:
        raise ColourError(
            "a CDL is applied to scene light, and this is a finished picture",
            found=f"encoding {shown.name}",
            expected="a log or linear encoding",
            remedy="leave the CDL out, or name the encoding that the footage really has",
        )
    if shown.name == REVIEW_DISPLAY:
        return _finite(frames).clip(0.0, 1.0)
    return _applied(_conversion(shown.colour_space, find_encoding(REVIEW_DISPLAY).colour_space), frames).clip(0.0, 1.0)


def exact_view(frames: Frames, encoding: str) -> Picture:
    """:func:`display_view` of scene light without the cube, ten times slower: what the cube is checked against."""
    transform = ocio.DisplayViewTransform(
        src=find_encoding(encoding).colour_space, display=find_encoding(REVIEW_DISPLAY).colour_space, view=VIEW
    )
    return _applied(_processor(transform), frames).clip(0.0, 1.0)


def full_scale(codes: Frames) -> Picture:
    """Codes of any type as ``float32`` at full scale: integers over their highest code, floats as they are."""
    return np.asarray(codes, np.float32) / np.float32(code_range(codes))


def _refuse_codes(frames: Frames) -> None:
    if frames.dtype != np.float32 or frames.shape[-1:] != (3,):
        raise ColourError(
            "colour is converted in full-scale float32 RGB",
            found=f"{frames.dtype} {tuple(frames.shape)}",
            expected="float32, three channels last",
        )


def _finite(frames: Frames) -> Picture:
    picture = np.array(frames, np.float32, order="C")
    return np.nan_to_num(picture, copy=False, nan=0.0, posinf=BRIGHTEST, neginf=-BRIGHTEST)


def _applied(processor: ocio.CPUProcessor, frames: Frames) -> Picture:
    picture = _finite(frames)
    if picture.size:
        processor.applyRGB(picture)
    return picture


def _keeping_strange(processor: ocio.CPUProcessor, frames: Frames) -> Picture:
    # A matrix would spread what is not finite over the other channels.
    picture = _applied(processor, frames)
    strange = ~np.isfinite(frames)
    picture[strange] = frames[strange]
    return picture


def _processor(transform: ocio.Transform) -> ocio.CPUProcessor:
    # Quick approximations of powers and logarithms would cost the round trips their last digits.
    return ocio_config().getProcessor(transform).getOptimizedCPUProcessor(ocio.OptimizationFlags.OPTIMIZATION_LOSSLESS)


@cache
def _conversion(source: str, target: str) -> ocio.CPUProcessor:
    return _processor(ocio.ColorSpaceTransform(src=source, dst=target))


def _grade(cdl: Cdl, inverse: bool = False) -> ocio.Transform:
    transform = ocio.CDLTransform(
        slope=list(cdl.slope), offset=list(cdl.offset), power=list(cdl.power), sat=cdl.saturation
    )
    transform.setStyle(ocio.CDLStyle.CDL_ASC)
    if inverse:
        transform.setDirection(ocio.TransformDirection.TRANSFORM_DIR_INVERSE)
    return transform


@lru_cache(64)
def _view(colour_space: str, cdl: Cdl | None) -> ocio.CPUProcessor:
    low, high = _CUBE_RANGE
    steps = [
        ocio.ColorSpaceTransform(src=colour_space, dst=find_encoding(GRADING_SPACE).colour_space),
        *([] if cdl is None else [_grade(cdl)]),
        ocio.RangeTransform(minInValue=low, maxInValue=high, minOutValue=0.0, maxOutValue=1.0),
        _view_cube(),
    ]
    return _processor(ocio.GroupTransform(steps))


@cache
def _view_cube() -> ocio.Transform:
    steps = np.linspace(*_CUBE_RANGE, _CUBE_EDGE, dtype=np.float32)
    corners = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    cube = ocio.Lut3DTransform(_CUBE_EDGE)
    cube.setInterpolation(ocio.Interpolation.INTERP_TETRAHEDRAL)
    cube.setData(exact_view(corners, GRADING_SPACE).reshape(-1))
    return cube
