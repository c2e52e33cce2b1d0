"""Frame folders: every format gives its own codes, and what is no sequence is refused in words."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenImageIO as oiio
import pytest

from interpositive.errors import ConfigError, MediaError
from interpositive.media import sequence_reader
from interpositive.media.contract import Window
from interpositive.media.opening import open_reader
from interpositive.media.probing import probe_media
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.still_colour import CHROMATICITIES

NTSC = Fraction(30000, 1001)
TYPES = {"uint8": oiio.UINT8, "uint16": oiio.UINT16, "float16": oiio.HALF, "float32": oiio.FLOAT}


def _put(path: Path, pixels: np.ndarray, **attributes: Any) -> None:
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, TYPES[str(pixels.dtype)])
    for name, value in attributes.items():
        typed = (oiio.TypeDesc(value[0]), value[1]) if isinstance(value, tuple) else (value,)
        spec.attribute(name.replace("__", ":"), *typed)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(pixels) and output.close()


def _codes(dtype: type, channels: int = 3, size: tuple[int, int] = (12, 20)) -> np.ndarray:
    values = np.random.default_rng(channels).random((*size, channels))
    return (values * (np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1)).astype(dtype)


@pytest.mark.parametrize(
    ("extension", "dtype", "read_as", "bits"),
    [
        ("png", np.uint8, np.uint8, 8),
        ("png", np.uint16, np.uint16, 16),
        ("tif", np.uint8, np.uint8, 8),
        ("tiff", np.uint16, np.uint16, 16),
        ("tif", np.float32, np.float32, 32),
        ("exr", np.float16, np.float32, 16),
        ("exr", np.float32, np.float32, 32),
        ("dpx", np.uint16, np.uint16, 16),
    ],
)
def test_codes_come_back_as_stored(tmp_path: Path, extension: str, dtype: type, read_as: type, bits: int) -> None:
    for number in (7, 8, 9, 10):
        _put(
            tmp_path / f"a.{number}.{extension}",
            _codes(dtype) if number == 9 else np.zeros((12, 20, 3), dtype),
        )
    reader = SequenceReader(tmp_path, rate=Fraction(25))
    assert (len(reader), reader.first_frame_number, reader.info.bits) == (4, 7, bits)
    assert reader.info.rate == 25
    frames = reader.window(1, 4)
    assert frames.dtype == read_as
    assert np.array_equal(frames[1], _codes(dtype))
    assert not frames[0].any()


@pytest.mark.parametrize(
    ("bits", "packing"),
    [(10, "Filled, method A"), (10, "Filled, method B"), (10, "Packed"), (12, "Packed"), (16, "Filled, method A")],
)
@pytest.mark.parametrize("endian", ["big", "little"])
def test_every_dpx_code_is_found_again(tmp_path: Path, bits: int, packing: str, endian: str) -> None:
    top = (1 << bits) - 1
    ramp = np.arange(top + 1).reshape(-1, 32, 1).repeat(3, axis=2)
    full_scale = np.rint(ramp / top * 65535).astype(np.uint16)
    _put(tmp_path / "a.1.dpx", full_scale, oiio__BitsPerSample=bits, dpx__Packing=packing, oiio__Endian=endian)
    reader = SequenceReader(tmp_path)
    assert (reader.info.bits, reader.info.pixel_format) == (bits, "uint16")
    assert np.array_equal(np.rint(reader.window(0, 1)[0] / 65535 * top), ramp)


def test_every_half_comes_back_bit_for_bit_infinities_and_nans_too(tmp_path: Path) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    _put(tmp_path / "a.1.exr", bits.view(np.float16))
    found = SequenceReader(tmp_path).window(0, 1)[0]
    assert found.dtype == np.float32
    assert np.array_equal(found.astype(np.float16).view(np.uint16), bits)


@pytest.mark.parametrize(("name", "stored_as"), [("a.1.exr", "png"), ("a.1", "exr"), ("a.1.img", "dpx"), ("a1", "tif")])
def test_a_frame_is_read_by_what_is_in_it(tmp_path: Path, name: str, stored_as: str) -> None:
    codes = _codes(np.float16 if stored_as == "exr" else np.uint16)
    _put(tmp_path / f"a.{stored_as}", codes)
    (tmp_path / f"a.{stored_as}").rename(tmp_path / name)
    (tmp_path / "notes.1").write_text("not a frame")
    reader = SequenceReader(tmp_path)
    assert reader.info.codec == {"exr": "openexr", "tif": "tiff"}.get(stored_as, stored_as)
    assert np.array_equal(reader.window(0, 1)[0], codes)


@pytest.mark.parametrize(("channels", "expected"), [(1, [0, 0, 0]), (4, [0, 1, 2])])
def test_grey_becomes_three_channels_and_alpha_is_left_out(tmp_path: Path, channels: int, expected: list[int]) -> None:
    codes = _codes(np.uint16, channels)
    _put(tmp_path / "a.1.tif", codes)
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1)[0], codes[..., expected])


def test_colour_under_transparent_pixels_stays_as_stored(tmp_path: Path) -> None:
    codes = _codes(np.uint16, 4)
    cv2.imwrite(str(tmp_path / "a.1.png"), codes[..., [2, 1, 0, 3]])
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1)[0], codes[..., :3])


def test_exr_channels_are_found_by_name(tmp_path: Path) -> None:
    codes = _codes(np.float32, 5)
    spec = oiio.ImageSpec(20, 12, 5, oiio.FLOAT)
    spec.channelnames = ("Z", "B", "A", "R", "G")
    output = oiio.ImageOutput.create("a.exr")
    assert output.open(str(tmp_path / "a.1.exr"), spec) and output.write_image(codes) and output.close()
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1)[0], codes[..., [3, 4, 1]])


def test_without_a_rate_24_is_noted(tmp_path: Path) -> None:
    _put(tmp_path / "a.1.png", _codes(np.uint8))
    info = probe_media(tmp_path)
    assert (info.rate, info.start_timecode, info.kind) == (24, None, "sequence")


@pytest.mark.parametrize(
    ("extension", "stored", "expected"),
    [
        ("dpx", {"dpx__FrameRate": 23.976}, Fraction(24000, 1001)),
        ("dpx", {"dpx__FrameRate": 0.0, "dpx__TemporalFrameRate": 29.97}, Fraction(30000, 1001)),
        ("dpx", {"dpx__FrameRate": 9e-41}, Fraction(24)),
        ("exr", {"framesPerSecond": ("rational", (23976, 1000))}, Fraction(24000, 1001)),
        ("exr", {"framesPerSecond": ("rational", (25, 0))}, Fraction(24)),
        ("png", {"FramesPerSecond": "as fast as it can"}, Fraction(24)),
    ],
)
def test_rates_are_made_exact_and_nonsense_is_none(
    tmp_path: Path, extension: str, stored: dict[str, Any], expected: Fraction
) -> None:
    _put(tmp_path / f"a.1.{extension}", _codes(np.float16 if extension == "exr" else np.uint16), **stored)
    assert SequenceReader(tmp_path).info.rate == expected


def _window_exr(path: Path, data: Window, display: Window, value: float = 1.0) -> None:
    spec = oiio.ImageSpec(data.width, data.height, 3, oiio.HALF)
    spec.x, spec.y = data.x, data.y
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = display
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    columns = np.arange(data.x, data.x + data.width, dtype=np.float16)
    pixels = np.broadcast_to(columns[None, :, None] + np.float16(value), (data.height, data.width, 3))
    assert output.write_image(np.ascontiguousarray(pixels)) and output.close()


@pytest.mark.parametrize(
    ("data", "filled"),
    [
        (Window(30, 20, 16, 8), (slice(0, 8), slice(0, 16))),
        (Window(34, 22, 4, 3), (slice(2, 5), slice(4, 8))),
        (Window(20, 10, 40, 30), (slice(0, 8), slice(0, 16))),
        (Window(-5, 24, 40, 30), (slice(4, 8), slice(0, 5))),
        (Window(100, 100, 5, 5), (slice(0, 0), slice(0, 0))),
    ],
)
def test_frames_are_what_the_display_window_shows(tmp_path: Path, data: Window, filled: tuple[slice, slice]) -> None:
    display = Window(30, 20, 16, 8)
    _window_exr(tmp_path / "a.1.exr", data, display)
    reader = SequenceReader(tmp_path)
    info = reader.info
    assert (info.width, info.height, info.display_window, info.data_window) == (16, 8, display, data)
    expected = np.zeros((8, 16, 3), np.float32)
    expected[filled] = np.arange(31, 47, dtype=np.float32)[None, filled[1], None]
    assert np.array_equal(reader.window(0, 1)[0], expected)


@pytest.mark.parametrize("tile", [0, 64])
@pytest.mark.parametrize("compression", ["none", "zip", "piz", "dwab"])
def test_a_tall_picture_is_put_together_from_its_strips(tmp_path: Path, compression: str, tile: int) -> None:
    path = tmp_path / "shot.1.exr"
    spec = oiio.ImageSpec(20, 700, 3, oiio.HALF)
    spec.x, spec.y, spec.tile_width, spec.tile_height = -3, -300, tile, tile
    spec.full_x, spec.full_y, spec.full_width, spec.full_height = -3, -280, 20, 660
    spec.attribute("compression", compression)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(_codes(np.float32, size=(700, 20))) and output.close()
    stored = oiio.ImageInput.open(str(path)).read_image(0, 0, 0, 3, oiio.FLOAT)
    np.testing.assert_array_equal(SequenceReader(tmp_path).window(0, 1)[0], stored[20:680])


@pytest.mark.parametrize("extension", ["dpx", "tif"])
def test_only_exr_shows_another_rectangle_than_it_stores(tmp_path: Path, extension: str) -> None:
    # Scans note how large the film frame was and where in it they were cut, TIFF where on a page it stands.
    codes = _codes(np.uint16)
    spec = oiio.ImageSpec(codes.shape[1], codes.shape[0], 3, oiio.UINT16)
    spec.x, spec.y, spec.full_width, spec.full_height = 5, 7, 40, 30
    output = oiio.ImageOutput.create(str(tmp_path / f"shot.1.{extension}"))
    assert output.open(str(tmp_path / f"shot.1.{extension}"), spec) and output.write_image(codes) and output.close()
    reader = SequenceReader(tmp_path)
    assert reader.info.display_window is None
    np.testing.assert_array_equal(reader.window(0, 1)[0], codes)


def test_each_frame_may_store_another_rectangle_but_not_show_another(tmp_path: Path) -> None:
    display = Window(0, 0, 16, 8)
    windows = [Window(0, 0, 16, 8), Window(3, 2, 5, 5), Window(4, 2, 6, 5)]
    for number, window in enumerate(windows):
        _window_exr(tmp_path / f"a.{number}.exr", window, display)
    reader = SequenceReader(tmp_path)
    reader.check_headers()
    assert reader.info.data_window is None
    assert [reader.data_window(n) for n in range(3)] == windows
    assert reader.window(2, 3)[0, 3, :, 0].tolist() == [0] * 4 + [5, 6, 7, 8, 9, 10] + [0] * 6
    _window_exr(tmp_path / "a.3.exr", windows[0], Window(1, 0, 16, 8))
    with pytest.raises(MediaError, match="different raster"):
        SequenceReader(tmp_path).window(0, 1)


def _parts_exr(path: Path, parts: dict[str, tuple[str, ...]], kind: Any = oiio.HALF) -> None:
    """Write parts by name, channels of part ``n`` holding ``10 n + place``."""
    specs = []
    for name, channels in parts.items():
        spec = oiio.ImageSpec(8, 6, len(channels), kind)
        spec.channelnames = channels
        spec.attribute("oiio:subimagename", name)
        specs.append(spec)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), specs) if len(specs) > 1 else output.open(str(path), specs[0])
    for part, spec in enumerate(specs):
        assert part == 0 or output.open(str(path), spec, "AppendSubimage")
        values = np.arange(spec.nchannels, dtype=np.float32) + 10 * part
        assert output.write_image(np.ascontiguousarray(np.broadcast_to(values, (6, 8, spec.nchannels))))
    assert output.close()


class TestLayers:
    RGB = ("R", "G", "B")
    LEFT = ("left.R", "left.G", "left.B")

    @pytest.mark.parametrize(
        ("parts", "layer", "expected"),
        [
            ({"depth": ("Z",), "rgba": RGB}, None, [10, 11, 12]),
            ({"rgba": (*RGB, "A", *LEFT)}, None, [0, 1, 2]),
            ({"rgba": (*RGB, "A", *LEFT)}, "left", [4, 5, 6]),
            ({"all": ("A", "Z", "motion.x", "motion.Y", *LEFT)}, None, [4, 5, 6]),
            ({"position": ("X", "Y", "Z"), "grey": ("Y", "A")}, None, [10, 10, 10]),
            ({"left": RGB, "right": RGB}, "right", [10, 11, 12]),
            ({"matte": ("mask.mask",)}, None, [0, 0, 0]),
        ],
    )
    def test_the_picture_is_found(
        self, tmp_path: Path, parts: dict[str, tuple[str, ...]], layer: str | None, expected: list[int]
    ) -> None:
        _parts_exr(tmp_path / "a.1.exr", parts)
        # OpenImageIO may store channels in another order than given; values tell what was read.
        assert SequenceReader(tmp_path, layer=layer).window(0, 1)[0, 2, 3].tolist() == expected

    @pytest.mark.parametrize(
        ("parts", "layer", "reason"),
        [
            ({"left": RGB, "right": RGB}, None, "left, right"),
            ({"all": (*LEFT, "right.R", "right.G", "right.B")}, None, "left, right"),
            ({"left": RGB, "right": RGB}, "middle", "one of left, right"),
            ({"depth": ("Z", "id")}, None, "channels Z, id"),
        ],
    )
    def test_what_is_not_one_picture_is_refused_with_what_there_is(
        self, tmp_path: Path, parts: dict[str, tuple[str, ...]], layer: str | None, reason: str
    ) -> None:
        _parts_exr(tmp_path / "a.1.exr", parts)
        with pytest.raises(MediaError, match=reason):
            SequenceReader(tmp_path, layer=layer).window(0, 1)

    def test_identifiers_are_no_picture(self, tmp_path: Path) -> None:
        _parts_exr(tmp_path / "a.1.exr", {"ids": self.RGB}, oiio.UINT32)
        with pytest.raises(MediaError, match="uint channels"):
            SequenceReader(tmp_path).window(0, 1)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("exr/Trunks.exr", "deep pixels"),
            ("exr/Flowers.exr", "lower resolution"),
            ("c2pa/C.dng", "the preview"),
        ],
    )
    def test_real_files_of_other_kinds_are_refused(
        self, tmp_path: Path, material: Path, name: str, reason: str
    ) -> None:
        original = material / "interchange" / name
        (tmp_path / f"a.1{original.suffix}").symlink_to(original)
        with pytest.raises(MediaError, match=reason):
            SequenceReader(tmp_path).window(0, 1)


@pytest.mark.parametrize("name", CHROMATICITIES)
def test_known_primaries_have_a_name(tmp_path: Path, name: str) -> None:
    stored = CHROMATICITIES[name]
    _put(tmp_path / "a.1.exr", _codes(np.float16), chromaticities=("float[8]", stored))
    info = SequenceReader(tmp_path).info
    assert (info.colour.primaries, info.colour.transfer) == (name, "linear")
    assert info.chromaticities == pytest.approx(stored)
    # Light of every camera gamut and working space has an encoding; of the cinema's white nobody makes linear files.
    assert bool(info.encoding) == (name != "smpte431")


def test_other_primaries_are_kept_without_a_name_and_none_are_none(tmp_path: Path) -> None:
    xyz = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
    _put(tmp_path / "a.1.exr", _codes(np.float16), chromaticities=("float[8]", xyz))
    (tmp_path / "b").mkdir()
    _put(tmp_path / "b" / "a.1.exr", _codes(np.float16), chromaticities=("float[8]", xyz))
    _put(tmp_path / "b" / "a.2.exr", _codes(np.float16), chromaticities=("float[8]", (0.9, *xyz[1:])))
    with pytest.raises(MediaError, match="different colour"):
        len(SequenceReader(tmp_path / "b"))
    info = SequenceReader(tmp_path).info
    assert info.colour.primaries == "unknown" and info.chromaticities == pytest.approx(xyz)
    _put(tmp_path / "a.1.exr", _codes(np.float16))
    info = SequenceReader(tmp_path).info
    assert info.colour.primaries == "unknown" and info.chromaticities is None


def _timecoded(folder: Path, timecodes: list[str | None], rate: str = "25") -> SequenceReader:
    for number, timecode in enumerate(timecodes):
        carried = {} if timecode is None else {"smpte__TimeCode": timecode}
        _put(folder / f"a.{number}.png", _codes(np.uint8), FramesPerSecond=rate, **carried)
    return SequenceReader(folder)


class TestTimecode:
    def test_it_runs_on_over_the_second_and_over_midnight(self, tmp_path: Path) -> None:
        reader = _timecoded(tmp_path, ["23:59:59:23", "23:59:59:24", "00:00:00:00", "00:00:00:01"])
        reader.check_headers()
        assert reader.info.start_timecode == "23:59:59:23" and reader.info.notes == ()

    def test_a_jump_inside_names_both_frames(self, tmp_path: Path) -> None:
        reader = _timecoded(tmp_path, ["01:00:00:00", "01:00:00:05", "01:00:00:02"])
        assert reader.info.start_timecode == "01:00:00:00"
        with pytest.raises(MediaError, match=r"a\.0\.png to a\.1\.png") as caught:
            reader.check_headers()
        assert "01:00:00:05 in a.1.png" in str(caught.value) and "01:00:00:01" in str(caught.value)

    @pytest.mark.parametrize("last", ["01:00:00:09", None])
    def test_a_jump_at_the_end_is_seen_at_once(self, tmp_path: Path, last: str | None) -> None:
        with pytest.raises(MediaError, match="does not run on"):
            len(_timecoded(tmp_path, ["01:00:00:00", "01:00:00:01", last]))

    def test_one_that_stands_still_is_none_and_noted(self, tmp_path: Path) -> None:
        reader = _timecoded(tmp_path, ["00:00:00:00"] * 3)
        reader.check_headers()
        assert reader.info.start_timecode is None
        assert "00:00:00:00" in reader.info.notes[0]

    @pytest.mark.parametrize(
        ("first", "last", "rate", "noted"),
        [
            ("01:00:00:24", "01:00:01:00", 25, "25"),
            ("00:00:59;29", "00:01:00;02", NTSC, "30000/1001"),
            ("01:00:00:07", "01:00:00:08", 24, "24"),
        ],
    )
    def test_where_headers_carry_no_rate_the_timecode_may_tell_it(
        self, tmp_path: Path, first: str, last: str, rate: Fraction, noted: str
    ) -> None:
        info = _timecoded(tmp_path, [first, last], rate="").info
        assert (info.rate, info.start_timecode) == (rate, first)
        assert f"{noted} frames per second is assumed" in info.notes[0]

    def test_a_rate_that_the_timecode_leaves_open_is_not_guessed(self, tmp_path: Path) -> None:
        # Counted at 30 or at 29.97 without dropping.
        with pytest.raises(MediaError, match="cannot count"):
            len(_timecoded(tmp_path, ["01:00:00:29", "01:00:01:00"], rate=""))

    def test_one_that_the_rate_cannot_count_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="cannot count"):
            len(_timecoded(tmp_path, ["01:00:00:24", "01:00:01:00"], rate="24"))


def test_opening_a_long_sequence_reads_two_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        _put(tmp_path / f"a.{number:04d}.png", _codes(np.uint8))
    read: list[str] = []
    honest = sequence_reader.read_header
    monkeypatch.setattr(
        sequence_reader, "read_header", lambda path, layer: read.append(path.name) or honest(path, layer)
    )
    assert len(SequenceReader(tmp_path)) == 40
    assert read == ["a.0000.png", "a.0039.png"]
    (tmp_path / "a.0020.png").write_bytes((tmp_path / "a.0020.png").read_bytes()[:20])
    with pytest.raises(MediaError, match=r"a\.0020\.png"):
        SequenceReader(tmp_path).check_headers()


@pytest.mark.parametrize("changed", [{"reelName": "B002"}, {"interpositive__encoding": "acescct"}])
def test_frames_of_another_reel_or_colour_are_not_of_the_sequence(tmp_path: Path, changed: dict[str, str]) -> None:
    for number in (1, 2):
        said = {"reelName": "A001", "interpositive__encoding": "acescg"} | (changed if number == 2 else {})
        _put(tmp_path / f"a.{number}.exr", _codes(np.float16), **said)
    with pytest.raises(MediaError, match=r"different (reel|colour)"):
        len(SequenceReader(tmp_path))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.1.png": (np.uint8, (12, 20)), "a.3.png": (np.uint8, (12, 20))}, "a gap"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.01.png": (np.uint8, (12, 20))}, "two frames of one number"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.png": (np.uint8, (12, 22))}, "different raster"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.png": (np.uint16, (12, 20))}, "different pixel type"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.tif": (np.uint8, (12, 20))}, "different names or formats"),
        ({"a.1.png": (np.uint8, (12, 20)), "b.2.png": (np.uint8, (12, 20))}, "different names or formats"),
        ({"still.png": (np.uint8, (12, 20))}, "no frame number"),
        ({}, "no frames"),
    ],
)
def test_what_is_no_sequence_is_refused(
    tmp_path: Path, files: dict[str, tuple[type, tuple[int, int]]], reason: str
) -> None:
    for name, (dtype, size) in files.items():
        _put(tmp_path / name, _codes(dtype, size=size))
    (tmp_path / "notes.txt").write_text("not a frame")
    with pytest.raises(MediaError, match=reason):
        probe_media(tmp_path)


@pytest.mark.parametrize("extension", ["png", "exr", "tif", "dpx"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5])
def test_a_damaged_frame_is_refused(tmp_path: Path, extension: str, kept: float) -> None:
    dtype = np.float16 if extension == "exr" else np.uint16
    for number in (1, 2):
        _put(tmp_path / f"a.{number}.{extension}", _codes(dtype, size=(64, 64)))
    last = tmp_path / f"a.2.{extension}"
    last.write_bytes(last.read_bytes()[: int(last.stat().st_size * kept)])
    with pytest.raises(MediaError):
        probe_media(tmp_path)


_READ_ALL = """
import sys
from pathlib import Path
from interpositive.errors import MediaError
from interpositive.media.sequence_reader import SequenceReader
for folder in sys.argv[1:]:
    try:
        SequenceReader(Path(folder)).window(0, 1)
    except MediaError as error:
        print(f"refused: {error.found}")
    else:
        print("whole")
"""


def test_no_damaged_file_brings_the_reader_down(tmp_path: Path, material: Path) -> None:
    hostile = material / "hostile"
    damaged = sorted([*(hostile / "exr_damaged").iterdir(), *(hostile / "image_broken").iterdir()])
    assert len(damaged) > 80
    folders = []
    for number, path in enumerate(damaged):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        # Whatever they are called, they claim to be frames.
        (folders[-1] / "a.0001.exr").symlink_to(path)
    # All in one process of their own: one that crashes loses the lines of those after it.
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, *map(str, folders)], capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout.splitlines()
    assert len(said) == len(damaged), f"{damaged[len(said)].name} ended the process: {done.returncode} {done.stderr}"
    assert all(line.startswith("refused: ") and len(line) > 20 for line in said)


def test_the_door_leads_to_the_right_reader(tmp_path: Path) -> None:
    _put(tmp_path / "a.1.png", _codes(np.uint8))
    assert isinstance(open_reader(tmp_path), SequenceReader)
    for path, backend in ((tmp_path, "pyav"), (tmp_path, "decord"), (tmp_path / "a.1.png", "sequence")):
        with pytest.raises(MediaError, match="is not for the"):
            open_reader(path, backend)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        open_reader(tmp_path, "opencv")  # type: ignore[arg-type]
    with pytest.raises(MediaError, match="not there"):
        open_reader(tmp_path / "absent")
