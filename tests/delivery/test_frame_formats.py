"""Plates of every format come back in their own format, with windows, reel, timecode and colour, bit for bit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from numpy.typing import NDArray
from stand_ins import (
    HEIGHT,
    SOURCE,
    TASK,
    WIDTH,
    KnownErrors,
    bar_mask,
    noise_codes,
    settings,
    write_mask,
    write_movie,
)

from interpositive.delivery.deliver import deliver_shot
from interpositive.delivery.frame_formats import choose_format
from interpositive.errors import ConfigError, MediaError
from interpositive.media.contract import ColourTags, MediaInfo, Window
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import SequenceWriter, stored_codes
from interpositive.media.still_colour import CHROMATICITIES
from interpositive.media.still_tags import FrameTags
from interpositive.records.delivery_manifest import DeliveryManifest

NTSC = Fraction(30000, 1001)
NUM_FRAMES = 3


def _deliver(shot: Path, mask: Path, folder: Path, **changes: Any) -> DeliveryManifest:
    return deliver_shot(shot, mask, folder, KnownErrors(), TASK, SOURCE, settings(**changes))


def _stored(path: Path) -> NDArray[Any]:
    opened = oiio.ImageInput.open(str(path))
    kind = {"half": oiio.HALF, "float": oiio.FLOAT}.get(str(opened.spec().format), oiio.UINT16)
    pixels = opened.read_image(0, 0, 0, 3, kind)
    opened.close()
    return pixels


def _plate(folder: Path, format: Any, codes: NDArray[Any], tags: FrameTags, **changes: Any) -> Path:
    folder.mkdir()
    given: dict[str, Any] = {"first_frame": 1001, "rate": NTSC, "start_timecode": "10:00:59;29", "bits": 16, **changes}
    SequenceWriter(folder, "A001C002", format=format, tags=tags, **given).write(codes)
    return folder


@pytest.mark.parametrize("reel", ["A001C002_210911_R3VJ", "R" * 80])
@pytest.mark.parametrize("format", ["dpx10", "dpx12", "dpx16", "tiff16", "png16", "exr"])
def test_a_sequence_is_delivered_as_it_came(tmp_path: Path, format: Any, reel: str) -> None:
    codes = noise_codes(NUM_FRAMES, np.float32 if format == "exr" else np.uint16)
    codes = codes.astype(np.float16).astype(np.float32) if format == "exr" else stored_codes(codes, format)
    tags = (
        FrameTags(reel, "ap1", "linear", "acescg")
        if format == "exr"
        else FrameTags(reel, "bt709", "bt709", "rec709_display")
    )
    plate, mask = _plate(tmp_path / "plate", format, codes, tags), bar_mask(NUM_FRAMES)
    manifest = _deliver(plate, write_mask(tmp_path / "mask", mask), tmp_path / "out")
    assert (manifest.frame_format, manifest.reel, manifest.first_frame) == (format, reel, 1001)
    frames = tmp_path / "out" / "frames"
    originals, delivered = sorted(plate.iterdir()), sorted(frames.iterdir())
    assert [path.suffix for path in delivered] == [path.suffix for path in originals]
    for original, path, inside in zip(originals, delivered, mask > 0, strict=True):
        before, after = _stored(original), _stored(path)
        assert before.dtype == after.dtype
        assert before[~inside].tobytes() == after[~inside].tobytes()
        assert (before[inside] != after[inside]).any(-1).mean() > 0.9
    told, came = SequenceReader(frames).info, SequenceReader(plate).info
    for what in ("start_timecode", "rate", "reel", "colour", "encoding", "chromaticities", "bits", "pixel_format"):
        assert getattr(told, what) == getattr(came, what), what
    assert told.reel == reel and told.start_timecode == "10:00:59;29" and told.encoding == tags.encoding
    SequenceReader(frames).check_headers()


def test_the_matte_of_a_ten_bit_delivery_is_that_of_its_files(tmp_path: Path) -> None:
    # Grey plus the stand-in's error lies between two 10-bit codes; a plate of the nearer one is not altered by it.
    nearest = stored_codes(np.full((2, HEIGHT, WIDTH, 3), round(0.52 * 65535), np.uint16), "dpx10")
    plate = _plate(tmp_path / "plate", "dpx10", nearest, FrameTags())
    manifest = _deliver(plate, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out")
    assert [frame.altered_pixels for frame in manifest.frames] == [0, 0]
    assert all(frame.mask_pixels for frame in manifest.frames)


class TestWindows:
    DISPLAY = Window(30, 20, WIDTH, HEIGHT)

    def _exr(self, path: Path, data: Window, value: float) -> None:
        spec = oiio.ImageSpec(data.width, data.height, 3, oiio.HALF)
        spec.x, spec.y = data.x, data.y
        spec.full_x, spec.full_y, spec.full_width, spec.full_height = self.DISPLAY
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), CHROMATICITIES["ap0"])
        pixels = np.full((data.height, data.width, 3), value, np.float16)
        pixels[0, 0] = (np.nan, np.inf, -np.inf)
        output = oiio.ImageOutput.create(str(path))
        assert output.open(str(path), spec) and output.write_image(pixels) and output.close()

    def test_the_data_window_stays_and_grows_only_where_something_is_repaired(self, tmp_path: Path) -> None:
        plate, mask = tmp_path / "plate", np.zeros((4, HEIGHT, WIDTH), np.uint8)
        plate.mkdir()
        stored = [Window(35, 22, 10, 6), Window(36, 22, 10, 7), Window(20, 10, 60, 60), Window(0, 0, 5, 5)]
        for number, window in enumerate(stored):
            self._exr(plate / f"a.{number}.exr", window, 0.25)
        mask[1, 20:23, 30:32] = 255
        mask[2, 5, 5] = 255
        manifest = _deliver(plate, write_mask(tmp_path / "mask", mask), tmp_path / "out")
        reader = SequenceReader(tmp_path / "out" / "frames")
        assert [reader.data_window(n) for n in range(4)] == [
            Window(35, 22, 10, 6),
            Window(36, 22, 26, 21),
            self.DISPLAY,
            Window(30, 20, 1, 1),
        ]
        info = reader.info
        assert info.display_window == self.DISPLAY and info.colour.primaries == "ap0"
        before, after = SequenceReader(plate).window(0, 4), reader.window(0, 4)
        assert before[mask == 0].tobytes() == after[mask == 0].tobytes()
        assert np.isnan(after[0, 2, 5, 0]) and after[1, 21, 31, 0] == pytest.approx(0.52, abs=1e-3)
        assert "2 of the plate's frames store more" in manifest.notes[-1]

    def test_overscan_is_left_out_and_the_manifest_says_so(self, tmp_path: Path) -> None:
        plate = tmp_path / "plate"
        plate.mkdir()
        for number in range(2):
            self._exr(plate / f"a.{number}.exr", Window(20, 10, 60, 60), 0.25)
        manifest = _deliver(plate, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out")
        assert "overscan" in manifest.notes[-1] and "60x60+20+10" in manifest.notes[-1]


def _info(kind: str, codec: str, pixel_format: str, bits: int) -> MediaInfo:
    colour = ColourTags("rgb", "full", "unknown", "unknown", "rgb")
    return MediaInfo(Path("plate"), kind, 2, NTSC, 8, 8, codec, pixel_format, bits, colour)


@pytest.mark.parametrize(
    ("plate", "expected"),
    [
        (("sequence", "openexr", "half", 16), "exr"),
        (("sequence", "tiff", "float", 32), "exr"),
        (("sequence", "tiff", "uint8", 8), "tiff16"),
        (("sequence", "cineon", "uint16", 10), "dpx10"),
        (("sequence", "dpx", "uint8", 8), "dpx16"),
        (("sequence", "jpeg", "uint8", 8), "png16"),
        (("movie", "prores", "yuv422p10le", 10), "png16"),
    ],
)
def test_the_plate_chooses_its_own_format(plate: tuple[str, str, str, int], expected: str) -> None:
    assert choose_format("plate", _info(*plate)) == expected


@pytest.mark.parametrize(
    ("plate", "wanted"),
    [
        (("sequence", "openexr", "half", 16), "dpx16"),
        (("sequence", "openexr", "half", 16), "tiff16"),
        (("sequence", "png", "uint16", 16), "dpx10"),
        (("sequence", "dpx", "uint16", 12), "dpx10"),
        (("movie", "prores", "yuv422p10le", 10), "dpx10"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(plate: tuple[str, str, str, int], wanted: Any) -> None:
    with pytest.raises(MediaError, match="without loss") as caught:
        choose_format(wanted, _info(*plate))
    assert ("exr" if "half" in plate else "dpx16") in caught.value.remedy
    with pytest.raises(ConfigError, match="dpx12"):
        choose_format("jpeg", _info(*plate))  # type: ignore[arg-type]


def test_eight_bit_movies_go_into_ten_bits_and_back(tmp_path: Path) -> None:
    shot = write_movie(tmp_path / "shot.mp4", noise_codes(2), "h264", timecode="01:00:00:00")
    manifest = _deliver(shot, write_mask(tmp_path / "mask", bar_mask(2)), tmp_path / "out", frame_format="dpx10")
    assert manifest.frame_format == "dpx10"
    assert SequenceReader(tmp_path / "out" / "frames").info.colour.transfer == "bt709"
