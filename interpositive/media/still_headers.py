"""One still picture opened, its header read in film words, its pixels put into a frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from interpositive.errors import MediaError
from interpositive.media.contract import Window
from interpositive.media.encoding_tags import encoding_of_frames
from interpositive.media.still_colour import UNKNOWN, Chromaticities, read_still_colour
from interpositive.media.still_fields import FieldError, frame_rate, own_fields, pixel_aspect, text_field, timecode
from interpositive.media.still_formats import JPEG, sniff_still
from interpositive.media.still_layers import Layer, choose_layer

# A header may be damaged or hostile: no camera makes frames of more than this, no compositor more parts.
_MOST_PIXELS = 1 << 28
_MOST_PARTS = 256
# A multiple of the rows that any compression of EXR packs together, so that none is unpacked twice.
_ROWS_AT_A_TIME = 256
_DTYPES: dict[str, type[np.generic]] = {
    "uint8": np.uint8,
    "uint16": np.uint16,
    "half": np.float32,
    "float": np.float32,
}
_OIIO_TYPES = {"uint8": oiio.UINT8, "uint16": oiio.UINT16, "half": oiio.FLOAT, "float": oiio.FLOAT}
# Photometric interpretations that are grey, RGB, or become RGB without a colour conversion of taste.
_TIFF_PHOTOMETRIC = (0, 1, 2, 3, 6)
_DPX_PICTURES = ("RGB", "RGBA", "ABGR", "Luma")


@dataclass(frozen=True)
class StillHeader:
    """What one frame's header says; windows are in the file's own pixel coordinates, which EXR alone has."""

    format_name: str
    display_window: Window
    data_window: Window
    pixel_format: str
    bits: int
    layer: Layer
    primaries: str
    transfer: str
    chromaticities: Chromaticities | None
    encoding: str
    pixel_aspect: float
    timecode: str | None
    rate: Fraction | None
    reel: str | None

    @property
    def dtype(self) -> type[np.generic]:
        """The type of decoded codes: ``uint8``, ``uint16``, or ``float32`` for half and float."""
        return _DTYPES[self.pixel_format]


def read_header(path: Path, layer: str | None = None) -> StillHeader:
    """Read one file's header; ``MediaError`` for what is no picture, is damaged, or is of a kind that is not read."""
    with _opened(path) as picture:
        return _describe(path, picture, layer)


def read_frame(path: Path, frame: NDArray[Any], expected: StillHeader, layer: str | None = None) -> None:
    """Decode one file into ``frame``, ``h w 3`` of its display window; 0 where the data window has nothing.

    ``MediaError`` if the file is damaged, or is not of the sequence that ``expected`` describes.
    """
    with _opened(path) as picture:
        header = _describe(path, picture, layer)
        refuse_difference(path, header, expected)
        stored, shown, chosen = header.data_window, header.display_window, header.layer
        if stored != shown:
            frame[:] = 0
        channels = [channel - chosen.first for channel in chosen.channels]
        for top, pixels in _strips(path, picture, header):
            strip = Window(stored.x, stored.y + top, stored.width, len(pixels))
            inside = strip.intersect(shown)
            if inside is not None:
                codes = pixels[inside.within(strip)]
                frame[inside.within(shown)] = codes if channels == [0, 1, 2] else codes[..., channels]


def _strips(path: Path, picture: Any, header: StillHeader) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows from the top and how many stand above them: few enough to stay in the processor's cache, tiles all at once.

    All rows are decoded, also those that are not shown: damage is found in them too.
    """
    chosen, stored, item = header.layer, header.data_window, _OIIO_TYPES[header.pixel_format]
    channels = chosen.first, chosen.stop
    spec = picture.spec_dimensions(chosen.part)
    step = stored.height if spec.tile_width else _ROWS_AT_A_TIME
    for top in range(0, stored.height, step):
        end = min(top + step, stored.height)
        if spec.tile_width:
            pixels = picture.read_image(chosen.part, 0, *channels, item)
        else:
            pixels = picture.read_scanlines(chosen.part, 0, spec.y + top, spec.y + end, 0, *channels, item)
        if pixels is None:
            raise _unreadable(path, picture.geterror())
        yield top, np.asarray(pixels).reshape(end - top, stored.width, -1)


def refuse_difference(path: Path, header: StillHeader, expected: StillHeader) -> None:
    """``MediaError`` if two frames cannot be of one sequence."""
    for what, found, first in (
        ("format", header.format_name, expected.format_name),
        ("raster", str(header.display_window), str(expected.display_window)),
        ("pixel type", _pixel_type(header), _pixel_type(expected)),
        ("reel", header.reel, expected.reel),
        ("colour", _colour(header), _colour(expected)),
    ):
        if found != first:
            raise MediaError(
                f"{path.parent.name} mixes frames of different {what}",
                found=f"{found} in {path.name}",
                expected=f"{first}, as in the first frame",
                remedy="put each sequence into a folder of its own",
            )


def _pixel_type(header: StillHeader) -> str:
    return f"{header.pixel_format} of {header.bits} bit"


def _colour(header: StillHeader) -> str:
    primaries = header.primaries
    if primaries == UNKNOWN and header.chromaticities:
        primaries = " ".join(f"{value:.4g}" for value in header.chromaticities)
    said = f"{primaries} primaries, {header.transfer} transfer"
    return f"{said}, {header.encoding}" if header.encoding else said


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open one file by what is in it and close it again; what a damaged header trips over is a MediaError."""
    picture = None
    try:
        still = sniff_still(path)
        if still is None:
            raise _unreadable(path, "the first bytes are those of no picture format that is read")
        wanted = oiio.ImageSpec()
        # Colour under transparent pixels stays as stored.
        wanted.attribute("oiio:UnassociatedAlpha", 1)
        picture = oiio.ImageInput.open(str(path), wanted)
        if picture is None:
            raise _not_opened(path, oiio.geterror())
        if picture.format_name() != still.name:
            # OpenImageIO goes by the extension first.
            raise _unreadable(path, f"begins as {still.name}, but opens as {picture.format_name()}")
        if still is JPEG:
            _refuse_cut_jpeg(path)
        yield picture
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except FieldError as error:
        raise _unreadable(path, str(error)) from error
    # Names and messages made of damaged bytes are no text; sizes made of them are no memory.
    except (UnicodeError, MemoryError) as error:
        raise _unreadable(path, f"a header that makes no sense ({type(error).__name__})") from error
    finally:
        if picture is not None:
            picture.close()


def _refuse_cut_jpeg(path: Path) -> None:
    # JPEG's own library fills what is missing with grey and says nothing.
    content = path.read_bytes()
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise _unreadable(path, "a scan that does not come to its end")


def _describe(path: Path, picture: Any, wanted: str | None) -> StillHeader:
    format_name = str(picture.format_name())
    specs = [picture.spec()]
    # Further images of other formats are pages and thumbnails.
    while format_name == "openexr" and len(specs) <= _MOST_PARTS and picture.seek_subimage(len(specs), 0):
        specs.append(picture.spec())
    if len(specs) > _MOST_PARTS:
        raise _unreadable(path, f"a header that claims more than {_MOST_PARTS} parts")
    layer = choose_layer(path, specs, wanted)
    spec = specs[layer.part]
    stored = Window(spec.x, spec.y, spec.width, spec.height)
    shown = Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height)
    if format_name != "openexr":
        # DPX notes what it was scanned or cropped from, TIFF a place on a page: the picture is all that is stored.
        stored = shown = Window(0, 0, spec.width, spec.height)
    if max(shown.num_pixels, stored.num_pixels) > _MOST_PIXELS or min(shown.width, shown.height) < 1:
        raise _unreadable(path, f"a header that claims a raster of {shown}")
    formats = [str(spec.channelformats[c]) for c in layer.channels] if spec.channelformats else [str(spec.format)]
    _refuse_kind(path, spec, format_name, set(formats))
    own = own_fields(spec)
    rate = frame_rate(spec, own.get("rate"))
    if formats[0] in ("half", "float"):
        bits = 16 if formats[0] == "half" else 32
    else:
        bits = int(spec.getattribute("oiio:BitsPerSample") or spec.format.size() * 8)
    return StillHeader(
        format_name,
        shown,
        stored,
        formats[0],
        bits,
        layer,
        *_colour_fields(spec, format_name, own),
        pixel_aspect(spec),
        timecode(spec, own.get("timecode"), rate),
        rate,
        own.get("reel") or text_field(spec, "reelName") or text_field(spec, "dpx:InputDevice"),
    )


def _colour_fields(spec: Any, format_name: str, own: dict[str, str]) -> tuple[str, str, Chromaticities | None, str]:
    """Primaries, transfer, chromaticities and encoding; our own word goes before the format's fields."""
    primaries, transfer, chromaticities = read_still_colour(spec, format_name)
    primaries, transfer = own.get("primaries") or primaries, own.get("transfer") or transfer
    said = {
        "encoding": own.get("encoding"),
        "colorInteropID": text_field(spec, "colorInteropID"),
        "acesImageContainerFlag": spec.getattribute("acesImageContainerFlag"),
    }
    return primaries, transfer, chromaticities, encoding_of_frames(primaries, transfer, said)


def _refuse_kind(path: Path, spec: Any, format_name: str, formats: set[str]) -> None:
    found = None
    if spec.deep:
        found = "deep pixels"
    elif len(formats) > 1:
        found = f"red, green and blue of different types ({', '.join(sorted(formats))})"
    elif not formats <= _DTYPES.keys():
        found = f"{formats.pop()} channels"
    elif format_name == "dpx" and str(spec.getattribute("dpx:ImageDescriptor")) not in _DPX_PICTURES:
        found = f"a DPX element of kind {spec.getattribute('dpx:ImageDescriptor')}"
    elif format_name == "tiff" and int(spec.getattribute("tiff:subfiletype") or 0) & 1:
        found = "the preview of another picture, as camera raw files (DNG) begin with"
    elif format_name == "tiff" and spec.getattribute("tiff:PhotometricInterpretation") not in _TIFF_PHOTOMETRIC:
        found = "TIFF colours that are neither RGB nor grey"
    elif str(spec.getattribute("jpeg:ColorSpace")) == "CMYK":
        found = "CMYK colours"
    elif int(spec.getattribute("Orientation") or 1) in range(2, 9):
        found = f"a picture stored turned (orientation {spec.getattribute('Orientation')})"
    if found is not None:
        raise MediaError(
            f"{path.name} is of a kind that is not read",
            found=found,
            expected="flat, upright RGB or grey: 8 to 16 bit integers, half or float",
            remedy="render or convert it to such frames",
        )


def _not_opened(path: Path, reason: str) -> MediaError:
    if "Subsampled channels" in reason:
        return MediaError(
            f"{path.name} is of a kind that is not read",
            found="an EXR of luminance with colour at a lower resolution (Y, RY, BY)",
            expected="R, G and B at full resolution",
            remedy="render it again with RGB channels",
        )
    return _unreadable(path, reason)


def _unreadable(path: Path, reason: str) -> MediaError:
    return MediaError(
        f"{path.name} is damaged or cut short",
        found=(reason or "the reader gave no reason").strip().splitlines()[0],
        expected="a whole picture",
        remedy="copy or render this frame again",
    )
